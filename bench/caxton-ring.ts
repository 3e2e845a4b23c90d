/** A ring of `gossip-process.ts`, which tell each change at once. */
import { type ChildProcess, spawn } from "node:child_process";
import { type FromProcess, type ProcessOptions, type ToProcess } from "./gossip-process.ts";
import { freePorts } from "../test/support/free-port.ts";
import { nodeEnvironment } from "../src/node/process/launcher.ts";
import type { Change, Ring } from "./ring.ts";

const program = new URL("./gossip-process.ts", import.meta.url).pathname;
const uuid = "0192f0c0-0000-7000-8000-00000000beac";
/** Started together; the rest waits, or starting them would take all of both cores at once. */
const startedAtOnce = 4;

interface Row {
  status: string;
  since_ms: number;
}

class GossipProcess {
  /** By the name of the subject. */
  readonly rows = new Map<string, Row>();
  readonly agents = new Map<string, number>();
  child: ChildProcess | null = null;
  #stats: ((stats: Extract<FromProcess, { kind: "stats" }>) => void) | null = null;

  constructor(
    readonly index: number,
    readonly port: number,
    private readonly changed: (change: Omit<Change, "subject"> & { readonly node: string }) => void,
  ) {}

  get name(): string {
    return `n${this.index}`;
  }

  async start(known: string | null): Promise<void> {
    const options: ProcessOptions = { node: this.name, port: this.port, boot: Date.now(), uuid: known };
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    const env = { ...process.env, ...nodeEnvironment };
    const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: [...stdio], env });
    this.child = child;
    this.rows.clear();
    const ready = Promise.withResolvers<void>();
    child.on("message", (message: FromProcess) => {
      if (message.kind === "ready") ready.resolve();
      else if (child === this.child) this.#hear(message);
    });
    child.once("exit", (code) => ready.reject(new Error(`${this.name} ended with ${code}`)));
    await ready.promise;
  }

  tell(message: ToProcess): void {
    this.child?.send(message);
  }

  stats(): Promise<Extract<FromProcess, { kind: "stats" }>> {
    return new Promise((resolve) => {
      this.#stats = resolve;
      this.tell({ kind: "stats" });
    });
  }

  #hear(message: Exclude<FromProcess, { kind: "ready" }>): void {
    if (message.kind === "stats") this.#stats?.(message);
    else if (message.kind === "agent") this.agents.set(message.agent, message.at_ms);
    else {
      const { node, status, at_ms } = message;
      if (this.rows.get(node)?.status === status) return;
      this.rows.set(node, { status, since_ms: at_ms });
      this.changed({ observer: this.index, node, status, at_ms });
    }
  }
}

export class CaxtonRing implements Ring {
  readonly name = "caxton";
  readonly #listeners = new Set<(change: Change) => void>();
  #nodes: GossipProcess[] = [];
  #events = 0;

  constructor(private readonly count: number) {}

  async start(): Promise<void> {
    for (const [index, port] of (await freePorts(this.count)).entries()) {
      const process = new GossipProcess(index, port, ({ node, ...change }) => {
        for (const listener of this.#listeners) listener({ ...change, subject: Number(node.slice(1)) });
      });
      this.#nodes.push(process);
    }
    for (let at = 0; at < this.count; at += startedAtOnce) {
      const some = this.#nodes.slice(at, at + startedAtOnce);
      await Promise.all(some.map((node) => node.start(node.index === 0 ? uuid : null)));
    }
  }

  join(): Promise<void> {
    for (const node of this.#nodes.slice(1)) this.#lead(node);
    return Promise.resolve();
  }

  status(observer: number, subject: number): string | undefined {
    return this.#nodes[observer]?.rows.get(`n${subject}`)?.status;
  }

  since_ms(observer: number, subject: number): number {
    return this.#nodes[observer]?.rows.get(`n${subject}`)?.since_ms ?? Infinity;
  }

  watch(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  kill(node: number): void {
    const child = this.#at(node).child;
    child?.removeAllListeners("exit");
    child?.kill("SIGKILL");
  }

  async revive(node: number): Promise<void> {
    const process = this.#at(node);
    await process.start(uuid);
    this.#lead(process);
  }

  signal(node: number, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#at(node).child?.kill(signal);
  }

  async event(from: number): Promise<readonly number[]> {
    const agent = `event-${++this.#events}`;
    this.#at(from).tell({ kind: "announce", agent, revision: this.#events });
    const end_ms = performance.now() + 30_000;
    while (performance.now() < end_ms) {
      const heard = this.#nodes.flatMap(({ agents }) => agents.get(agent) ?? []);
      if (heard.length === this.count) return heard;
      await Bun.sleep(5);
    }
    throw new Error(`Not all nodes heard of ${agent}`);
  }

  /** Packets sent by all until now. */
  async packets(): Promise<number> {
    const stats = await Promise.all(this.#nodes.map((node) => node.stats()));
    return stats.reduce((sum, { packetsSent }) => sum + packetsSent, 0);
  }

  pids(): readonly number[] {
    return this.#nodes.flatMap(({ child }) => child?.pid ?? []);
  }

  async dispose(): Promise<void> {
    const ends = this.#nodes.map(({ child }) => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      const end = new Promise<void>((resolve) => child.once("close", () => resolve()));
      child.removeAllListeners("exit");
      child.kill("SIGKILL");
      return end;
    });
    await Promise.all(ends);
    this.#nodes = [];
  }

  #at(node: number): GossipProcess {
    const found = this.#nodes[node];
    if (!found) throw new Error(`There is no node ${node}`);
    return found;
  }

  #lead(node: GossipProcess): void {
    const seed = this.#nodes.find((one) => one !== node);
    if (seed) node.tell({ kind: "join", seeds: [{ host: "127.0.0.1", port: seed.port }] });
  }
}
