/**
 * Membership of a cluster whose nodes know everything at once: each node's claims on agents, and the
 * winner by (epoch, node id). Gossip without packets, for tests of what rests on it.
 */
import { CaxtonError } from "../../src/base/errors.ts";
import type { AgentName, NodeId } from "../../src/base/ids.ts";
import type {
  DirectoryEntry,
  GossipStats,
  Member,
  MemberStatus,
  Membership,
  MembershipEvent,
} from "../../src/cluster/membership.ts";

export class SharedDirectory {
  readonly #views = new Map<NodeId, DirectoryView>();
  readonly #status = new Map<NodeId, MemberStatus>();
  readonly #tags = new Map<NodeId, Partial<Member["tags"]>>();
  readonly #claims = new Map<string, DirectoryEntry>();

  join(node: NodeId): Membership {
    this.#status.set(node, "alive");
    const view = new DirectoryView(node, this);
    this.#views.set(node, view);
    return view;
  }

  setStatus(node: NodeId, status: MemberStatus): void {
    this.#status.set(node, status);
  }

  /** What the node says of itself from now on. */
  describe(node: NodeId, tags: Partial<Member["tags"]>): void {
    this.#tags.set(node, tags);
  }

  members(): Member[] {
    return [...this.#status].map(([id, status]) => ({
      id,
      address: { host: "127.0.0.1", port: 7946 },
      status,
      bootEpoch: 1,
      incarnation: 0,
      tags: {
        ...{ version: "0.0.0", region: "", zone: "", api: "", maxAgents: 100, weight: 100, services: [] },
        ...this.#tags.get(id),
      },
      load: { agents: 0, cpu_percent: 0, memory_bytes: 0, memory_percent: 0 },
      lastSeen_ms: 0,
    }));
  }

  claims(): IterableIterator<DirectoryEntry> {
    return this.#claims.values();
  }

  announce(
    node: NodeId,
    changed: readonly Omit<DirectoryEntry, "node">[],
    removed: readonly AgentName[],
  ): void {
    const entries = changed.map((entry) => ({ ...entry, node }));
    for (const entry of entries) this.#claims.set(`${entry.agent} ${node}`, entry);
    const gone = removed.flatMap((agent) => this.#claims.get(`${agent} ${node}`) ?? []);
    for (const { agent } of gone) this.#claims.delete(`${agent} ${node}`);
    for (const view of this.#views.values())
      view.tell({ kind: "directory", changed: entries, removed: gone });
  }
}

class DirectoryView implements Membership {
  readonly self: NodeId;
  readonly #directory: SharedDirectory;
  readonly #listeners = new Set<(event: MembershipEvent) => void>();

  constructor(self: NodeId, directory: SharedDirectory) {
    this.self = self;
    this.#directory = directory;
  }

  tell(event: MembershipEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  members(): readonly Member[] {
    return this.#directory.members();
  }

  member(id: NodeId): Member | undefined {
    return this.members().find((member) => member.id === id);
  }

  locate(agent: AgentName): DirectoryEntry | undefined {
    return [...this.#directory.claims()]
      .filter((entry) => entry.agent === agent)
      .sort((a, b) => b.epoch - a.epoch || (a.node < b.node ? 1 : -1))[0];
  }

  directory(): Iterable<DirectoryEntry> {
    return this.#directory.claims();
  }

  subscribe(listener: (event: MembershipEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  setTags(): void {}

  setLoad(): void {}

  announce(changed: readonly Omit<DirectoryEntry, "node">[], removed: readonly AgentName[]): void {
    this.#directory.announce(this.self, changed, removed);
  }

  estimate_ms(): undefined {}

  setGossipKeys(): void {}

  ping(): Promise<number> {
    return Promise.reject(new CaxtonError("timeout", "No packets are sent here"));
  }

  join(): void {}

  remove(): void {}

  removals(): void {}

  stats(): Promise<GossipStats> {
    return Promise.reject(new CaxtonError("unavailable", "Nothing is counted here"));
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
