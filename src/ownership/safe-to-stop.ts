/** May this node be taken down now, for an upgrade say, without the cluster losing its quorum? Pure. */
import type { NodeId } from "../base/ids.ts";
import { majorityOf, type PilotMember, type PilotView, votes } from "./autopilot-view.ts";

export interface StopAnswer {
  readonly safe: boolean;
  readonly why: string;
}

export interface SpareAnswer extends StopAnswer {
  /** Waiting does not help. */
  readonly final: boolean;
}

/** May it stop voting, leaving the cluster to the others? Not where a witness votes: both data nodes are needed then. */
export function canSpareVote(node: NodeId, view: PilotView): SpareAnswer {
  const voters = view.members.filter(({ role }) => votes(role));
  if (view.changing) return { safe: false, final: false, why: "a change of members is under way" };
  if (voters.some(({ role }) => role === "witness"))
    return { safe: false, final: true, why: "the cluster has a witness, and needs both of its data nodes" };
  const others = voters.filter((member) => member.node !== node);
  if (others.length === 0) return { safe: false, final: true, why: `${node} is the only voter` };
  const well = wellOf(others, view);
  const why =
    others.length === 1
      ? `the only voter that would be left ${isWell(well.length)}`
      : `${well.length} of the ${others.length} voters that would be left ${areWell(well.length)}`;
  return { safe: well.length >= majorityOf(others.length), final: false, why };
}

/** Who could vote in the place of the only voter; undefined while nobody can, or where there are others. */
export function successorOf(view: PilotView): NodeId | undefined {
  if (view.members.filter(({ role }) => votes(role)).length !== 1) return undefined;
  const may = new Set(view.nodes.filter(({ role }) => role === "voter").map(({ node }) => node));
  return wellOf(view.members, view).find(({ node, role }) => role === "learner" && may.has(node))?.node;
}

/** Asked of the leader's view. A node that does not vote may always go. */
export function safeToStop(node: NodeId, view: PilotView): StopAnswer {
  const voters = view.members.filter(({ role }) => votes(role));
  if (!voters.some((member) => member.node === node)) return { safe: true, why: `${node} does not vote` };
  if (view.changing) return { safe: false, why: "a change of members is under way" };
  const others = voters.filter((member) => member.node !== node);
  const well = wellOf(others, view);
  const needed = majorityOf(voters.length);
  const count = `${othersWell(well.length, others.length)}, ${needed} ${needed === 1 ? "is" : "are"} needed`;
  if (well.length < needed) return { safe: false, why: count };
  // A witness keeps no data: what is committed must be on another data voter, too.
  if (!well.some(({ role }) => role === "voter"))
    return { safe: false, why: "no other voter holds the data" };
  return { safe: true, why: count };
}

function othersWell(well: number, others: number): string {
  if (others === 0) return "no other node votes";
  return others === 1
    ? `the only other voter ${isWell(well)}`
    : `${well} of the other ${others} voters ${areWell(well)}`;
}

/** Of one. */
function isWell(count: number): string {
  return count === 1 ? "is well" : "is not well";
}

function areWell(count: number): string {
  return count === 1 ? "is well" : "are well";
}

function wellOf(members: readonly PilotMember[], view: PilotView): readonly PilotMember[] {
  const alive = new Set(view.nodes.filter(({ presence }) => presence === "alive").map(({ node }) => node));
  return members.filter(
    ({ node, contact, role, caughtUp }) =>
      node === view.self || (alive.has(node) && contact && (role === "witness" || caughtUp)),
  );
}
