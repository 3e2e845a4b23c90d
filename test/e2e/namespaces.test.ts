/**
 * Three machines (network namespaces), one of them cut off and healed: the views of all converge with
 * nobody's help, and mail that could not cross arrives. Needs root and iproute2; says so when it cannot run.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/node-process.ts";
import { Machines, canMakeNamespaces } from "../support/namespaces.ts";

const root = new URL("../../", import.meta.url).pathname;
const cli = join(root, "src/cli/main.ts");
const possible = canMakeNamespaces();
if (!possible) console.warn("namespaces.test.ts is not run: it needs root and iproute2 on Linux");

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node on a machine of its own; its API is on that machine's loopback. */
class MachineNode {
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

  async dispose(): Promise<void> {
    const child = this.#process;
    if (child?.pid !== undefined && child.exitCode === null) {
      const closed = new Promise((resolve) => child.on("close", resolve));
      process.kill(-child.pid, "SIGKILL");
      await closed;
    }
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

describe.runIf(possible)("three machines", () => {
  const all = { "node-1": "alive", "node-2": "alive", "node-3": "alive" };
  const nodes: MachineNode[] = [];
  let machines: Machines;
  let one: MachineNode;
  let two: MachineNode;
  let three: MachineNode;

  beforeAll(async () => {
    machines = new Machines(3);
    for (let index = 0; index < 3; index++) nodes.push(new MachineNode(machines, index));
    [one, two, three] = nodes as [MachineNode, MachineNode, MachineNode];
    one.launch(undefined);
    await eventually("the first node has made its key", () => (one.key() === "" ? undefined : true));
    // Its API listens where others reach it, and so speaks TLS under the cluster's CA.
    two.launch(one, "--api-addr", `${machines.machines[1]?.address}:8080`);
    three.launch(one);
    for (const node of nodes) await node.until(all);
  }, 120_000);

  afterAll(async () => {
    for (const node of nodes) await node.dispose();
    machines.dispose();
  }, 60_000);

  test("an API that others can reach speaks TLS, and the CLI of its machine trusts it", async () => {
    const address = readFileSync(join(two.dataDir, "api.address"), "utf8").trim();
    expect(address).toBe(`https://${machines.machines[1]?.address}:8080`);
    expect((await two.cli("cluster", "status")).stdout).toContain("Nodes: 3/3 active");
    const stranger = await one.cli("cluster", "status", "--api", address.replace("https:", "http:"));
    expect(stranger.code).not.toBe(0);
  });

  test("a machine that is cut off and healed comes back by itself, with its agents", async () => {
    const echo = join(root, "wasm-agents/echo.wasm");
    const deployed = await one.cli("deploy", echo, "--name", "echo", "--target-node", "node-3");
    expect(`${deployed.stderr}${deployed.code}`).toBe("0");

    machines.cut(2);
    await one.until({ ...all, "node-3": "failed" });
    await two.until({ ...all, "node-3": "failed" });
    await three.until({ "node-1": "failed", "node-2": "failed", "node-3": "alive" });
    expect((await three.cli("cluster", "status")).stdout).toContain("DEGRADED (minority partition)");
    expect((await one.cli("cluster", "status")).stdout).toContain("HEALTHY (majority partition)");
    const queued = await one.cli("message", "send", "--to", "echo", "--content", "through the cut");
    expect(queued.stdout + queued.stderr).toContain("queued");

    machines.heal(2);
    for (const node of nodes) await node.until(all);
    const answer = await two.cli(
      "message",
      "send",
      "--to",
      "echo",
      "--content",
      "hello again",
      "--wait",
      "20s",
    );
    expect(answer.stdout.trim()).toBe("hello again");
    await eventually("nothing is queued any more", async () =>
      (await one.cli("cluster", "status")).stdout.includes("Queued writes: 0") ? true : undefined,
    );
  }, 180_000);
});
