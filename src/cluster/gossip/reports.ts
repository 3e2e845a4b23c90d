/** What the gossip driver tells, as plain data: it crosses threads unchanged. */
import type { NodeId } from "../../base/ids.ts";
import type { DirectoryDifference } from "../../ownership/directory.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { Place } from "../../swim/coordinates.ts";
import type { MemberEventKind } from "../../swim/effects.ts";
import type { Coordinate } from "../../wire/gossip-coordinate.ts";
import type { NodeLoad } from "../../wire/gossip-tags.ts";
import type { Member } from "../membership.ts";

export type GossipReport =
  | {
      readonly kind: "member";
      readonly event: MemberEventKind;
      readonly member: Member;
      readonly reason: string;
    }
  | { readonly kind: "forgotten"; readonly member: Member; readonly reason: string }
  | { readonly kind: "load"; readonly node: NodeId; readonly load: NodeLoad }
  /** Every few seconds: when each was last heard, wall time of this node. */
  | { readonly kind: "seen"; readonly nodes: readonly (readonly [node: NodeId, lastSeen_ms: number])[] }
  /** At most as often: this node's coordinate, and the others' that were heard of anew. */
  | {
      readonly kind: "places";
      readonly own: Coordinate;
      readonly places: readonly (readonly [node: NodeId, place: Place])[];
    }
  | { readonly kind: "directory"; readonly difference: DirectoryDifference }
  /** A fresh joiner was welcomed: this UUID is to be kept; the driver waits for its `kept`. */
  | { readonly kind: "adopted"; readonly uuid: string }
  | { readonly kind: "conflict"; readonly node: NodeId; readonly source: NodeId; readonly reason: string }
  | {
      readonly kind: "refused";
      readonly source: string;
      readonly reason: string;
      /** This node looked for the source, which is of another cluster. */
      readonly elsewhere: boolean;
    }
  | { readonly kind: "pinged"; readonly ping: number; readonly roundTrip_ms: number | null }
  /** This node was removed by an operator, as `source` says. */
  | { readonly kind: "removed"; readonly source: NodeId }
  | { readonly kind: "left-told" };

/** What came of a first contact. */
export type ContactOutcome =
  | { readonly kind: "answered"; readonly by: NodeId; readonly reply: Uint8Array }
  | { readonly kind: "failed"; readonly code: string; readonly reason: string };

/** Streams as the driver sees them: frames at most once and in order, contacts answered by `contacted`. */
export interface GossipStreams {
  /** False when it was not even queued. */
  send(to: NodeId, frame: Uint8Array): boolean;
  /** The streams to keep open from now on, though nothing is sent: their end tells of the end of a process. */
  keep?(nodes: readonly NodeId[]): void;
  /** `address.host` may be a name. */
  contact(contact: number, address: Address, hello: Uint8Array, timeout_ms: number): void;
}
