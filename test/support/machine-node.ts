/** A real node on a machine of its own (a network namespace), for end-to-end tests of cuts between machines. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { MachineAnswer, MachineRequest } from "./machine-asker.ts";
import type { Machines } from "./namespaces.ts";
import { eventually } from "./node-process.ts";

const root = new URL("../../", import.meta.url).pathname;
const cli = join(root, "src/cli/main.ts");
const asker = new URL("./machine-asker.ts", import.meta.url).pathname;

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
  #asker: ChildProcess | undefined;
  /** Those who wait for an answer, by the number of their request. */
  readonly #asking = new Map<number, (answer: MachineAnswer) => void>();
  #asked = 0;

  constructor(machines: Machines, index: number) {
    this.#machines = machines;
    this.#index = index;
    this.id = `node-${index + 1}`;
    this.dataDir = mkdtempSync(join(tmpdir(), `caxton-ns-${this.id}-`));
  }

  get host(): string {
    return this.#machines.machines[this.#index]?.address ?? "";
  }

  get output(): string {
    return this.#output;
  }

  get address(): string {
    return `${this.host}:7946`;
  }

  /** The command that runs `command` on this machine. */
  command(command: readonly string[]): string[] {
    return this.#machines.on(this.#index, command);
  }

  /** `flags` besides the usual ones. */
  launch(seed: MachineNode | undefined, ...flags: readonly string[]): void {
    const join_ =
      seed === undefined
        ? []
        : ["--join", seed.address, "--cluster-key-file", join(seed.dataDir, "cluster.key")];
    this.launchWith([...flags, ...join_]);
  }

  launchWith(flags: readonly string[]): void {
    const args = ["server", "start", "--node-id", this.id, "--data-dir", this.dataDir];
    args.push("--bind-addr", this.address, ...flags);
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

  /** One request to the node's API, sent on its machine. */
  async request(
    path: string,
    init: Partial<Pick<MachineRequest, "method" | "headers" | "body">> = {},
  ): Promise<MachineAnswer> {
    const { method = "GET", headers = {}, body = null } = init;
    const request: MachineRequest = { number: ++this.#asked, path, method, headers, body };
    return await new Promise((resolve) => {
      this.#asking.set(request.number, resolve);
      this.#asker ??= this.#startAsker();
      this.#asker.stdin?.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** The API's answer at `path`; undefined while there is none. */
  async ask<T>(path: string): Promise<T | undefined> {
    const { status, body } = await this.request(path);
    return status === 200 ? (JSON.parse(body) as T) : undefined;
  }

  /** Node ids and statuses as this node sees them; undefined while it cannot say. */
  async view(): Promise<Record<string, string> | undefined> {
    const seen = await this.ask<{ readonly members: readonly { id: string; status: string }[] }>(
      "/api/v1/cluster/members",
    );
    return seen && Object.fromEntries(seen.members.map(({ id, status }) => [id, status]));
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

  /** Its processes have ended by themselves. */
  async ended(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => child.once("close", resolve));
  }

  async killed(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((resolve) => child.once("close", resolve));
    this.signal("SIGKILL");
    await closed;
  }

  async dispose(): Promise<void> {
    this.#asker?.kill("SIGKILL");
    await this.killed();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  #spawn(args: readonly string[], detached: boolean): ChildProcess {
    const [command, ...rest] = this.command([process.execPath, cli, ...args]);
    const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/", NO_COLOR: "1" };
    return spawn(command as string, rest, { cwd: root, env, detached, stdio: ["ignore", "pipe", "pipe"] });
  }

  #startAsker(): ChildProcess {
    const [command, ...rest] = this.command([process.execPath, asker, this.dataDir]);
    const child = spawn(command as string, rest, { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line) as MachineAnswer;
      this.#asking.get(answer.number)?.(answer);
      this.#asking.delete(answer.number);
    });
    return child;
  }
}

function sorted(view: Record<string, string> | undefined): [string, string][] {
  return Object.entries(view ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}
