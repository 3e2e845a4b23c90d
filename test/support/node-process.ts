/**
 * Real nodes for end-to-end tests: each is `caxton server start` in a process group of its own, with
 * its own data directory and free loopback ports. Every wait is for a condition, with a deadline.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf } from "../../src/base/errors.ts";
import { freePort } from "./free-port.ts";
import { patience_ms, question_ms } from "./patience.ts";

const root = new URL("../../", import.meta.url).pathname;
const cliPath = join(root, "src/cli/main.ts");
/** Between two looks. */
const pause_ms = 50;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Polls until `probe` gives something other than undefined; throws with `what` and the last error after the deadline. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  limit_ms = patience_ms,
): Promise<T> {
  const end_ms = performance.now() + limit_ms;
  let last: unknown;
  for (;;) {
    // Looked at once more after the deadline: it may have passed while this process stood still.
    const late = performance.now() >= end_ms;
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (late) break;
    await new Promise((resolve) => setTimeout(resolve, pause_ms));
  }
  throw new Error(
    `Not within ${limit_ms} ms: ${what}${last === undefined ? "" : ` (last: ${reasonOf(last)})`}`,
  );
}

/** Runs the CLI to its end. */
export async function caxton(args: readonly string[], input = ""): Promise<CommandResult> {
  const child = spawn(process.execPath, [cliPath, ...args], { cwd: root, env: cleanEnvironment() });
  return await finished(child, input);
}

async function finished(child: ChildProcess, input: string): Promise<CommandResult> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin?.end(input);
  const code = await new Promise<number>((resolve) => child.on("close", (exit) => resolve(exit ?? -1)));
  return { code, stdout, stderr };
}

/** The test's own settings must not reach the nodes. */
function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !name.startsWith("CAXTON_") && !name.startsWith("VITEST"),
  );
  return { ...(Object.fromEntries(kept) as Record<string, string>), NO_COLOR: "1" };
}

export interface NodeOptions {
  readonly id: string;
  readonly dataDir?: string;
  readonly join?: readonly TestNodeProcess[];
  readonly keyFile?: string;
  /** Free ones unless given. */
  readonly apiPort?: number;
  readonly flags?: readonly string[];
  /** Added to the node's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export class TestNodeProcess {
  readonly id: string;
  readonly dataDir: string;
  readonly gossipPort: number;
  readonly apiPort: number;
  readonly metricsPort: number;
  readonly #options: NodeOptions;
  #launcher: ChildProcess | undefined;
  #output = "";
  #exit: Promise<number> | undefined;

  private constructor(options: NodeOptions, ports: readonly [number, number, number]) {
    this.id = options.id;
    this.#options = options;
    this.dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), `caxton-${options.id}-`));
    [this.gossipPort, this.apiPort, this.metricsPort] = ports;
  }

  /** Prepares without starting. */
  static async prepare(options: NodeOptions): Promise<TestNodeProcess> {
    return new TestNodeProcess(options, [
      await freePort(),
      options.apiPort ?? (await freePort()),
      await freePort(),
    ]);
  }

  static async start(options: NodeOptions): Promise<TestNodeProcess> {
    const node = await TestNodeProcess.prepare(options);
    await node.start();
    return node;
  }

  get output(): string {
    return this.#output;
  }

  get gossipAddress(): string {
    return `127.0.0.1:${this.gossipPort}`;
  }

  get keyFile(): string {
    return join(this.dataDir, "cluster.key");
  }

  get api(): string {
    return `http://127.0.0.1:${this.apiPort}`;
  }

  /** Starts the process group and waits until the node is ready. */
  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  launch(): void {
    const { join: seeds = [], keyFile, flags = [] } = this.#options;
    const args = ["server", "start", "--node-id", this.id, "--data-dir", this.dataDir];
    args.push("--bind-addr", this.gossipAddress, "--api-addr", `127.0.0.1:${this.apiPort}`);
    args.push("--metrics-addr", `127.0.0.1:${this.metricsPort}`);
    if (seeds.length > 0) args.push("--join", seeds.map((seed) => seed.gossipAddress).join(","));
    const key = keyFile ?? seeds[0]?.keyFile;
    if (key !== undefined) args.push("--cluster-key-file", key);
    args.push(...flags);
    const launcher = spawn(process.execPath, [cliPath, ...args], {
      cwd: root,
      env: { ...cleanEnvironment(), ...this.#options.env },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-200_000);
    };
    launcher.stdout.on("data", keep);
    launcher.stderr.on("data", keep);
    this.#launcher = launcher;
    this.#exit = new Promise((resolve) => launcher.on("close", (code) => resolve(code ?? -1)));
  }

  async ready(): Promise<void> {
    try {
      await eventually(`node ${this.id} ready`, async () => {
        const answer = await fetch(`${this.api}/readyz`, { signal: AbortSignal.timeout(question_ms) });
        return answer.status === 200 ? true : undefined;
      });
    } catch (error) {
      throw new Error(`${String(error)}\n--- output of ${this.id}:\n${this.#output}`);
    }
  }

  get pid(): number {
    const pid = this.#launcher?.pid;
    if (pid === undefined) throw new Error(`Node ${this.id} was not started`);
    return pid;
  }

  /** Processes that the launcher started: the node itself. */
  childPids(): number[] {
    const path = `/proc/${this.pid}/task/${this.pid}/children`;
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8").trim().split(/\s+/).filter(Boolean).map(Number);
  }

  /** A signal to the whole group: launcher and node. */
  signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  exited(): Promise<number> {
    if (this.#exit === undefined) throw new Error(`Node ${this.id} was not started`);
    return this.#exit;
  }

  /** Graceful stop by SIGTERM to the launcher; resolves with its exit code. */
  async stop(): Promise<number> {
    process.kill(this.pid, "SIGTERM");
    return await this.exited();
  }

  async kill(): Promise<void> {
    this.signalGroup("SIGKILL");
    await this.exited();
  }

  /** Ends whatever is left and removes the data. */
  async dispose(): Promise<void> {
    if (this.#launcher !== undefined && this.#launcher.exitCode === null) await this.kill();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** The CLI as used on this node's machine. */
  cli(...args: readonly string[]): Promise<CommandResult> {
    return caxton([...args, "--data-dir", this.dataDir, "--api", this.api]);
  }

  /** The CLI's JSON output; fails with its error otherwise. */
  async json(...args: readonly string[]): Promise<unknown> {
    const result = await this.cli(...args, "--format", "json");
    if (result.code !== 0)
      throw new Error(`caxton ${args.join(" ")} exited ${result.code}: ${result.stderr}`);
    return JSON.parse(result.stdout) as unknown;
  }

  token(): string {
    return readFileSync(join(this.dataDir, "admin.token"), "utf8").trim();
  }

  /** The API's answer at `path`, for waiting: a look costs next to nothing, a command a third of a second. */
  async ask(path: string): Promise<unknown> {
    const answer = await this.fetch(path, { signal: AbortSignal.timeout(question_ms) });
    if (!answer.ok) throw new Error(`${path} at ${this.id}: ${answer.status} ${await answer.text()}`);
    return await answer.json();
  }

  /** Node ids and statuses as this node sees them. */
  async statuses(): Promise<Record<string, string>> {
    const { members } = (await this.ask("/api/v1/cluster/members")) as {
      readonly members: readonly { readonly id: string; readonly status: string }[];
    };
    return Object.fromEntries(members.map(({ id, status }) => [id, status]));
  }

  /** An authenticated request to this node's API. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${this.token()}`);
    return fetch(`${this.api}${path}`, { ...init, headers });
  }
}
