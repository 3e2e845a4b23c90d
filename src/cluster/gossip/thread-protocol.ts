/** What main and the gossip thread say to each other: plain data, in order. */
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { EndedLife } from "../../swim/removal-proof.ts";
import type { TimingOverrides, TimingProfile } from "../../swim/timing.ts";
import type { AgentClaim } from "../../wire/gossip-directory.ts";
import type { NodeLoad, NodeTags } from "../../wire/gossip-tags.ts";
import type { ContactOutcome, GossipReport } from "./reports.ts";
import type { GossipStats, Member } from "../membership.ts";
import type { CutOrder } from "../network-cut.ts";

export interface GossipIdentity {
  readonly self: NodeId;
  readonly boot: number;
  readonly cluster: string;
  /** Null of a fresh joiner. */
  readonly uuid: string | null;
  /** Where the socket is bound, and where the others reach it. */
  readonly bind: Address;
  readonly advertise: Address;
  readonly tags: NodeTags;
  readonly profile: TimingProfile;
  readonly timing: TimingOverrides;
  /** Gossip keys, 32 bytes each: the first seals, all open. */
  readonly keys: readonly Uint8Array[];
}

export type ToGossip =
  | {
      readonly kind: "open";
      readonly identity: GossipIdentity;
      readonly seeds: readonly Address[];
      readonly seed: number;
      /** Main's signs of life are counted here. */
      readonly beats: SharedArrayBuffer;
    }
  | { readonly kind: "frame"; readonly from: NodeId; readonly bytes: Uint8Array }
  | {
      readonly kind: "hello";
      readonly request: number;
      readonly hello: Uint8Array;
      readonly from: NodeId;
      readonly remote: Address;
    }
  | {
      readonly kind: "contacted";
      readonly contact: number;
      readonly address: Address;
      readonly outcome: ContactOutcome;
    }
  /** Whether the adopted UUID is on disk. */
  | { readonly kind: "kept"; readonly onDisk: boolean }
  | {
      readonly kind: "announce";
      readonly changed: readonly (AgentClaim & { readonly agent: AgentName })[];
      readonly removed: readonly AgentName[];
    }
  | { readonly kind: "tags"; readonly tags: NodeTags }
  | { readonly kind: "load"; readonly load: NodeLoad }
  | { readonly kind: "join"; readonly seeds: readonly Address[] }
  | { readonly kind: "remove"; readonly node: NodeId; readonly boot: number }
  | { readonly kind: "removals"; readonly lives: readonly EndedLife[] }
  | { readonly kind: "ping"; readonly ping: number; readonly node: NodeId; readonly timeout_ms: number }
  /** A stream to this node ended without a goodbye, or was refused; `boot` is its life, when known. */
  | { readonly kind: "hint"; readonly node: NodeId; readonly boot: number | null }
  | { readonly kind: "keys"; readonly keys: readonly Uint8Array[] }
  /** Of a drill: this thread's datagrams to and from there are lost for that time. */
  | { readonly kind: "cut"; readonly order: CutOrder }
  | { readonly kind: "leave" }
  | { readonly kind: "stats"; readonly request: number }
  | { readonly kind: "stop" };

export type FromGossip =
  | { readonly kind: "opened"; readonly local: Address; readonly members: readonly Member[] }
  /** `open` failed; the thread ends. */
  | { readonly kind: "unopened"; readonly code: string; readonly detail: string }
  /** Nothing to do since the start: time for what would be done for the first time later. */
  | { readonly kind: "idle" }
  | { readonly kind: "report"; readonly report: GossipReport }
  | { readonly kind: "frame"; readonly to: NodeId; readonly bytes: Uint8Array }
  | {
      readonly kind: "contact";
      readonly contact: number;
      readonly address: Address;
      readonly hello: Uint8Array;
      readonly timeout_ms: number;
    }
  /** Keep a stream to these. */
  | { readonly kind: "neighbours"; readonly nodes: readonly NodeId[] }
  | { readonly kind: "answer"; readonly request: number; readonly reply: Uint8Array }
  | { readonly kind: "stats"; readonly request: number; readonly stats: GossipStats }
  | { readonly kind: "stopped" };
