/** A real node on a machine of its own (a network namespace), for end-to-end tests of cuts between machines. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machines } from "./namespaces.ts";
import { eventually } from "./node-process.ts";

const root = new URL("../../", import.meta.url).pathname;
const cli = join(root, "src/cli/main.ts");

export interface Watch {
  /** Whole lines, oldest first. */
  readonly lines: () => readonly string[];
  readonly stop: () => void;
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node on a machine of its own; its API is on that machine's loopback. */
export class MachineNode {
  readonly id: string;
  readonly dataDir: string;
  readonly #machines: Machines;
  readonly #index: number;
  #process: ChildProcess | undefined;
  #output = "";

  constructor(machines: Machines, index: number) {
    this.#machines = machines;
    this.#index = index;
    this.id = `node-${index + 1}`;
    this.dataDir = mkdtempSync(join(tmpdir(), `caxton-ns-${this.id}-`));
  }

  get address(): string {
    return `${this.#machines.machines[this.#index]?.address}:7946`;
  }

  /** `flags` besides the usual ones. */
  launch(seed: MachineNode | undefined, ...flags: readonly string[]): void {
    const args = ["server", "start", "--node-id", this.id, "--data-dir", this.dataDir];
    args.push("--bind-addr", this.address, ...flags);
    if (seed !== undefined)
      args.push("--join", seed.address, "--cluster-key-file", join(seed.dataDir, "cluster.key"));
    this.#process = this.#spawn(args, true);
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-100_000);
    };
    this.#process.stdout?.on("data", keep);
    this.#process.stderr?.on("data", keep);
  }

  async cli(...args: readonly string[]): Promise<Result> {
    const child = this.#spawn([...args, "--data-dir", this.dataDir], false);
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise<number>((resolve) => child.on("close", (exit) => resolve(exit ?? -1)));
    return { code, stdout, stderr };
  }

  /** Node ids and statuses as this node sees them; undefined while it cannot say. */
  async view(): Promise<Record<string, string> | undefined> {
    const { code, stdout } = await this.cli("cluster", "members", "--format", "json");
    if (code !== 0) return undefined;
    const { members } = JSON.parse(stdout) as { readonly members: readonly { id: string; status: string }[] };
    return Object.fromEntries(members.map(({ id, status }) => [id, status]));
  }

  async until(wanted: Record<string, string>): Promise<void> {
    try {
      await eventually(`${this.id} sees ${JSON.stringify(wanted)}`, async () => {
        const view = await this.view();
        return JSON.stringify(sorted(view)) === JSON.stringify(sorted(wanted)) ? true : undefined;
      });
    } catch (error) {
      const seen = JSON.stringify(await this.view());
      throw new Error(`${String(error)}\nit sees ${seen}\n--- output:\n${this.#output}`);
    }
  }

  /** `caxton cluster watch` on its machine: the lines so far. */
  watch(): Watch {
    const child = this.#spawn(["cluster", "watch", "--data-dir", this.dataDir], false);
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()));
    return { lines: () => text.split("\n").slice(0, -1), stop: () => void child.kill("SIGTERM") };
  }

  /** To the launcher and the node. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process ?? {};
    if (pid === undefined) throw new Error(`${this.id} was not started`);
    process.kill(-pid, signal);
  }

  /** The process of the node alone, whose launcher lives on. */
  nodePid(): number {
    const launcher = this.#process?.pid ?? 0;
    // `ip netns exec` becomes the command, so the launcher is the process itself.
    const children = readFileSync(`/proc/${launcher}/task/${launcher}/children`, "utf8").trim().split(/\s+/);
    return Number(children[0]);
  }

  async killed(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((resolve) => child.once("close", resolve));
    this.signal("SIGKILL");
    await closed;
  }

  async dispose(): Promise<void> {
    await this.killed();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  key(): string {
    return readFileSync(join(this.dataDir, "cluster.key"), "utf8");
  }

  #spawn(args: readonly string[], detached: boolean): ChildProcess {
    const [command, ...rest] = this.#machines.on(this.#index, [process.execPath, cli, ...args]);
    const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/", NO_COLOR: "1" };
    return spawn(command as string, rest, { cwd: root, env, detached, stdio: ["ignore", "pipe", "pipe"] });
  }
}

function sorted(view: Record<string, string> | undefined): [string, string][] {
  return Object.entries(view ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}
