/**
 * What turns a gossip payload into a sealed datagram and back. The format stands in datagram.ts, the
 * cryptography in security/gossip-sealer.ts. An unauthenticated packet never changes a sealer's state.
 */
import type { NodeId } from "../base/ids.ts";

/** Why a datagram was dropped: a closed set, so that each can be counted by its name. */
export const dropReasons = [
  /** Not a datagram of ours, or one whose header breaks its own rules. */
  "malformed",
  /** Its protocol version range and ours have nothing in common. */
  "version",
  /** Sealed with a key that this node does not hold. */
  "unknown_key",
  /** The right key id, but changed on the way, of another cluster, or forged. */
  "bad_seal",
  /** Seen before, or older than the replay window. */
  "replayed",
  /** Of an earlier life of its sender than one already heard. */
  "old_boot",
  /** Of a life that began in the future: once heard, all that its sender says with a right clock would be of an earlier one. */
  "future_boot",
] as const;
export type DropReason = (typeof dropReasons)[number];

export type Opened =
  | {
      readonly kind: "opened";
      readonly sender: NodeId;
      readonly bootEpoch: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: "dropped"; readonly reason: DropReason };

export interface Sealer {
  /** The largest payload that fits a datagram of 1,400 bytes. */
  readonly payloadLimit_bytes: number;
  /** A datagram ready to send. A payload above the limit is a bug of the caller. */
  seal(payload: Uint8Array): Uint8Array;
  /** Other keys from now on: the first seals, all open. Left out where keys are fixed. */
  setKeys?(keys: readonly Uint8Array[]): void;
  /** The highest version that this node and that one both speak, as its latest packet says; undefined when none was heard. */
  versionWith?(node: NodeId): number | undefined;
  /** Never throws. `payload` is the caller's to keep. */
  open(datagram: Uint8Array): Opened;
}
