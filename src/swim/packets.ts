/** Fills packets: what must be said first, then as much news as fits the byte budget. */
import type { NodeId } from "../base/ids.ts";
import type { GossipAddress } from "../wire/gossip-values.ts";
import type { SwimMember } from "./members.ts";
import { recordOf, type SwimState } from "./state.ts";
import { retransmitLimit } from "./timing.ts";

const version_bytes = 1;

/** A datagram of `records` and news. A member under accusation is told so, to refute at once. */
export function sendPacket(
  state: SwimState,
  node: NodeId,
  address: GossipAddress,
  records: readonly Uint8Array[],
): void {
  const packet = [...records];
  const { payloadLimit_bytes, reserved_bytes } = state.options;
  let left_bytes = payloadLimit_bytes - reserved_bytes - version_bytes;
  for (const record of records) left_bytes -= record.length;
  const limit = retransmitLimit(state.timing.retransmitMultiplier, state.members.present);
  if (left_bytes > 0) packet.push(...state.rumors.take(left_bytes, limit));
  if (packet.length > 0) state.emit({ kind: "send", node, address, records: packet });
}

/** What a probe to this member must carry besides the probe. */
export function accusation(state: SwimState, member: SwimMember): Uint8Array[] {
  return member.status === "alive" ? [] : [recordOf(state, member)];
}

/** News to a few random members, when there is any. */
export function gossip(state: SwimState): void {
  if (state.rumors.size === 0) return;
  for (const member of state.someAlive(state.timing.gossipFanout)) {
    if (state.rumors.size > 0) sendPacket(state, member.id, member.address, []);
  }
}
