/**
 * Who is on which side, and who does not reach whom, put together from what one node sees and what the nodes that it can
 * ask say of themselves. Pure. A side is where a leader with a quorum is heard: nodes that reach each other, by way of
 * others, may be on two.
 */
import type { NodeId } from "../base/ids.ts";
import { votersNeeded } from "./partition-state.ts";

export type PartitionSide = "majority" | "minority" | "unknown";

/** What a node says of itself. */
export interface NodeSight {
  /** It hears no leader with a quorum. */
  readonly minority: boolean;
  /** The leader that it hears. */
  readonly leader: NodeId | null;
  /** Those that it has no working way to, whether they are thought to live or not. */
  readonly unreached: readonly NodeId[];
}

export interface PartitionSights {
  readonly self: NodeId;
  readonly own: NodeSight;
  /** Members that are held to live, this node among them: it, or others, hear them. */
  readonly alive: readonly NodeId[];
  /** Members that nobody hears who tells this node of it. */
  readonly failed: readonly NodeId[];
  readonly voters: readonly NodeId[];
  /** Of the others, as they said it to this node or to one that passed it on; null: nobody had an answer. */
  readonly others: ReadonlyMap<NodeId, NodeSight | null>;
  /** Those that did not answer this node itself. */
  readonly silent: ReadonlySet<NodeId>;
}

export interface PartitionMap {
  readonly groups: readonly { readonly nodes: readonly NodeId[]; readonly side: PartitionSide }[];
  /** Pairs of nodes that live, of which the first has no way to the second. */
  readonly blind: readonly { readonly from: NodeId; readonly to: NodeId }[];
  /** Nodes whose own word is not among these: whom they reach is not known. */
  readonly unasked: readonly NodeId[];
}

export function partitionMap(sights: PartitionSights): PartitionMap {
  const { self, own, alive, failed, others, silent } = sights;
  const sides = new Map<PartitionSide, NodeId[]>();
  for (const node of alive) add(sides, sideOf(node, sights), node);
  for (const node of failed) add(sides, sideOfLost(node, sights), node);
  const groups = (["majority", "minority", "unknown"] as const)
    .map((side) => ({ side, nodes: (sides.get(side) ?? []).toSorted() }))
    .filter(({ nodes }) => nodes.length > 0);
  const unanswered = [...silent].filter((node) => !own.unreached.includes(node));
  const told = new Map<NodeId, NodeSight | null>([
    [self, { ...own, unreached: [...own.unreached, ...unanswered] }],
    ...others,
  ]);
  const blind = [...told].flatMap(([from, sight]) => {
    const unreached = sight?.unreached ?? [];
    const known = unreached.filter((to) => to !== from && (alive.includes(to) || isHeard(to, sights)));
    return known.map((to) => ({ from, to }));
  });
  const unasked = [...alive, ...failed].filter((node) => (told.get(node) ?? null) === null);
  return { groups, blind, unasked };
}

function add(sides: Map<PartitionSide, NodeId[]>, side: PartitionSide, node: NodeId): void {
  sides.set(side, [...(sides.get(side) ?? []), node]);
}

function sideOf(node: NodeId, { self, own, others, alive }: PartitionSights): PartitionSide {
  const told = node === self ? own : others.get(node);
  if (told !== undefined && told !== null) return told.minority ? "minority" : "majority";
  // It did not answer: what is known of it is what the majority says.
  const well = [own, ...others.values()].filter((sight) => sight !== null && !sight.minority);
  const leader = well.find((sight) => sight?.leader !== null)?.leader ?? null;
  if (node === leader) return "majority";
  if (leader === null) return own.minority ? "minority" : "majority";
  const ofLeader = leader === self ? own : others.get(leader);
  // A leader that does not reach it is none that it could hear.
  const isDeaf = leader === self && others.get(node) === null;
  if (isDeaf || ofLeader?.unreached.includes(node) === true) return "minority";
  return alive.includes(node) ? "majority" : "unknown";
}

/** A node of the majority that answered reaches it. */
function isHeard(node: NodeId, { others }: PartitionSights): boolean {
  return [...others.values()].some(
    (sight) => sight !== null && !sight.minority && !sight.unreached.includes(node),
  );
}

/** Of those that nobody hears: whether they reach each other cannot be known from here, only whether they could decide. */
function sideOfLost(node: NodeId, sights: PartitionSights): PartitionSide {
  const { own, others, failed, voters } = sights;
  if (others.get(node)?.minority === true) return "minority";
  if (isHeard(node, sights)) return "majority";
  const someDecide = !own.minority || [...others.values()].some((sight) => sight?.minority === false);
  if (someDecide) return "minority";
  const left = voters.filter((voter) => failed.includes(voter)).length;
  return left >= votersNeeded(voters.length, 0) ? "majority" : "unknown";
}
