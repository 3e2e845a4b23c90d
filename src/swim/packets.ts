/**
 * Fills packets and frames: what must be said first, then as much news as fits the byte budget. The one
 * place where they are made, so that none is ever too large.
 */
import type { NodeId } from "../base/ids.ts";
import { frameLimit_bytes } from "../wire/gossip-records.ts";
import type { GossipAddress } from "../wire/gossip-values.ts";
import type { SwimMember } from "./members.ts";
import { recordOf, type SwimState } from "./state.ts";
import { retransmitLimit } from "./timing.ts";

const version_bytes = 1;
/** Far fewer than a receiver reads of one frame. */
export const frameRecords = 1_024;

/** A datagram of `records` and news. A member under accusation is told so, to refute at once. */
export function sendPacket(
  state: SwimState,
  node: NodeId,
  address: GossipAddress,
  records: readonly Uint8Array[],
): void {
  const { payloadLimit_bytes, reserved_bytes } = state.options;
  const budget_bytes = payloadLimit_bytes - reserved_bytes - version_bytes;
  const { fitting, left_bytes } = fit(state, records, budget_bytes);
  const limit = retransmitLimit(state.timing.retransmitMultiplier, state.members.present, state.isStormy);
  if (left_bytes > 0) fitting.push(...state.rumors.take(left_bytes, limit));
  if (fitting.length > 0) state.emit({ kind: "send", node, address, records: fitting });
}

/** To an address that so far only one other told. Without news, of which each packet uses some up. */
export function sendAlone(state: SwimState, node: NodeId, address: GossipAddress, record: Uint8Array): void {
  state.emit({ kind: "send", node, address, records: [record] });
}

/** A frame of `records` over the stream. */
export function sendFrame(state: SwimState, node: NodeId, records: readonly Uint8Array[]): void {
  const { fitting } = fit(state, records.slice(0, frameRecords), frameLimit_bytes - version_bytes);
  if (fitting.length > 0) state.emit({ kind: "stream", node, records: fitting });
}

/** The first of them that fit. Whatever others said, no packet or frame grows beyond its limit. */
function fit(
  state: SwimState,
  records: readonly Uint8Array[],
  budget_bytes: number,
): { readonly fitting: Uint8Array[]; readonly left_bytes: number } {
  const fitting: Uint8Array[] = [];
  let left_bytes = budget_bytes;
  for (const record of records) {
    if (record.length > left_bytes) {
      state.refuse("crowded_out");
      continue;
    }
    left_bytes -= record.length;
    fitting.push(record);
  }
  return { fitting, left_bytes };
}

/** What a probe to this member must carry besides the probe. */
export function accusation(state: SwimState, member: SwimMember): Uint8Array[] {
  return member.status === "alive" || state.plain ? [] : [recordOf(state, member)];
}

/** News to a few random members, when there is any. */
export function gossip(state: SwimState): void {
  if (state.rumors.size === 0) return;
  for (const member of state.someAlive(state.timing.gossipFanout)) {
    if (state.rumors.size > 0) sendPacket(state, member.id, member.address, []);
  }
}
