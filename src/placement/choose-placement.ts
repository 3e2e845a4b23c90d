/**
 * Where an agent goes: the target when one is named, else the first preferred node that can take it, else one
 * by the strategy. Pure: candidates, state and generator come in, the choice and the next state come out.
 */
import { quote, type NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { PlacementStrategy } from "../wire/agent-spec.ts";
import { isStandby, unavailability, unstrained, type Candidate } from "./candidate.ts";
import { pickBy, type PlacementState } from "./strategies.ts";

export interface PlacementRequest {
  readonly strategy: PlacementStrategy;
  /** Soft, in order of preference. */
  readonly preferNodes: readonly NodeId[];
  /** Hard: this node or none. */
  readonly targetNode: NodeId | null;
  /** Hard: a node with all of them. */
  readonly services: readonly string[];
  /** Hard, where not null. */
  readonly region: string | null;
  readonly zone: string | null;
  /** Whose placement it is, for strategies that send the same one to the same node. */
  readonly key?: string;
  /** Messages a second that it has with agents on each node, where that is known. */
  readonly traffic?: ReadonlyMap<NodeId, number> | undefined;
}

export type Placement =
  | {
      readonly kind: "placed";
      readonly node: NodeId;
      /** For people: `round_robin: next after "node-1"`. */
      readonly why: string;
      readonly state: PlacementState;
    }
  /** `why` is a sentence; the state stays as it was. */
  | { readonly kind: "refused"; readonly code: "no_capacity" | "node_not_found"; readonly why: string };

/** At most this many nodes are named in a refusal. */
const namedNodes = 5;

export function choosePlacement(
  candidates: readonly Candidate[],
  request: PlacementRequest,
  state: PlacementState,
  prng: Prng,
): Placement {
  if (request.targetNode !== null) return onTarget(candidates, request, request.targetNode, state);
  return chooseAmong(candidates, fitting(candidates, request), request, state, prng);
}

/** The nodes that can take it at present. */
export function fitting(candidates: readonly Candidate[], request: PlacementRequest): readonly Candidate[] {
  return candidates.filter((node) => obstacle(node, request) === null);
}

/** Without a target, and with what `fitting` gave: who places many of one kind asks for that once. */
export function chooseAmong(
  candidates: readonly Candidate[],
  available: readonly Candidate[],
  request: PlacementRequest,
  state: PlacementState,
  prng: Prng,
): Placement {
  const passed: string[] = [];
  for (const id of request.preferNodes) {
    const node = candidates.find((candidate) => candidate.id === id);
    const reason = node === undefined ? "is not a member" : obstacle(node, request);
    if (reason === null) {
      const but = passed.length === 0 ? "" : `, since ${passed.slice(0, namedNodes).join(", ")}`;
      return { kind: "placed", node: id, why: `preferred node${but}`, state };
    }
    passed.push(`${quote(id)} ${reason}`);
  }
  if (available.length === 0)
    return { kind: "refused", code: "no_capacity", why: whyNone(candidates, request) };
  const standby = available.some(isStandby);
  const working = standby ? available.filter((node) => !isStandby(node)) : available;
  const choice = unstrained(working.length > 0 ? working : available);
  const pick = pickBy(request.strategy, choice, request, state, prng);
  const instead = passed.length === 0 ? "" : `; ${passed.slice(0, namedNodes).join(", ")}`;
  return {
    kind: "placed",
    node: pick.node.id,
    why: `${request.strategy}: ${pick.why}${instead}`,
    state: pick.state,
  };
}

function onTarget(
  candidates: readonly Candidate[],
  request: PlacementRequest,
  target: NodeId,
  state: PlacementState,
): Placement {
  const node = candidates.find(({ id }) => id === target);
  if (node === undefined) {
    const known = candidates.map(({ id }) => id).slice(0, namedNodes);
    const why = `Cannot place on node ${quote(target)}: no such member. Members: ${known.join(", ")}${more(candidates)}`;
    return { kind: "refused", code: "node_not_found", why };
  }
  const reason = obstacle(node, request);
  if (reason === null) return { kind: "placed", node: target, why: "target node", state };
  return { kind: "refused", code: "no_capacity", why: `Cannot place on node ${quote(target)}: it ${reason}` };
}

/** Why this node can not take this agent; null when it can. */
function obstacle(node: Candidate, request: PlacementRequest): string | null {
  return unavailability(node) ?? unfitness(node, request);
}

/** Why the node is not what was asked for, as the end of a sentence that begins with its name; null when it is. */
export function unfitness(
  node: Pick<Candidate, "services" | "region" | "zone">,
  { services, region, zone }: Pick<PlacementRequest, "services" | "region" | "zone">,
): string | null {
  if (region !== null && node.region !== region) return `is in region ${quote(node.region)}`;
  if (zone !== null && node.zone !== zone) return `is in zone ${quote(node.zone)}`;
  const missing = services.find((service) => !node.services.includes(service));
  return missing === undefined ? null : `has no service ${quote(missing)}`;
}

function whyNone(candidates: readonly Candidate[], request: PlacementRequest): string {
  if (candidates.length === 0) return "No node can take the agent: no members are known";
  const reasons = candidates
    .slice(0, namedNodes)
    .map((node) => `${quote(node.id)} ${obstacle(node, request) ?? "can"}`)
    .join(", ");
  return `No node can take the agent: ${reasons}${more(candidates)}`;
}

function more(candidates: readonly Candidate[]): string {
  return candidates.length > namedNodes ? ` and ${candidates.length - namedNodes} more` : "";
}
