/**
 * An operator's word that a member is gone: how it is taken, from packets and from whole tables. It is about one life
 * (boot epoch) and as final as a death certificate: nothing that this life says afterwards brings it back, and who
 * hears it of its own present life takes part no more. A restart is another life.
 */
import type { NodeId } from "../base/ids.ts";
import { encodeRecord, type GossipRecord } from "../wire/gossip-records.ts";
import { compareIncarnations, type Incarnation } from "../wire/gossip-values.ts";
import { isPresent, type SwimMember } from "./members.ts";
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
  if (node === state.self) return hearOwnRemoval(state, incarnation, source);
  const member = removable(state, node, incarnation);
  if (!member) return "ignored";
  if (compareIncarnations(incarnation, member.incarnation) > 0) member.incarnation = incarnation;
  state.members.setStatus(member, "left", state.now);
  state.members.bury(member, state.now + state.timing.grave_ms - age_ms, true);
  state.forget(member.id);
  state.rumors.add(memberKey(node), "membership", removedRecord(node, member.incarnation));
  state.emit({ kind: "forgotten", member, reason: "removed by an operator" });
  return "taken";
}

export function removedRecord(node: NodeId, incarnation: Incarnation): Uint8Array {
  return encodeRecord({ kind: "removed", node, incarnation });
}

/** Of its life everything that it said is over, whatever it has said since; of another one nothing is. */
function removable(state: SwimState, node: NodeId, incarnation: Incarnation): SwimMember | undefined {
  const member = state.members.get(node);
  if (
    member?.incarnation.boot === incarnation.boot &&
    compareIncarnations(incarnation, member.incarnation) < 0
  )
    return member;
  return accused(state, node, incarnation);
}

/** Of an earlier life it is no news; of a later one somebody errs. */
function hearOwnRemoval(state: SwimState, { boot }: Incarnation, source: NodeId): Verdict {
  if (boot < state.me.incarnation.boot) return "answer";
  if (boot > state.me.incarnation.boot || state.phase !== "inside") return "ignored";
  state.phase = "removed";
  state.rumors.clear();
  state.emit({ kind: "removed", source });
  return "taken";
}

/** The same out of somebody's table, where its packets were lost. */
export function applyGrave(
  state: SwimState,
  { node, incarnation, age_ms }: Extract<GossipRecord, { kind: "grave" }>,
  source: NodeId,
): Verdict {
  if (age_ms >= state.timing.grave_ms) return "ignored";
  if (node === state.self)
    return incarnation.boot === state.me.incarnation.boot
      ? hearOwnRemoval(state, incarnation, source)
      : "ignored";
  const member = state.members.get(node);
  if (member && incarnation.boot < member.incarnation.boot) return "ignored";
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
