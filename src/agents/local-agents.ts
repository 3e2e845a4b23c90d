/**
 * The agents of this node: which there are (the store's records), that they run (agent-threads.ts),
 * and that the cluster knows (membership). Deciding where an agent belongs is not done here.
 */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { formatLimit } from "../base/sizes.ts";
import { page_bytes } from "../wasm/limits.ts";
import { SerialWork } from "./serial-work.ts";
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { DirectoryEntry, Membership } from "../cluster/membership.ts";
import type { KeptJournal, RecoveredAgent, Store } from "../store/store.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import { AgentLogs, type AgentLogLine } from "./agent-logs.ts";
import { entryOf, unstarted, type AgentDetail, type AgentRecord } from "./agent-record.ts";
import type { AgentThreads } from "./agent-threads.ts";
import type { ModuleShelf } from "./module-shelf.ts";
import type { AgentEvent } from "./thread/thread-protocol.ts";
import { TrapRecords } from "./trap-records.ts";

/** A volatile agent that moves has so long for the mail that it has: nobody else has it. */
const finish_ms = 5_000;

/** What people are told; `log` lines are not among them. */
export type LocalAgentEvent =
  | Exclude<AgentEvent, { kind: "log" }>
  /** Another node owns it under a higher epoch: it was stopped here, and its journal is kept for inspection. */
  | { readonly kind: "yielded"; readonly agent: AgentName; readonly to: NodeId; readonly epoch: number };

export interface LocalAgentsOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly threads: () => AgentThreads;
  readonly modules: () => ModuleShelf;
  readonly maxAgents: number;
  /** Another node owns it: what it had sent leaves this node no more. */
  readonly fence: (agent: AgentName) => void;
  readonly event: (event: LocalAgentEvent) => void;
  readonly failed: (what: string, reason: string) => void;
}

export class LocalAgents {
  readonly #options: LocalAgentsOptions;
  readonly #records = new Map<AgentName, AgentRecord>();
  readonly #logs = new AgentLogs();
  readonly #traps = new TrapRecords();
  /** Requests for one agent follow one another. */
  readonly #inOrder = new SerialWork<AgentName>();
  readonly #changed = new Set<AgentName>();
  #announcing = false;

  constructor(options: LocalAgentsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#records.size;
  }

