/**
 * Death certificates kept until they expire: while one is known, no word brings that life of its node
 * back. The driver has checked each before it comes here.
 */
import type { NodeId } from "../base/ids.ts";
import type { DeathCertificate } from "../wire/death-certificate.ts";
import { encodeRecord } from "../wire/gossip-records.ts";
import { isPresent } from "./members.ts";
import { memberKey, type SwimState } from "./state.ts";
import { applyFailed, type Verdict } from "./updates.ts";

export function applyCertificate(state: SwimState, certificate: DeathCertificate, source: NodeId): Verdict {
  const { node, boot } = certificate;
  if (node === state.self) {
    if (boot < state.me.incarnation.boot) return "ignored";
    const reason = `${source} has a death certificate of this node's boot epoch ${boot}, which runs: its launcher erred, or another node uses its name`;
    state.emit({ kind: "conflict", node, source, reason });
    return "ignored";
  }
  if (boot > state.bootCeiling) {
    state.refuse("poisoned");
    return "ignored";
  }
  if (!state.certificates.keep(certificate, state.now + state.timing.grave_ms)) return "ignored";
  state.rumors.add(`${memberKey(node)} certificate`, "membership", certificateRecord(certificate));
  const member = state.members.get(node);
  if (member === undefined || member.incarnation.boot > boot) return "taken";
  const reason = `its launcher certified the end of boot epoch ${boot}`;
  if (isPresent(member)) applyFailed(state, node, member.incarnation, state.self, reason);
  // What was found out by silence is certain from now on.
  else if (member.status === "failed") state.emit({ kind: "member", event: "updated", member, reason });
  return "taken";
}

export function certificateRecord(certificate: DeathCertificate): Uint8Array {
  return encodeRecord({ kind: "certificate", ...certificate });
}
