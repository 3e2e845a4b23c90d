/**
 * The agent threads of a node, from main's side: which agent is on which thread, and what happens
 * when a thread ends by itself (its agents come back on a new one, from the store). Implements the
 * router's `LocalDelivery`. What agents there should be is local-agents.ts's business.
 */
import { goesOn } from "./goes-on.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { SerialWork } from "./serial-work.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import { fastReceiver } from "../messaging/fast-ascii.ts";
import type { LocalDelivery } from "../messaging/deliveries.ts";
import type { NodeLease } from "../cluster/leases/node-lease.ts";
import type { Clock } from "../ports/clock.ts";
import type { MessagePortLike } from "../ports/threads.ts";
import type { PreparedModule } from "../wasm/prepare.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import type { Outcome } from "../wire/outcome.ts";
import { AgentThreadHandle, type AgentThreadPort } from "./agent-thread-handle.ts";
import { GivenModules } from "./given-modules.ts";
import { NodeMemory } from "./memory-budget.ts";
import { moduleKey } from "./module-key.ts";
import { OwedMail, ToldMail, type Owed } from "./owed-mail.ts";
import type { AgentEvent, AgentStats } from "./thread/thread-protocol.ts";
import { mergeStats, type AgentThreadsStats } from "./thread-stats.ts";

/** A new thread replaces one that ended after this; doubles while they end one after another. */
const firstRespawn_ms = 50;
const lastRespawn_ms = 5_000;
/** A thread that lived this long was sound. */
const soundAfter_ms = 60_000;
/** Agents that are brought back at the same time. */
const rehostsAtOnce = 64;

export interface AgentThreadsOptions {
  readonly node: NodeId;
  /** At least 1. */
  readonly threads: number;
  /** Linear memory of all agents together. */
  readonly memory_bytes: number;
  readonly seed: number;
  readonly clock: Clock;
  readonly lease: Pick<NodeLease, "cell" | "tenure" | "subscribe">;
  readonly spawn: () => AgentThreadPort;
  /** A new connection to the store, for one thread. */
  readonly storePort: () => MessagePortLike;
  readonly module: (spec: AgentSpec) => Promise<PreparedModule>;
  /** A message of an agent here to somewhere else; `done` must be called once, when it ended. Durable ones are in the outbox. */
  readonly sent: (message: Uint8Array, inOutbox: boolean, done: (outcome: Outcome) => void) => void;
  readonly event: (event: AgentEvent) => void;
  /** The store refuses an agent thread's commits, or takes them again (null). */
  readonly storage: (thread: number, reason: string | null) => void;
  /**
   * A thread ended by itself. Its agents are brought back when this resolves: what they had sent durably and nobody
   * carries is in the outbox, and is to go first (`carries`).
   */
  readonly lost: (thread: number, agents: readonly AgentName[], reason: string) => Promise<void>;
}

interface Slot {
  readonly index: number;
  handle: AgentThreadHandle | undefined;
  agents: number;
  readonly modules: GivenModules;
  readonly told: ToldMail;
  ends: number;
  spawnedAt_ms: number;
}

interface Hosted {
  spec: AgentSpec;
  suspended: boolean;
  readonly slot: Slot;
}

export class AgentThreads implements LocalDelivery {
  readonly #options: AgentThreadsOptions;
  readonly #slots: Slot[] = [];
  readonly #hosted = new Map<string, Hosted>();
  /** Requests for one agent follow one another. */
  readonly #inOrder = new SerialWork<AgentName>();
  readonly #stopped = new Map<Slot, () => void>();
  readonly #owed = new OwedMail();
  readonly #ownSuffix: string;
  /** What the agents have of the node's budget of linear memory. */
  readonly memory: NodeMemory;
  #stopping = false;
  #criticalOnly = false;

