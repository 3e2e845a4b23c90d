/**
 * The versions of the protocol between nodes. Every datagram and every stream's hello carries the range
 * that its sender speaks; two nodes talk when their ranges have a version in common, and use the highest.
 */

export interface ProtocolRange {
  readonly lowest: number;
  readonly highest: number;
}

/** What this build speaks. Raise `highest` with each change of a format between nodes, and say here what it brought. */
export const protocolRange: ProtocolRange = { lowest: 1, highest: 2 };
/** The frames of gossip's streams may be packed (packed-frame.ts). */
export const packedFramesSince = 2;

/** The version that two nodes use, or undefined when they cannot talk. */
export function commonVersion(ours: ProtocolRange, theirs: ProtocolRange): number | undefined {
  const highest = Math.min(ours.highest, theirs.highest);
  return highest >= Math.max(ours.lowest, theirs.lowest) ? highest : undefined;
}
