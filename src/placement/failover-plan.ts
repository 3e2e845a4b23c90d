/**
 * Where the agents of lost nodes go. One agent after the other by its own wishes, each counted at once, so that a
 * thousand of them do not all land on the node that was emptiest before. Pure: the plan is proposed elsewhere.
 */
import { present } from "../base/assert.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Candidate } from "./candidate.ts";
import { choosePlacement, type PlacementRequest } from "./choose-placement.ts";
import type { PlacementState } from "./strategies.ts";

export interface Orphan {
  readonly agent: AgentName;
  readonly request: PlacementRequest;
  /** Higher ones are placed first, so that they find room. */
  readonly priority: number;
}

export interface Placed {
  readonly agent: AgentName;
  readonly to: NodeId;
  readonly why: string;
}

export interface FailoverPlan {
  readonly placed: readonly Placed[];
  /** They wait until there is room, or until what they ask for is back. */
  readonly unplaced: readonly { readonly agent: AgentName; readonly why: string }[];
  readonly state: PlacementState;
}

/** A lost target node is no wish that can be kept: the agent's other wishes hold. */
export function planFailover(
  orphans: readonly Orphan[],
  candidates: readonly Candidate[],
  state: PlacementState,
  prng: Prng,
): FailoverPlan {
  const nodes = candidates.map((candidate) => ({ ...candidate }));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const placed: Placed[] = [];
  const unplaced: { agent: AgentName; why: string }[] = [];
  let next = state;
  for (const { agent, request } of inOrder(orphans)) {
    const placement = choosePlacement(nodes, { ...request, targetNode: null }, next, prng);
    if (placement.kind === "refused") {
      unplaced.push({ agent, why: placement.why });
      continue;
    }
    next = placement.state;
    present(byId.get(placement.node), "a candidate").agents += 1;
    placed.push({ agent, to: placement.node, why: placement.why });
  }
  return { placed, unplaced, state: next };
}

/** By priority, then by name, so that the same loss gives the same plan wherever it is made. */
function inOrder(orphans: readonly Orphan[]): readonly Orphan[] {
  return orphans.toSorted((a, b) => b.priority - a.priority || (a.agent < b.agent ? -1 : 1));
}