  private constructor(options: AgentThreadsOptions) {
    this.#options = options;
    this.memory = new NodeMemory(options.memory_bytes, Math.max(1, options.threads));
    this.#ownSuffix = `@${options.node}`;
    options.lease.subscribe((held) => {
      if (held) for (const { handle } of this.#slots) handle?.leaseHeld(options.lease.tenure);
    });
  }

  /** Spawns the threads one after another; resolves when all are ready. */
  static async start(options: AgentThreadsOptions): Promise<AgentThreads> {
    const threads = new AgentThreads(options);
    for (let index = 0; index < Math.max(1, options.threads); index++) {
      const slot: Slot = {
        index,
        handle: undefined,
        agents: 0,
        modules: new GivenModules(),
        told: new ToldMail(),
        ends: 0,
        spawnedAt_ms: 0,
      };
      threads.#slots.push(slot);
      await threads.#spawn(slot);
    }
    return threads;
  }

  get size(): number {
    return this.#hosted.size;
  }

  /** Agents that wait while the node has no lease. */
  get parkable(): number {
    let count = 0;
    for (const { spec } of this.#hosted.values()) if (!goesOn(spec, this.#criticalOnly)) count++;
    return count;
  }

  /** Whether the agent goes on while the node has no lease. */
  goesOn(agent: AgentName): boolean {
    const spec = this.specOf(agent);
    return spec !== undefined && goesOn(spec, this.#criticalOnly);
  }

  /** Of the agents that go on without a lease only the critical ones; or all of them. */
  setCriticalOnly(only: boolean): void {
    if (only === this.#criticalOnly) return;
    this.#criticalOnly = only;
    for (const { handle } of this.#slots) handle?.criticalOnly(only);
  }

  has(agent: AgentName): boolean {
    return this.#hosted.has(agent);
  }

  /** The revision that runs, or is to run; undefined when it is not hosted. */
  specOf(agent: AgentName): AgentSpec | undefined {
    return this.#hosted.get(agent)?.spec;
  }

  /** Starts or replaces; `fresh`: the store has nothing of it. Throws `agent_failed` when it is hosted but does not run; else when it throws it is not hosted. */
  host(spec: AgentSpec, suspended: boolean, fresh = false): Promise<void> {
    return this.#inOrder.run(spec.name, async () => {
      const known = this.#hosted.get(spec.name);
      const hosted = known ?? { spec, suspended, slot: this.#emptiest() };
      if (known === undefined) {
        hosted.slot.agents++;
        this.#hosted.set(spec.name, hosted);
      }
      try {
        await this.#hostOn(hosted.slot, spec, suspended, fresh);
        hosted.spec = spec;
        hosted.suspended = suspended;
      } catch (error) {
        const stays =
          error instanceof CaxtonError && (error.code === "agent_failed" || error.code === "unavailable");
        if (known === undefined && !stays) this.#drop(hosted);
        throw error;
      }
    });
  }

  /** `finish_ms`: a volatile agent takes no more mail and handles what it has, for so long at most. */
  stop(agent: AgentName, forget: boolean, finish_ms = 0): Promise<void> {
    return this.#inOrder.run(agent, async () => {
      const hosted = this.#get(agent);
      try {
        await this.#handle(hosted.slot).stop(agent, forget, finish_ms);
      } catch (error) {
        // The thread may not have it, when it could not be brought back.
        if (!(error instanceof CaxtonError) || error.code !== "agent_not_found") throw error;
      }
      this.#drop(hosted);
    });
  }

  suspend(agent: AgentName): Promise<void> {
    return this.#inOrder.run(agent, async () => {
      const hosted = this.#get(agent);
      await this.#handle(hosted.slot).suspend(agent);
      hosted.suspended = true;
    });
  }

