/**
 * Where the agents of lost nodes go. One agent after the other by its own wishes, each counted at once, so that a
 * thousand of them do not all land on the node that was emptiest before. Pure: the plan is proposed elsewhere.
 */
import { present } from "../base/assert.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { isStandby, type Candidate } from "./candidate.ts";
import { chooseAmong, fitting, type PlacementRequest } from "./choose-placement.ts";
import { Siblings, type Instance } from "./siblings.ts";
import type { PlacementState } from "./strategies.ts";

export interface Orphan {
  readonly agent: AgentName;
  readonly request: PlacementRequest;
  /** The name that it is an instance of, where it is one. */
  readonly group?: AgentName | null;
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

type Node = { -readonly [Key in keyof Candidate]: Candidate[Key] };

/**
 * A lost target node is no wish that can be kept: the agent's other wishes hold. `others`: instances that stay where they
 * are. One that finds no node without another goes where the fewest are.
 */
export function planFailover(
  orphans: readonly Orphan[],
  candidates: readonly Candidate[],
  state: PlacementState,
  prng: Prng,
  others: Iterable<Instance> = [],
): FailoverPlan {
  const nodes: Node[] = candidates.map((candidate) => ({ ...candidate }));
  // Figures do not follow while the plan is made: nodes that differ by x points of load get parts that differ by x %.
  const share_points = 100 / Math.max(1, orphans.length);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const fits = new Map<string, readonly Candidate[]>();
  const siblings = new Siblings(others);
  const placed: Placed[] = [];
  const unplaced: { agent: AgentName; why: string }[] = [];
  let next = state;
  for (const { agent, request, group = null } of inOrder(orphans)) {
    const kind = kindOf(request);
    let able = fits.get(kind);
    if (able === undefined || able.some((node) => node.agents >= node.maxAgents)) {
      able = fitting(nodes, request);
      fits.set(kind, able);
    }
    const wish = { ...request, key: agent, targetNode: null };
    const [of, among] = group === null ? [nodes, able] : apart(nodes, able, group, siblings);
    const placement = chooseAmong(of, among, wish, next, prng);
    if (placement.kind === "refused") {
      unplaced.push({ agent, why: placement.why });
      continue;
    }
    next = placement.state;
    const node = present(byId.get(placement.node), "a candidate");
    node.agents += 1;
    node.expected_points = (node.expected_points ?? 0) + share_points;
    siblings.add(group, placement.node);
    placed.push({ agent, to: placement.node, why: placement.why });
  }
  return { placed, unplaced, state: next };
}

/** Of all nodes and of those that can take it, the ones with as few instances of the group as there are. */
function apart(
  nodes: readonly Candidate[],
  able: readonly Candidate[],
  group: AgentName,
  siblings: Siblings,
): readonly [readonly Candidate[], readonly Candidate[]] {
  const working = able.filter((node) => !isStandby(node));
  const choice = working.length > 0 ? working : able;
  const least = Math.min(...choice.map(({ id }) => siblings.on(group, id)));
  const fewest = ({ id }: Candidate): boolean => siblings.on(group, id) <= least;
  return [nodes.filter(fewest), choice.filter(fewest)];
}

/** Agents that ask for the same fit the same nodes. */
function kindOf({ services, region, zone }: PlacementRequest): string {
  return services.length === 0 && region === null && zone === null
    ? ""
    : JSON.stringify([services, region, zone]);
}

/** By priority, then by name, so that the same loss gives the same plan wherever it is made. */
function inOrder(orphans: readonly Orphan[]): readonly Orphan[] {
  return orphans.toSorted((a, b) => b.priority - a.priority || (a.agent < b.agent ? -1 : 1));
}
