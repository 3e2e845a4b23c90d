/** Main's copy of members and directory: what reads are served from, without asking the thread. */
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { DirectoryDifference } from "../../ownership/directory.ts";
import type { DirectoryEntry, Member, NodeLoad, NodeTags } from "../membership.ts";

export class MembershipTables {
  readonly #members = new Map<NodeId, Member>();
  readonly #entries = new Map<AgentName, DirectoryEntry>();
  #sorted: readonly Member[] | null = null;

  members(): readonly Member[] {
    this.#sorted ??= [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.#sorted;
  }

  member(id: NodeId): Member | undefined {
    return this.#members.get(id);
  }

  put(member: Member): void {
    this.#members.set(member.id, member);
    this.#sorted = null;
  }

  forget(id: NodeId): void {
    this.#members.delete(id);
    this.#sorted = null;
  }

  setTags(id: NodeId, tags: NodeTags): void {
    this.#patch(id, { tags });
  }

  setLoad(id: NodeId, load: NodeLoad): void {
    this.#patch(id, { load });
  }

  seen(id: NodeId, lastSeen_ms: number): void {
    this.#patch(id, { lastSeen_ms });
  }

  locate(agent: AgentName): DirectoryEntry | undefined {
    return this.#entries.get(agent);
  }

  directory(): Iterable<DirectoryEntry> {
    return this.#entries.values();
  }

  change({ changed, removed }: DirectoryDifference): void {
    for (const entry of changed) this.#entries.set(entry.agent, entry);
    for (const { agent } of removed) this.#entries.delete(agent);
  }

  #patch(id: NodeId, part: Partial<Member>): void {
    const member = this.#members.get(id);
    if (member) this.put({ ...member, ...part });
  }
}