  /** Whether an agent is here that a partition's policy holds to be critical. */
  get hostsCritical(): boolean {
    for (const { spec } of this.#records.values()) if (spec.critical) return true;
    return false;
  }

  has(name: AgentName): boolean {
    return this.#records.has(name);
  }

  get(name: AgentName): Readonly<AgentRecord> | undefined {
    return this.#records.get(name);
  }

  names(): readonly AgentName[] {
    return [...this.#records.keys()];
  }

  /** Whether it is on a thread: what is only known of is `starting`, or was stopped for a move. */
  isHosted(name: AgentName): boolean {
    return this.#options.threads().has(name);
  }

  usesModule(hash: ModuleHash): boolean {
    for (const { spec } of this.#records.values()) if (spec.module === hash) return true;
    return false;
  }

  /** Knows of everything that the store has, and starts nothing: whose it is now is not known yet. */
  async load(): Promise<void> {
    for (const { spec, suspended } of await this.#options.store.listAgents()) {
      if (this.#records.has(spec.name)) continue;
      this.#records.set(spec.name, { spec, suspended, status: "starting", reason: "" });
    }
  }

  /** Starts what is known of with what the store has of it; false when that failed (and its record says why). */
  begin(name: AgentName): Promise<boolean> {
    return this.#inOrder.run(name, async () => {
      const record = this.#get(name);
      if (this.#options.threads().has(name)) return record.status !== "failed";
      return await this.#host(record);
    });
  }

  /** The same agent with the same journal, under another epoch. */
  reassign(name: AgentName, epoch: number): Promise<void> {
    return this.#inOrder.run(name, async () => {
      const record = this.#get(name);
      const spec = { ...record.spec, epoch };
      await this.#options.store.saveAgent({ spec, suspended: record.suspended });
      record.spec = spec;
      this.#announce(name);
    });
  }

  /** What is here of it is an old copy: it goes on from that under another epoch, without the mail that waits in it. */
  goOnFromCopy(name: AgentName, epoch: number): Promise<void> {
    return this.#inOrder.run(name, async () => {
      const record = this.#get(name);
      const { store, threads } = this.#options;
      if (threads().has(name)) await threads().stop(name, true);
      await store.removeDoubtful(name);
      const spec = { ...record.spec, epoch };
      await store.saveAgent({ spec, suspended: record.suspended });
      record.spec = spec;
      this.#announce(name);
    });
  }

  /** Another node owns it: it stops here, and what it had is kept for inspection. */
  yieldTo(name: AgentName, owner: NodeId, epoch: number): Promise<void> {
    return this.#inOrder.run(name, async () => {
      const { spec } = this.#get(name);
      const threads = this.#options.threads();
      if (threads.has(name)) await threads.stop(name, true);
      this.#options.fence(name);
      await this.#options.store.putAside(name, owner, epoch);
      await this.#forget(name, spec.module);
      this.#options.event({ kind: "yielded", agent: name, to: owner, epoch });
    });
  }

  /** Bytes that `handOver` would give, about; of mail that is coming in it may be more by then. */
  measure(name: AgentName): Promise<number> {
    return this.#options.store.measureAgent(name);
  }

  /** Stops it and gives all that it has; `begin` goes on with it, `moved` ends it here. */
  handOver(name: AgentName): Promise<RecoveredAgent> {
    return this.#inOrder.run(name, async () => {
      const record = this.#get(name);
      const threads = this.#options.threads();
      if (threads.has(name)) await threads.stop(name, false, finish_ms);
      this.#setStatus(record, "starting", "it is being moved");
      return await this.#options.store.recoverAgent(name);
    });
  }

  /** It lives elsewhere with everything that it had here. */
  moved(name: AgentName): Promise<void> {
    return this.#inOrder.run(name, async () => {
      const record = this.#records.get(name);
      if (record === undefined) return;
      const threads = this.#options.threads();
      if (threads.has(name)) await threads.stop(name, true);
      await this.#options.store.removeMoved(name);
      await this.#forget(name, record.spec.module);
    });
  }

  /** Begins with what another node handed over; false when that is not here. Its module is stored here. */
  takeOver(spec: AgentSpec, suspended: boolean, transfer: number): Promise<boolean> {
    return this.#inOrder.run(spec.name, async () => {
      this.#admit(spec, this.#records.get(spec.name));
      if (!(await this.#options.store.takeIncoming({ spec, suspended }, transfer))) return false;
      const record: AgentRecord = { spec, suspended, status: "starting", reason: "" };
      this.#records.set(spec.name, record);
      await this.#host(record);
      return true;
    });
  }

  kept(name: AgentName): Promise<readonly KeptJournal[]> {
    return this.#options.store.listKept(name);
  }

  /** Starts a new agent or the next revision of one. Its module is stored here. When it throws, all is as before. */
  start(spec: AgentSpec, asSuspended = false): Promise<void> {
    return this.#inOrder.run(spec.name, async () => {
      const before = this.#records.get(spec.name);
      this.#admit(spec, before);
      const suspended = before?.suspended ?? asSuspended;
      const { memory } = await this.#options.modules().prepare(spec);
      this.#demandMemory(spec.name, memory.initial_pages * page_bytes);
      const isNew = before === undefined;
      try {
        // A new one is known of before it does anything; the next revision of one only once it runs.
        if (isNew) await this.#options.store.saveAgent({ spec, suspended });
        await this.#options.threads().host(spec, suspended, isNew);
        if (!isNew) await this.#options.store.saveAgent({ spec, suspended });
      } catch (error) {
        await this.#takeBack(spec, before);
        throw error;
      }
      const status = suspended ? "suspended" : "running";
      this.#records.set(spec.name, { spec, suspended, status, reason: "" });
      this.#announce(spec.name);
      if (before !== undefined && before.spec.module !== spec.module)
        await this.#options.modules().release(before.spec.module);
    });
  }

  /** Stops it for good: its records go, its unhandled mail becomes dead letters. */
  remove(name: AgentName): Promise<void> {
    return this.#inOrder.run(name, async () => {
      const record = this.#get(name);
      const threads = this.#options.threads();
      if (threads.has(name)) await threads.stop(name, true);
      await this.#options.store.removeAgent(name);
      await this.#forget(name, record.spec.module);
    });
  }

  suspend(name: AgentName): Promise<void> {
    return this.#inOrder.run(name, async () => {
      const record = this.#get(name);
      await this.#options.store.saveAgent({ spec: record.spec, suspended: true });
      await this.#options.threads().suspend(name);
      record.suspended = true;
      this.#setStatus(record, "suspended", "");
    });
  }

  /** Also brings back an agent that has failed. */
  resume(name: AgentName): Promise<void> {
    return this.#inOrder.run(name, async () => {
      const record = this.#get(name);
      await this.#options.store.saveAgent({ spec: record.spec, suspended: false });
      record.suspended = false;
      const threads = this.#options.threads();
      if (threads.has(name)) await threads.resume(name);
      else await threads.host(record.spec, false);
      this.#setStatus(record, "running", "");
    });
  }

  async detail(name: AgentName): Promise<AgentDetail> {
    const { spec, reason } = this.#get(name);
    const threads = this.#options.threads();
    const known = { spec, reason, ...this.#traps.of(name) };
    if (!threads.has(name)) {
      return { ...unstarted(spec, reason), ...known };
    }
    const { inbox, inbox_bytes, memory_bytes, handled, traps, restarts } = await threads.detail(name);
    return { ...known, inbox, inbox_bytes, memory_bytes, handled, traps, restarts };
  }

  /** Newest last. */
  logs(name: AgentName, limit: number): readonly AgentLogLine[] {
    this.#get(name);
    return this.#logs.latest(name, limit);
  }

  /** What the threads report. */
  threadEvent(event: AgentEvent): void {
    const record = this.#records.get(event.agent);
    switch (event.kind) {
      case "log":
        this.#logs.add(event.agent, { at_ms: event.at_ms, level: event.level, text: event.text });
        return;
      case "trap": {
        const text = `Trapped ${event.detail} (${event.trap})`;
        this.#logs.add(event.agent, { at_ms: event.at_ms, level: "error", text });
        if (record !== undefined) this.#traps.add(event);
        break;
      }
      case "status":
        if (record === undefined) return;
        if (record.status === event.status && record.reason === event.reason) return;
        this.#setStatus(record, event.status, event.reason);
        break;
      case "dead_letter":
        break;
    }
    this.#options.event(event);
  }

  /** A thread ended: its agents are being brought back. */
  threadLost(agents: readonly AgentName[]): void {
    for (const name of agents) {
      const record = this.#records.get(name);
      if (record !== undefined && !record.suspended) this.#setStatus(record, "starting", "its thread ended");
    }
  }

  #admit(spec: AgentSpec, before: AgentRecord | undefined): void {
    if (before === undefined && this.#records.size >= this.#options.maxAgents) {
      throw new CaxtonError(
        "no_capacity",
        `This node has its ${this.#options.maxAgents} agents (node.max_agents)`,
      );
    }
    if (before === undefined) return;
    const { epoch, revision } = before.spec;
    // The assignment may be taken back to an earlier revision; an earlier epoch never comes back.
    if (spec.epoch < epoch || (spec.epoch === epoch && spec.revision === revision)) {
      const detail = `Agent ${quote(spec.name)} has revision ${revision} (epoch ${epoch}) by now; deploy again`;
      throw new CaxtonError("conflict", detail);
    }
  }

  /** Also for a next revision: it begins before the old one ends. */
  #demandMemory(name: AgentName, needed_bytes: number): void {
    const { free_bytes, used_bytes, budget_bytes } = this.#options.threads().memory;
    if (needed_bytes <= free_bytes) return;
    const used = `the agents of this node have ${formatLimit(used_bytes)} of ${formatLimit(budget_bytes)}`;
    throw new CaxtonError(
      "no_capacity",
      `Agent ${quote(name)} begins with ${formatLimit(needed_bytes)} of memory, and ${used} ` +
        "(agents.memory_budget); remove or move agents, deploy it to another node, or raise the budget",
    );
  }

  async #takeBack(spec: AgentSpec, before: AgentRecord | undefined): Promise<void> {
    const threads = this.#options.threads();
    try {
      if (before === undefined) {
        if (threads.has(spec.name)) await threads.stop(spec.name, true);
        await this.#options.store.removeAgent(spec.name);
      } else if (threads.has(spec.name) && threads.specOf(spec.name) !== before.spec) {
        await threads.host(before.spec, before.suspended);
      }
    } catch (error) {
      this.#options.failed(`take back the deployment of agent ${quote(spec.name)}`, reasonOf(error));
    }
  }

  async #forget(name: AgentName, module: ModuleHash): Promise<void> {
    this.#records.delete(name);
    this.#logs.forget(name);
    this.#traps.forget(name);
    this.#announce(name);
    await this.#options.modules().release(module);
  }

  async #host(record: AgentRecord): Promise<boolean> {
    const { spec, suspended } = record;
    try {
      await this.#options.threads().host(spec, suspended);
      this.#setStatus(record, suspended ? "suspended" : "running", "");
      return true;
    } catch (error) {
      this.#setStatus(record, "failed", reasonOf(error));
      this.#options.failed(`start agent ${quote(spec.name)}`, reasonOf(error));
      return false;
    }
  }

  #setStatus(record: AgentRecord, status: AgentRecord["status"], reason: string): void {
    record.status = status;
    record.reason = reason;
    this.#announce(record.spec.name);
  }

  /** Gathers what changed in a turn into one announcement. */
  #announce(name: AgentName): void {
    this.#changed.add(name);
    if (this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      const changed: Omit<DirectoryEntry, "node">[] = [];
      const removed: AgentName[] = [];
      for (const each of this.#changed) {
        const record = this.#records.get(each);
        if (record === undefined) removed.push(each);
        else changed.push(entryOf(record));
      }
      this.#changed.clear();
      this.#options.membership.announce(changed, removed);
    });
  }

  #get(name: AgentName): AgentRecord {
    const record = this.#records.get(name);
    if (record === undefined)
      throw new CaxtonError("agent_not_found", `Agent ${quote(name)} is not on this node`);
    return record;
  }
}
