/**
 * The agents of this node: which there are (the store's records), that they run (agent-threads.ts),
 * and that the cluster knows (membership). Deciding where an agent belongs is not done here.
 */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { SerialWork } from "./serial-work.ts";
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { DirectoryEntry, Membership } from "../cluster/membership.ts";
import type { Store, StoredAgent } from "../store/store.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import { AgentLogs, type AgentLogLine } from "./agent-logs.ts";
import { entryOf, type AgentDetail, type AgentRecord } from "./agent-record.ts";
import type { AgentThreads } from "./agent-threads.ts";
import type { ModuleShelf } from "./module-shelf.ts";
import type { AgentEvent } from "./thread-protocol.ts";
import { TrapRecords } from "./trap-records.ts";

/** Agents that are started at the same time when a node starts. */
const restoresAtOnce = 64;

/** What people are told; `log` lines are not among them. */
export type LocalAgentEvent =
  | Exclude<AgentEvent, { kind: "log" }>
  /** Another node's claim is higher: it was stopped here, its unhandled mail went to the dead letters. */
  | { readonly kind: "yielded"; readonly agent: AgentName; readonly to: NodeId; readonly epoch: number };

export interface LocalAgentsOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly threads: () => AgentThreads;
  readonly modules: () => ModuleShelf;
  readonly maxAgents: number;
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
  readonly #unsubscribe: () => void;

  constructor(options: LocalAgentsOptions) {
    this.#options = options;
    this.#unsubscribe = options.membership.subscribe((event) => {
      if (event.kind === "directory") this.#compare(event.changed);
    });
  }

  get size(): number {
    return this.#records.size;
  }

  /** Whether an agent is here that a partition's policy holds to be critical. */
  get hostsCritical(): boolean {
    for (const { spec } of this.#records.values()) if (spec.priority === "critical") return true;
    return false;
  }

  has(name: AgentName): boolean {
    return this.#records.has(name);
  }

  get(name: AgentName): Readonly<AgentRecord> | undefined {
    return this.#records.get(name);
  }

  usesModule(hash: ModuleHash): boolean {
    for (const { spec } of this.#records.values()) if (spec.module === hash) return true;
    return false;
  }

  /** Starts everything that the store has; resolves when all run or have failed (and say so). */
  async restore(): Promise<{ readonly running: number; readonly failed: number }> {
    const stored = [...(await this.#options.store.listAgents())];
    for (const { spec, suspended } of stored) {
      this.#records.set(spec.name, { spec, suspended, status: "starting", reason: "" });
    }
    let failed = 0;
    const worker = async (): Promise<void> => {
      for (let next = stored.pop(); next !== undefined; next = stored.pop()) {
        if (!(await this.#restoreOne(next))) failed++;
      }
    };
    await Promise.all(Array.from({ length: restoresAtOnce }, worker));
    for (const { agent } of this.#options.membership.directory()) this.#compareOne(agent);
    return { running: this.#records.size - failed, failed };
  }

  /** Starts a new agent or the next revision of one. Its module is stored here. When it throws, all is as before. */
  start(spec: AgentSpec): Promise<void> {
    return this.#inOrder.run(spec.name, async () => {
      const before = this.#records.get(spec.name);
      this.#admit(spec, before);
      const suspended = before?.suspended ?? false;
      await this.#options.modules().prepare(spec);
      try {
        await this.#options.threads().host(spec, suspended);
        await this.#options.store.saveAgent({ spec, suspended });
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
      this.#records.delete(name);
      this.#logs.forget(name);
      this.#traps.forget(name);
      this.#announce(name);
      await this.#options.modules().release(record.spec.module);
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
      return { ...known, inbox: 0, inbox_bytes: 0, memory_bytes: 0, handled: 0, traps: 0, restarts: 0 };
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

  close(): void {
    this.#unsubscribe();
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
    if (spec.epoch < epoch || (spec.epoch === epoch && spec.revision <= revision)) {
      const detail = `Agent ${quote(spec.name)} has revision ${revision} (epoch ${epoch}) by now; deploy again`;
      throw new CaxtonError("conflict", detail);
    }
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

  async #restoreOne({ spec, suspended }: StoredAgent): Promise<boolean> {
    const record = this.#records.get(spec.name);
    try {
      await this.#inOrder.run(spec.name, () => this.#options.threads().host(spec, suspended));
      if (record !== undefined) this.#setStatus(record, suspended ? "suspended" : "running", "");
      return true;
    } catch (error) {
      if (record !== undefined) this.#setStatus(record, "failed", reasonOf(error));
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

  #compare(entries: readonly DirectoryEntry[]): void {
    for (const { agent } of entries) this.#compareOne(agent);
  }

  /** Two nodes claim one agent: the higher (epoch, node id) keeps it. */
  #compareOne(name: AgentName): void {
    const record = this.#records.get(name);
    if (record === undefined) return;
    const winner = this.#options.membership.locate(name);
    const { self } = this.#options.membership;
    if (winner === undefined || winner.node === self || winner.epoch < record.spec.epoch) return;
    if (winner.epoch === record.spec.epoch && winner.node < self) return;
    this.remove(name).then(
      () => this.#options.event({ kind: "yielded", agent: name, to: winner.node, epoch: winner.epoch }),
      (error: unknown) => {
        if (error instanceof CaxtonError && error.code === "agent_not_found") return;
        this.#options.failed(`yield agent ${quote(name)} to node ${quote(winner.node)}`, reasonOf(error));
      },
    );
  }

  #get(name: AgentName): AgentRecord {
    const record = this.#records.get(name);
    if (record === undefined)
      throw new CaxtonError("agent_not_found", `Agent ${quote(name)} is not on this node`);
    return record;
  }
}
