/** An operator's word that a member is gone: how it is taken, from packets and from whole tables. */
import type { NodeId } from "../base/ids.ts";
import { encodeRecord, type GossipRecord } from "../wire/gossip-records.ts";
import { compareIncarnations, type Incarnation } from "../wire/gossip-values.ts";
import { isPresent, type SwimMember } from "./members.ts";
import { refuteIfAccused } from "./refutation.ts";
import { memberKey, type SwimState } from "./state.ts";
import { accused, plausible, type Verdict } from "./updates.ts";

/** An operator's word that a member is gone: forgotten here and, by gossip, everywhere. */
export function applyRemoved(
  state: SwimState,
  node: NodeId,
  incarnation: Incarnation,
  source: NodeId,
  age_ms = 0,
): Verdict {
  if (node === state.self) return refuteIfAccused(state, incarnation, "removed", source);
  const known = state.members.get(node);
  const said = known && isOver(known, incarnation) ? known.incarnation : incarnation;
  const member = accused(state, node, said);
  if (!member) return "ignored";
  member.incarnation = said;
  state.members.setStatus(member, "left", state.now);
  state.members.bury(member, state.now + state.timing.grave_ms - age_ms, true);
  state.forget(member.id);
  state.rumors.add(memberKey(node), "membership", encodeRecord({ kind: "removed", node, incarnation: said }));
  state.emit({ kind: "forgotten", member, reason: "removed by an operator" });
  return "taken";
}

/**
 * The life that is removed is over here too, and only refuted something before its end that whoever gave the word,
 * perhaps behind a cut, had not heard of. Who is present answers for itself.
 */
function isOver(member: SwimMember, removed: Incarnation): boolean {
  return !isPresent(member) && member.incarnation.boot === removed.boot;
}

/** The same out of somebody's table, where its packets were lost. */
export function applyGrave(
  state: SwimState,
  { node, incarnation, age_ms }: Extract<GossipRecord, { kind: "grave" }>,
  source: NodeId,
): Verdict {
  if (age_ms >= state.timing.grave_ms) return "ignored";
  const member = state.members.get(node);
  const isOld = member && compareIncarnations(incarnation, member.incarnation) < 0;
  if (node === state.self || (isOld && !isOver(member, incarnation))) return "ignored";
  if (!member) {
    if (!plausible(state, undefined, incarnation)) {
      state.refuse("poisoned");
      return "ignored";
    }
    const until = state.now + state.timing.grave_ms - age_ms;
    return state.members.dig(node, { incarnation, until, removed: true }) ? "taken" : "ignored";
  }
  // A later life, never heard of here, was removed: so this one is over. Who is present answers for itself.
  if (
    !isPresent(member) &&
    incarnation.boot > member.incarnation.boot &&
    plausible(state, undefined, incarnation)
  )
    member.incarnation = incarnation;
  return applyRemoved(state, node, incarnation, source, age_ms);
}