  resume(agent: AgentName): Promise<void> {
    return this.#inOrder.run(agent, async () => {
      const hosted = this.#get(agent);
      hosted.suspended = false;
      await this.#handle(hosted.slot).resume(agent);
    });
  }

  /** Hands a checked message to its receiver's thread. */
  deliver(message: Uint8Array, done: (outcome: Outcome) => void): void {
    const receiver = fastReceiver(message);
    const hosted = this.#hosted.get(
      receiver.endsWith(this.#ownSuffix) ? receiver.slice(0, -this.#ownSuffix.length) : receiver,
    );
    if (hosted === undefined) done("unknown_agent");
    else if (hosted.slot.handle === undefined) done("unreachable");
    else hosted.slot.handle.deliver(message, done);
  }

  /** Main carries mail of the outbox that no thread here sent: to be said before its sender begins. Call what it returns when that ended. */
  carries(message: Uint8Array): () => void {
    const ended = this.#owed.carry(message);
    return () => this.#settled(ended());
  }

  async detail(agent: AgentName): Promise<AgentStats> {
    const stats = await this.#handle(this.#get(agent).slot).stats([agent]);
    const found = stats.agents[0];
    if (found === undefined) throw new CaxtonError("unavailable", `Agent ${quote(agent)} is being started`);
    return found;
  }

  async stats(): Promise<AgentThreadsStats> {
    const handles = this.#slots.flatMap((slot) => slot.handle ?? []);
    return mergeStats(await Promise.all(handles.map((handle) => handle.stats([]))));
  }

  /** Lets every thread finish what runs and commit, then ends them; after `deadline_ms` it ends them anyway. */
  async shutdown(deadline_ms: number): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#slots.map((slot) => this.#shutdownSlot(slot, deadline_ms)));
  }

  async #shutdownSlot(slot: Slot, deadline_ms: number): Promise<void> {
    const { handle } = slot;
    if (handle === undefined) return;
    await new Promise<void>((resolve) => {
      // The thread keeps the deadline itself; this one is for a thread that does not answer.
      const late = this.#options.clock.after(deadline_ms + 1_000, resolve);
      this.#stopped.set(slot, () => {
        late.cancel();
        resolve();
      });
      handle.shutdown(deadline_ms);
    });
    await handle.terminate();
  }

  #spawn(slot: Slot): Promise<void> {
    const { node, seed, clock, lease, event, storage, storePort, spawn } = this.#options;
    return new Promise((resolve) => {
      const handle = new AgentThreadHandle(spawn(), {
        ready: () => {
          if (this.#stopping) void handle.terminate();
          else slot.handle = handle;
          // It may have come back while the thread began.
          handle.leaseHeld(lease.tenure);
          handle.criticalOnly(this.#criticalOnly);
          resolve();
        },
        stopped: () => this.#stopped.get(slot)?.(),
        ended: (error) => {
          this.#stopped.get(slot)?.();
          if (this.#stopping) return;
          this.#lost(slot, error === undefined ? "it exited" : reasonOf(error));
          resolve();
        },
        agents: (events) => events.forEach(event),
        storage: (reason) => storage(slot.index, reason),
        sent: (message, inOutbox, done) => this.#sent(message, inOutbox, done),
      });
      slot.spawnedAt_ms = clock.now_ms();
      slot.modules.clear();
      slot.told.clear();
      handle.init({
        node,
        thread: slot.index,
        seed: (seed + slot.index * 0x9e37 + slot.ends * 0x79b9) >>> 0,
        store: storePort(),
        lease: lease.cell,
        tenure: lease.tenure,
        memory: this.memory.cell,
      });
    });
  }

  #lost(slot: Slot, reason: string): void {
    const { clock, lost } = this.#options;
    slot.handle = undefined;
    this.memory.threadEnded(slot.index);
    if (clock.now_ms() - slot.spawnedAt_ms > soundAfter_ms) slot.ends = 0;
    const wait_ms = Math.min(lastRespawn_ms, firstRespawn_ms * 2 ** Math.min(slot.ends++, 10));
    const agents = [...this.#hosted.values()].filter((hosted) => hosted.slot === slot);
    const names = agents.map((hosted) => hosted.spec.name);
    const carried = lost(slot.index, names, reason);
    clock.after(wait_ms, () => void carried.then(() => this.#respawn(slot)));
  }

  async #respawn(slot: Slot): Promise<void> {
    if (this.#stopping) return;
    await this.#spawn(slot);
    await this.#rehost(slot);
  }

  async #rehost(slot: Slot): Promise<void> {
    const waiting = [...this.#hosted.values()].filter((hosted) => hosted.slot === slot);
    const worker = async (): Promise<void> => {
      for (let hosted = waiting.pop(); hosted !== undefined; hosted = waiting.pop())
        await this.#bringBack(hosted);
    };
    await Promise.all(Array.from({ length: rehostsAtOnce }, worker));
  }

  #bringBack(hosted: Hosted): Promise<void> {
    const { name } = hosted.spec;
    return this.#inOrder.run(name, async () => {
      if (this.#hosted.get(name) !== hosted) return;
      try {
        await this.#hostOn(hosted.slot, hosted.spec, hosted.suspended, false);
      } catch (error) {
        if (error instanceof CaxtonError && error.code === "unavailable") return;
        const at_ms = this.#options.clock.wall_ms();
        this.#options.event({
          kind: "status",
          agent: name,
          status: "failed",
          reason: reasonOf(error),
          at_ms,
        });
      }
    });
  }

  async #hostOn(slot: Slot, spec: AgentSpec, suspended: boolean, fresh: boolean): Promise<void> {
    const key = moduleKey(spec);
    if (!fresh) this.#handle(slot).owe(slot.told.tell(spec.name, this.#owed.receiversOf(spec.name)));
    for (const again of [false, true]) {
      const answer = await slot.modules.with(
        key,
        again,
        () => this.#options.module(spec),
        (module) => this.#handle(slot).host(spec, module, suspended, fresh),
      );
      if (answer === "done") return;
    }
    throw new CaxtonError("internal", `The agent thread did not keep the module of ${quote(spec.name)}`);
  }

  #sent(message: Uint8Array, inOutbox: boolean, done: (outcome: Outcome) => void): void {
    const ended = inOutbox ? this.carries(message) : undefined;
    this.#options.sent(message, inOutbox, (outcome) => {
      done(outcome);
      ended?.();
    });
  }

  #settled(owed: Owed | undefined): void {
    if (owed === undefined) return;
    for (const { told, handle } of this.#slots) if (told.settle(owed)) handle?.settled(owed.receiver);
  }

  #emptiest(): Slot {
    return this.#slots.reduce((best, slot) => (slot.agents < best.agents ? slot : best));
  }

  #drop(hosted: Hosted): void {
    hosted.slot.agents--;
    this.#hosted.delete(hosted.spec.name);
  }

  #get(agent: AgentName): Hosted {
    const hosted = this.#hosted.get(agent);
    if (hosted === undefined)
      throw new CaxtonError("agent_not_found", `Agent ${quote(agent)} is not on this node`);
    return hosted;
  }

  #handle(slot: Slot): AgentThreadHandle {
    if (slot.handle === undefined) {
      throw new CaxtonError("unavailable", `Agent thread ${slot.index} is being restarted`);
    }
    return slot.handle;
  }
}
