/** May this node be taken down now, for an upgrade say, without the cluster losing its quorum? Pure. */
import type { NodeId } from "../base/ids.ts";
import { majorityOf, type PilotView, votes } from "./autopilot-view.ts";

export interface StopAnswer {
  readonly safe: boolean;
  readonly why: string;
}

/** Asked of the leader's view. A node that does not vote may always go. */
export function safeToStop(node: NodeId, view: PilotView): StopAnswer {
  const voters = view.members.filter(({ role }) => votes(role));
  if (!voters.some((member) => member.node === node)) return { safe: true, why: `${node} does not vote` };
  if (view.changing) return { safe: false, why: "a change of members is under way" };
  const alive = new Set(view.nodes.filter(({ presence }) => presence === "alive").map((known) => known.node));
  const others = voters.filter((member) => member.node !== node);
  const well = others.filter(
    (member) =>
      member.node === view.self ||
      (alive.has(member.node) && member.contact && (member.role === "witness" || member.caughtUp)),
  );
  const needed = majorityOf(voters.length);
  const count = `${well.length} of the other ${others.length} voters are well, ${needed} are needed`;
  if (well.length < needed) return { safe: false, why: count };
  // A witness keeps no data: what is committed must be on another data voter, too.
  if (!well.some(({ role }) => role === "voter"))
    return { safe: false, why: "no other voter holds the data" };
  return { safe: true, why: count };
}
