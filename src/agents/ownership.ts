/**
 * Who decides where an agent belongs and under which epoch: the cluster does, by its control state. This node
 * chooses a place by what it knows, and proposes it; of two who propose at the same moment one is refused.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Member, Membership } from "../cluster/membership.ts";
import type { AssignmentStore } from "../control/assignment-store.ts";
import type { Candidate } from "../placement/candidate.ts";
import { choosePlacement, type Placement, type PlacementRequest } from "../placement/choose-placement.ts";
import { initialPlacementState, type PlacementState } from "../placement/strategies.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import { encodeSpec } from "./agent-requests.ts";
import type { AssignmentTable, OwnedAgent, UnreadableAgent } from "./assignment-table.ts";

/** A specification that has no owner yet. */
export type SpecDraft = Omit<AgentSpec, "revision" | "epoch">;

/** A deployment that the cluster agreed to: the agent is the node's from now on. */
export interface Claim {
  readonly node: NodeId;
  /** For people: why there. */
  readonly why: string;
  readonly epoch: number;
  readonly revision: number;
  readonly created: boolean;
  /** It could not be done: as it was before, unless somebody changed it meanwhile. */
  takeBack(): Promise<void>;
}

export interface Ownership {
  /** Where a deployment would go, and from where the agent would have to be moved first. Throws as `claim`. */
  choose(
    name: AgentName,
    placement: AgentSpec["placement"],
    /** Other instances of it: where they are is taken last. */
    siblings?: readonly AgentName[],
  ): { readonly node: NodeId; readonly why: string; readonly movesFrom: NodeId | null };
  /**
   * Throws `no_capacity`, `node_not_found`, `conflict`, `unreachable` when its present node must be kept and cannot
   * be asked, `no_quorum` when the cluster cannot decide.
   */
  claim(draft: SpecDraft, chosen: { readonly node: NodeId; readonly why: string }): Promise<Claim>;
  /** Placements by round robin so far. */
  readonly roundRobinIndex: number;
}

export interface PlacementCounts {
  chosen: number;
  /** What could not be started there. */
  failed: number;
}

export interface AssignedOwnershipOptions {
  readonly membership: Membership;
  readonly table: AssignmentTable;
  readonly store: AssignmentStore;
  readonly prng: Prng;
  /** Messages a second that the agent has with agents on each node, and what this node has under way to others. */
  readonly traffic?: (agent: AgentName) => ReadonlyMap<NodeId, number>;
  readonly connections?: (node: NodeId) => number;
  /** The leader does not hear it: it gets no lease, and could not act for an agent. */
  readonly isUnheard?: (node: NodeId) => boolean;
}

export class AssignedOwnership implements Ownership {
  readonly #options: AssignedOwnershipOptions;
  #state: PlacementState = initialPlacementState;
  readonly #counts = new Map<NodeId, PlacementCounts>();
  /** Placed and not yet seen among the assignments. */
  readonly #placed = new Map<AgentName, NodeId>();

  constructor(options: AssignedOwnershipOptions) {
    this.#options = options;
  }

  get roundRobinIndex(): number {
    return this.#state.round_robin_index;
  }

  /** Since this node started, of the placements that it decided. */
  get placements(): ReadonlyMap<NodeId, Readonly<PlacementCounts>> {
    return this.#counts;
  }

  /** An agent of a lost node goes there, as this node decided. */
  chose(node: NodeId): void {
    this.#count(node, "chosen");
  }

