/** Membership as a table that a test fills by hand: the router's view of the cluster without gossip. */
import { CaxtonError } from "../../src/base/errors.ts";
import type { AgentName, ModuleHash, NodeId } from "../../src/base/ids.ts";
import type {
  DirectoryEntry,
  GossipStats,
  Member,
  MemberStatus,
  Membership,
  MembershipEvent,
} from "../../src/cluster/membership.ts";
import type { Address } from "../../src/ports/datagrams.ts";

export class MembershipTable implements Membership {
  readonly self: NodeId;
  readonly #members = new Map<NodeId, Member>();
  readonly #entries = new Map<AgentName, DirectoryEntry>();
  readonly #listeners = new Set<(event: MembershipEvent) => void>();

  constructor(self: NodeId, others: readonly NodeId[] = []) {
    this.self = self;
    for (const id of [self, ...others]) this.setStatus(id, "alive");
  }

  setStatus(id: NodeId, status: MemberStatus, reason = "set by the test", bootEpoch = 1): void {
    const before = this.#members.get(id);
    // Who was held to be gone is alive again by a higher one of its own.
    const isBack = before !== undefined && before.status !== "alive" && status === "alive";
    const incarnation = (before?.incarnation ?? 0) + (isBack ? 1 : 0);
    const kind = status === "alive" && !this.#members.has(id) ? "joined" : status;
    const member: Member = {
      id,
      address: { host: "127.0.0.1", port: 7000 + this.#members.size },
      status,
      bootEpoch,
      incarnation,
      tags: { version: "0.0.0", region: "", zone: "", api: "", maxAgents: 100, weight: 100, services: [] },
      load: { agents: 0, cpu_percent: 0, memory_bytes: 0, memory_percent: 0 },
      lastSeen_ms: 0,
    };
    this.#members.set(id, member);
    this.#emit({ kind, member, reason });
  }

  /** What the node says of itself from now on. */
  describe(id: NodeId, tags: Partial<Member["tags"]>): void {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no ${id}`);
    const changed = { ...member, tags: { ...member.tags, ...tags } };
    this.#members.set(id, changed);
    this.#emit({ kind: "updated", member: changed, reason: "set by the test" });
  }

  /** What the node says of an agent of its own. */
  tell(entry: DirectoryEntry): void {
    this.#entries.set(entry.agent, entry);
    this.#emit({ kind: "directory", changed: [entry], removed: [] });
  }

  host(agent: string, node: NodeId): void {
    this.hostModule(agent, node, "0".repeat(64) as ModuleHash);
  }

  hostModule(agent: string, node: NodeId, module: ModuleHash): void {
    const entry: DirectoryEntry = {
      agent: agent as AgentName,
      node,
      epoch: 1,
      revision: 1,
      status: "running",
      module,
    };
    this.#entries.set(entry.agent, entry);
    this.#emit({ kind: "directory", changed: [entry], removed: [] });
  }

  members(): readonly Member[] {
    return [...this.#members.values()];
  }

  member(id: NodeId): Member | undefined {
    return this.#members.get(id);
  }

  locate(agent: AgentName): DirectoryEntry | undefined {
    return this.#entries.get(agent);
  }

  directory(): Iterable<DirectoryEntry> {
    return this.#entries.values();
  }

  subscribe(listener: (event: MembershipEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  setTags(): void {}

  setLoad(): void {}

  announce(changed: readonly Omit<DirectoryEntry, "node">[], removed: readonly AgentName[]): void {
    for (const entry of changed) this.#entries.set(entry.agent, { ...entry, node: this.self });
    for (const agent of removed) this.#entries.delete(agent);
  }

  ping(): Promise<number> {
    return Promise.reject(new CaxtonError("timeout", "This table sends no packets"));
  }

  estimate_ms(): undefined {}

  /** As they were set last. */
  gossipKeys: readonly Uint8Array[] = [];

  setGossipKeys(keys: readonly Uint8Array[]): void {
    this.gossipKeys = keys;
  }

  refuse(source: string, reason: string): void {
    this.#emit({ kind: "refused", source, reason, elsewhere: false });
  }

  /** Addresses that were added to the seeds. */
  readonly joined: Address[] = [];

  join(seeds: readonly Address[]): void {
    this.joined.push(...seeds);
  }

  remove(id: NodeId): void {
    this.#members.delete(id);
  }

  /** It is told, too. */
  forget(id: NodeId, reason: string): void {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no ${id}`);
    this.#members.delete(id);
    this.#emit({ kind: "left", member, reason });
  }

  /** What the log said last. */
  ended: readonly { readonly node: NodeId; readonly boot: number }[] = [];

  removals(lives: readonly { readonly node: NodeId; readonly boot: number }[]): void {
    this.ended = lives;
  }

  stats(): Promise<GossipStats> {
    return Promise.reject(new CaxtonError("unavailable", "This table counts nothing"));
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  #emit(event: MembershipEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
