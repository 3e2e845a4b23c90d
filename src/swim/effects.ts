/** What goes into the SWIM core and what comes out: plain data, so that a driver or a simulator carries both. */
import type { NodeId } from "../base/ids.ts";
import type { DeathCertificate } from "../wire/death-certificate.ts";
import type { GossipRecord } from "../wire/gossip-records.ts";
import type { NodeLoad, NodeTags } from "../wire/gossip-tags.ts";
import type { GossipAddress } from "../wire/gossip-values.ts";
import type { RumorPriority } from "./dissemination.ts";
import type { SwimMember } from "./members.ts";
import type { EndedLife } from "./removal-proof.ts";

/** Where to look for a cluster: `host` may be a name, which the driver's side resolves at each try. */
export type SeedAddress = GossipAddress;

export type SwimInput =
  /** Only lets what is due happen. */
  | { readonly kind: "tick" }
  /** The cluster is known (bootstrapped or joined): begin to speak UDP. */
  | { readonly kind: "enter" }
  /** An authenticated packet; `boot` is the sender's by its seal. */
  | {
      readonly kind: "packet";
      readonly from: NodeId;
      readonly boot: number;
      readonly address: GossipAddress;
      readonly records: readonly GossipRecord[];
    }
  /** A frame of the gossip stream, or the records of a hello or welcome. */
  | { readonly kind: "frame"; readonly from: NodeId; readonly records: readonly GossipRecord[] }
  /** What became of a `contact` effect: who answered, or null. */
  | { readonly kind: "contacted"; readonly contact: number; readonly by: NodeId | null }
  | { readonly kind: "join"; readonly seeds: readonly SeedAddress[] }
  | { readonly kind: "tags"; readonly tags: NodeTags }
  | { readonly kind: "load"; readonly load: NodeLoad }
  /** News of another layer: an encoded record that rides along. */
  | {
      readonly kind: "rumor";
      readonly key: string;
      readonly priority: RumorPriority;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "ping"; readonly ping: number; readonly node: NodeId; readonly timeout_ms: number }
  /** This node's operator removes that life of it, with a quorum. */
  | { readonly kind: "remove"; readonly node: NodeId; readonly boot: number }
  /** What operators removed, as this node's log says: all that it knows of, however old. */
  | { readonly kind: "removals"; readonly lives: readonly EndedLife[] }
  /** A sign that the process of this node is gone; `boot` is the life that it is about, when known. */
  | { readonly kind: "hint"; readonly node: NodeId; readonly boot: number | null }
  /** A checked death certificate that came by itself. */
  | { readonly kind: "certificate"; readonly certificate: DeathCertificate }
  /** The node's own threads are late. */
  | { readonly kind: "lag" }
  | { readonly kind: "leave" };

export type MemberEventKind = "joined" | "alive" | "suspect" | "failed" | "left" | "updated";

export type SwimEffect =
  /** A datagram of these encoded records; `probe` and `ack` ones leave room for `reserved_bytes`. */
  | {
      readonly kind: "send";
      readonly node: NodeId;
      readonly address: GossipAddress;
      readonly records: readonly Uint8Array[];
    }
  | { readonly kind: "stream"; readonly node: NodeId; readonly records: readonly Uint8Array[] }
  /** Whole tables are being exchanged with this member: other layers may add theirs. */
  | { readonly kind: "exchange"; readonly node: NodeId }
  /** Say hello by stream, then answer with `contacted`. */
  | {
      readonly kind: "contact";
      readonly contact: number;
      readonly address: SeedAddress;
      readonly timeout_ms: number;
    }
  /** `member` is the live row: read it now. */
  | {
      readonly kind: "member";
      readonly event: MemberEventKind;
      readonly member: SwimMember;
      readonly reason: string;
    }
  | { readonly kind: "forgotten"; readonly member: SwimMember; readonly reason: string }
  | { readonly kind: "load"; readonly member: SwimMember }
  | { readonly kind: "round-trip"; readonly node: NodeId; readonly roundTrip_ms: number }
  /** Null: no answer in time, or no such member. */
  | { readonly kind: "pinged"; readonly ping: number; readonly roundTrip_ms: number | null }
  /** Two nodes use one name, as far as `source` shows; the higher boot epoch has it. */
  | { readonly kind: "conflict"; readonly node: NodeId; readonly source: NodeId; readonly reason: string }
  /** An operator removed this node, as `source` says, or its own log: it says and hears nothing any more in this life. */
  | { readonly kind: "removed"; readonly source: NodeId }
  /** The leave was sent as often as news is. */
  | { readonly kind: "left-told" };