  #count(node: NodeId, what: keyof PlacementCounts): void {
    const counts = this.#counts.get(node) ?? { chosen: 0, failed: 0 };
    counts[what]++;
    this.#counts.set(node, counts);
  }

  choose(
    name: AgentName,
    placement: AgentSpec["placement"],
    siblings: readonly AgentName[] = [],
  ): { readonly node: NodeId; readonly why: string; readonly movesFrom: NodeId | null } {
    const { table } = this.#options;
    const present = table.get(name) ?? table.unreadable(name);
    if (present === undefined) return { ...this.#place(name, placement, siblings), movesFrom: null };
    const status = this.#options.membership.member(present.node)?.status;
    const there = status === "alive" || status === "suspect";
    if (placement.targetNode === null || placement.targetNode === present.node) {
      if (there) return { node: present.node, why: "where it runs", movesFrom: null };
      const where = `Agent ${quote(name)} belongs to node ${quote(present.node)}, which is ${status ?? "unknown"}`;
      throw new CaxtonError(
        "unreachable",
        `${where}; wait for it, or name another with --target-node (its state stays behind)`,
      );
    }
    const { node, why } = this.#place(name, placement, siblings);
    // One that nobody can read runs nowhere as it is assigned, so there is nothing to move.
    if (there && table.get(name) !== undefined)
      return { node, why: `${why}; moved from ${quote(present.node)}`, movesFrom: present.node };
    return {
      node,
      why: `${why}; moved from ${quote(present.node)}, its state was not`,
      movesFrom: null,
    };
  }

  async claim(
    draft: SpecDraft,
    { node, why }: { readonly node: NodeId; readonly why: string },
  ): Promise<Claim> {
    const { store, table } = this.#options;
    const { name } = draft;
    const before = table.get(name) ?? table.unreadable(name);
    const expected = before === undefined ? null : { epoch: before.epoch, revision: before.revision };
    const revision = (before?.revision ?? 0) + 1;
    this.#placed.set(name, node);
    try {
      const spec = { ...draft, revision, epoch: before?.epoch ?? 0 };
      const suspended = before?.suspended ?? false;
      const put = { agent: name, node, expected, revision, above: 0, continues: 0, suspended };
      const epoch = await store.put(
        { ...put, cause: "deployed", spec: encodeSpec(spec) },
        draft.deployedBy.slice(0, 256),
      );
      // What follows on this node reads what was decided.
      await table.refresh("linearizable");
      const takeBack = (): Promise<void> => this.#takeBack(name, { epoch, revision }, before);
      return { node, why, epoch, revision, created: before === undefined, takeBack };
    } finally {
      this.#placed.delete(name);
    }
  }

  async #takeBack(
    agent: AgentName,
    expected: { readonly epoch: number; readonly revision: number },
    before: OwnedAgent | UnreadableAgent | undefined,
  ): Promise<void> {
    const { store, table } = this.#options;
    const node = table.get(agent)?.node;
    if (node !== undefined) this.#count(node, "failed");
    try {
      if (before === undefined) await store.remove({ agent, expected }, "");
      else if (before.epoch === expected.epoch) {
        const { node, revision, suspended } = before;
        const spec = "reason" in before ? before.spec : encodeSpec(before.spec);
        const put = { agent, node, expected, revision, above: 0, continues: 0, suspended };
        await store.put({ ...put, cause: "deployed", spec }, "");
      }
      await table.refresh("linearizable");
    } catch (error) {
      const known = error instanceof CaxtonError ? error.code : "internal";
      // Somebody else has decided since: that holds.
      if (known !== "conflict" && known !== "agent_not_found") throw error;
    }
  }

  #place(
    name: AgentName,
    placement: AgentSpec["placement"],
    siblings: readonly AgentName[],
  ): { readonly node: NodeId; readonly why: string } {
    const request = { ...placement, key: name, traffic: this.#options.traffic?.(name) };
    const chosen = this.#chooseApart(request, siblings);
    if (chosen.kind === "refused") throw new CaxtonError(chosen.code, chosen.why);
    this.#state = chosen.state;
    this.#placed.set(name, chosen.node);
    this.chose(chosen.node);
    return { node: chosen.node, why: chosen.why };
  }

  /** Where the fewest of its siblings are, if it can be there; so instances of one agent are lost one by one. */
  #chooseApart(request: PlacementRequest, siblings: readonly AgentName[]): Placement {
    const { table, prng } = this.#options;
    const all = this.candidates();
    const at = siblings.map((name) => table.get(name)?.node ?? this.#placed.get(name));
    const siblingsAt = ({ id }: Candidate): number => at.filter((node) => node === id).length;
    const levels = [...new Set(all.map(siblingsAt))].toSorted((a, b) => a - b).slice(0, -1);
    for (const level of levels) {
      const apart = all.filter((node) => siblingsAt(node) <= level);
      const chosen = choosePlacement(apart, request, this.#state, prng);
      if (chosen.kind === "placed") return chosen;
    }
    return choosePlacement(all, request, this.#state, prng);
  }

  /** Every member as placement sees it, with what was just placed. */
  candidates(): Candidate[] {
    const { membership, table, connections, isUnheard } = this.#options;
    const counts = new Map(table.counts());
    for (const [name, node] of this.#placed) {
      if (table.get(name) === undefined) counts.set(node, (counts.get(node) ?? 0) + 1);
      else this.#placed.delete(name);
    }
    return membership.members().map((member) => ({
      ...candidateOf(member, counts.get(member.id) ?? 0, connections?.(member.id) ?? 0),
      healthy: isUnheard?.(member.id) !== true,
    }));
  }
}

function candidateOf(
  { id, status, tags, load }: Member,
  agents: number,
  connections: number,
): Omit<Candidate, "healthy"> {
  return {
    id,
    status,
    agents,
    maxAgents: tags.maxAgents,
    cpu_percent: load.cpu_percent,
    memory_percent: load.memory_percent,
    connections,
    ...(load.disk_percent === undefined ? {} : { disk_percent: load.disk_percent }),
    weight: tags.weight,
    services: tags.services,
    region: tags.region,
    zone: tags.zone,
  };
}
