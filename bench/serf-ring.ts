/**
 * A ring of serf agents with the LAN profile, as Debian has them. Their views are polled: the agent's own event
 * stream holds member events back for a second to sum them up.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { freePorts } from "../test/support/free-port.ts";
import { wall_ms } from "./gossip-process.ts";
import { type Change, range, type Ring } from "./ring.ts";
import { fields, SerfRpc, textOf } from "./serf-rpc.ts";

const look_ms = 25;

/** Its version, or undefined when it is not installed. */
export function serfVersion(): string | undefined {
  const { status, stdout } = spawnSync("serf", ["version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0]?.trim() : undefined;
}

class SerfAgent {
  readonly rows = new Map<string, { status: string; since_ms: number }>();
  readonly events = new Map<string, number>();
  child: ChildProcess | null = null;
  rpc: SerfRpc | null = null;

  constructor(
    readonly index: number,
    readonly port: number,
    private readonly rpcPort: number,
  ) {}

  async start(): Promise<void> {
    const args = ["agent", `-node=n${this.index}`, `-bind=127.0.0.1:${this.port}`, "-profile=lan"];
    args.push(`-rpc-addr=127.0.0.1:${this.rpcPort}`, "-log-level=err");
    this.child = spawn("serf", args, { stdio: "ignore" });
    this.rows.clear();
    this.rpc = await SerfRpc.open(this.rpcPort);
    await this.rpc.follow((record) => this.events.set(textOf(fields(record)["Name"] ?? null), wall_ms()));
  }
}

export class SerfRing implements Ring {
  readonly name = "serf";
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #stopped = new Set<number>();
  #agents: SerfAgent[] = [];
  #open = true;
  #polling: Promise<unknown> = Promise.resolve();
  #events = 0;

  constructor(private readonly count: number) {}

  async start(): Promise<void> {
    const ports = await freePorts(2 * this.count);
    for (const index of range(this.count)) {
      this.#agents.push(new SerfAgent(index, ports[2 * index] ?? 0, ports[2 * index + 1] ?? 0));
    }
    await Promise.all(this.#agents.map((agent) => agent.start()));
    this.#polling = Promise.all(this.#agents.map((agent) => this.#poll(agent)));
  }

  async join(): Promise<void> {
    const [first, ...others] = this.#agents;
    await Promise.all(others.map((agent) => this.#lead(agent, first)));
  }

  status(observer: number, subject: number): string | undefined {
    return this.#agents[observer]?.rows.get(`n${subject}`)?.status;
  }

  since_ms(observer: number, subject: number): number {
    return this.#agents[observer]?.rows.get(`n${subject}`)?.since_ms ?? Infinity;
  }

  watch(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  kill(node: number): void {
    this.#stopped.add(node);
    this.#at(node).child?.kill("SIGKILL");
  }

  async revive(node: number): Promise<void> {
    const agent = this.#at(node);
    await agent.start();
    this.#stopped.delete(node);
    await this.#lead(
      agent,
      this.#agents.find((one) => one !== agent),
    );
  }

  signal(node: number, signal: "SIGSTOP" | "SIGCONT"): void {
    if (signal === "SIGSTOP") this.#stopped.add(node);
    else this.#stopped.delete(node);
    this.#at(node).child?.kill(signal);
  }

  async event(from: number): Promise<readonly number[]> {
    const name = `event-${++this.#events}`;
    await this.#at(from).rpc?.call("event", { Name: name, Payload: "", Coalesce: false });
    const end_ms = performance.now() + 30_000;
    while (performance.now() < end_ms) {
      const heard = this.#agents.flatMap(({ events }) => events.get(name) ?? []);
      if (heard.length === this.count) return heard;
      await Bun.sleep(5);
    }
    throw new Error(`Not all agents heard of ${name}`);
  }

  pids(): readonly number[] {
    return this.#agents.flatMap(({ child }) => child?.pid ?? []);
  }

  /** While the processor time is measured, nobody asks. */
  pause(): void {
    for (const index of range(this.count)) this.#stopped.add(index);
  }

  resume(): void {
    this.#stopped.clear();
  }

  async dispose(): Promise<void> {
    this.#open = false;
    const ends = this.#agents.map(({ child, rpc }) => {
      rpc?.close();
      if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      const end = new Promise<void>((resolve) => child.once("close", () => resolve()));
      child.kill("SIGKILL");
      return end;
    });
    await Promise.all(ends);
    await this.#polling;
    this.#agents = [];
  }

  #at(node: number): SerfAgent {
    const found = this.#agents[node];
    if (!found) throw new Error(`There is no agent ${node}`);
    return found;
  }

  async #lead(agent: SerfAgent, to: SerfAgent | undefined): Promise<void> {
    await agent.rpc?.call("join", { Existing: [`127.0.0.1:${to?.port}`], Replay: false });
  }

  async #poll(agent: SerfAgent): Promise<void> {
    while (this.#open) {
      await Bun.sleep(look_ms);
      if (this.#stopped.has(agent.index) || !agent.rpc) continue;
      try {
        this.#learn(agent, await agent.rpc.members());
      } catch {
        // Killed or stopped while it was asked; it is asked again when it is back.
      }
    }
  }

  #learn(agent: SerfAgent, members: ReadonlyMap<string, string>): void {
    const at_ms = wall_ms();
    for (const [name, status] of members) {
      if (agent.rows.get(name)?.status === status) continue;
      agent.rows.set(name, { status, since_ms: at_ms });
      const subject = Number(name.slice(1));
      for (const listener of this.#listeners) listener({ observer: agent.index, subject, status, at_ms });
    }
  }
}
