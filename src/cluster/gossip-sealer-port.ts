/**
 * What the gossip driver needs of datagram security: a payload sealed for every member of the
 * cluster, and a received datagram opened or dropped with a reason. `security/gossip-sealer.ts`
 * implements it with AES-GCM; tests may use a transparent one.
 */
import type { NodeId } from "../base/ids.ts";

export type OpenedDatagram =
  | { readonly kind: "opened"; readonly sender: NodeId; readonly bootEpoch: number; readonly payload: Uint8Array }
  | { readonly kind: "dropped"; readonly reason: string };

export interface Sealer {
  /** A whole datagram. Throws when `payload` is longer than `payloadLimit_bytes`. */
  seal(payload: Uint8Array): Uint8Array;
  /** Never throws: anything that is not a fresh datagram of a member is `dropped`. */
  open(datagram: Uint8Array): OpenedDatagram;
  readonly payloadLimit_bytes: number;
}
