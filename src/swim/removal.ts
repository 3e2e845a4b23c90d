/**
 * An operator's word that a member is gone: how it is taken, from packets and from whole tables. It is about one life
 * (boot epoch) and as final as a death certificate: nothing that this life says afterwards brings it back, and who
 * hears it of its own present life takes part no more. A restart is another life. What proves it is `removal-proof.ts`'s.
 */
import type { NodeId } from "../base/ids.ts";
import { encodeRecord } from "../wire/gossip-records.ts";
import { compareIncarnations, type Incarnation } from "../wire/gossip-values.ts";
import { isPresent } from "./members.ts";
import type { EndedLife } from "./removal-proof.ts";
import { memberKey, type SwimState } from "./state.ts";
import { plausible, type Verdict } from "./updates.ts";

/** The word of this node's own operator, or of its log. */
export function applyRemoved(state: SwimState, { node, boot }: EndedLife): Verdict {
  state.proofs.decided(node, boot);
  return take(state, node, { boot, counter: 0 }, state.self, 0);
}

/** Another's word, new or out of its table, `age_ms` old: taken once it is proven, and no accusation until then. */
export function hearRemoved(
  state: SwimState,
  node: NodeId,
  incarnation: Incarnation,
  source: NodeId,
  age_ms = 0,
): Verdict {
  const { boot } = incarnation;
  const known = state.members.get(node);
  if (node === state.self && boot < state.me.incarnation.boot) return "answer";
  // Of a later life of this node somebody errs.
  const isOthers = known
    ? boot < known.incarnation.boot || (node === state.self && boot > known.incarnation.boot)
    : false;
  if (isOthers || state.members.removedLife(node) === boot) return "ignored";
  if (age_ms >= state.timing.grave_ms) return "ignored";
  if (!plausible(state, known?.incarnation, incarnation)) {
    state.refuse("poisoned");
    return "ignored";
  }
  const proof = proofOf(state, { node, boot }, source);
  if (proof === "proven") return take(state, node, incarnation, source, age_ms);
  state.refuse("unproven_removal");
  return proof === "ask" ? "doubted" : "ignored";
}

function proofOf(state: SwimState, life: EndedLife, source: NodeId): "proven" | "ask" | "wait" {
  const { members, proofs, now, self, plain } = state;
  if (plain || proofs.isDecided(life)) return "proven";
  // Names cost nothing: a stranger's word counts as little as its accusations do.
  if (!members.get(source)) return "wait";
  // Whom the only other member removes has nobody else to hear it of.
  if (life.node === self && members.size === 2) return "proven";
  return proofs.told(life, source, now);
}

export function removedRecord(node: NodeId, incarnation: Incarnation): Uint8Array {
  return encodeRecord({ kind: "removed", node, incarnation });
}

function take(
  state: SwimState,
  node: NodeId,
  incarnation: Incarnation,
  source: NodeId,
  age_ms: number,
): Verdict {
  if (node === state.self) return hearOwnRemoval(state, incarnation, source);
  const until = state.now + state.timing.grave_ms - age_ms;
  const member = state.members.get(node);
  if (!member) return state.members.dig(node, { incarnation, until, removed: true }) ? "taken" : "ignored";
  const isLater = incarnation.boot > member.incarnation.boot;
  // A later life, never heard of here, was removed: so this one is over. Who is present answers for itself.
  if (incarnation.boot < member.incarnation.boot || (isLater && isPresent(member))) return "ignored";
  // Of that life everything that it said is over, whatever it has said since.
  if (compareIncarnations(incarnation, member.incarnation) > 0) member.incarnation = incarnation;
  state.members.setStatus(member, "left", state.now);
  state.members.bury(member, until, true);
  state.forget(member.id);
  state.rumors.add(memberKey(node), "membership", removedRecord(node, member.incarnation));
  state.emit({ kind: "forgotten", member, reason: "removed by an operator" });
  return "taken";
}

function hearOwnRemoval(state: SwimState, { boot }: Incarnation, source: NodeId): Verdict {
  if (boot !== state.me.incarnation.boot || state.phase !== "inside") return "ignored";
  state.phase = "removed";
  state.rumors.clear();
  state.emit({ kind: "removed", source });
  return "taken";
}
