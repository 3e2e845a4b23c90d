/**
 * Where a message to an agent goes: to whom the directory names, unless the assignments know a higher epoch. The
 * directory is quicker where an agent has just started, the assignments where its former owner does not know that it
 * is no owner any more.
 */
import type { AgentName, NodeId } from "../base/ids.ts";
import type { DirectoryEntry, Member, Membership, MembershipEvent } from "../cluster/membership.ts";
import { InstanceGroups } from "./instance-groups.ts";
import type { AssignmentTable, OwnedAgent } from "./assignment-table.ts";

export class AssignedRoutes {
  readonly #membership: Membership;
  readonly #table: Pick<AssignmentTable, "get" | "all" | "subscribe">;
  readonly groups: InstanceGroups;
  /** Entries of the directory that were passed over since an assignment has a higher epoch. */
  stale = 0;

  constructor(membership: Membership, table: Pick<AssignmentTable, "get" | "all" | "subscribe">) {
    this.#membership = membership;
    this.#table = table;
    this.groups = new InstanceGroups(table);
  }

  member(node: NodeId): Member | undefined {
    return this.#membership.member(node);
  }

  /** Of a name with several instances the first one's. */
  locate(agent: AgentName): DirectoryEntry | undefined {
    return this.#locate(agent) ?? this.#locate(this.groups.of(agent)[0] ?? agent);
  }

  #locate(agent: AgentName): DirectoryEntry | undefined {
    const entry = this.#membership.locate(agent);
    const owned = this.#table.get(agent);
    if (owned === undefined || (entry !== undefined && entry.epoch >= owned.epoch)) return entry;
    if (entry !== undefined) this.stale++;
    return assignedEntry(owned);
  }

  /** A new owner is told like an entry of the directory: mail that waits for the agent need not wait for gossip. */
  subscribe(listener: (event: MembershipEvent) => void): () => void {
    const ends = [
      this.#membership.subscribe(listener),
      this.#table.subscribe((names) => {
        const changed = names.flatMap((agent) => {
          const owned = this.#table.get(agent);
          return owned === undefined ? [] : [assignedEntry(owned)];
        });
        if (changed.length > 0) listener({ kind: "directory", changed, removed: [] });
      }),
    ];
    return () => ends.forEach((end) => end());
  }
}

function assignedEntry({ agent, node, epoch, revision, spec }: OwnedAgent): DirectoryEntry {
  return { agent, node, epoch, revision, status: "starting", module: spec.module };
}
