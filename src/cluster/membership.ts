/**
 * Membership as the rest of a node sees it: who is reachable, and which node hosts which agent.
 * Knowledge, not authority: it may be late or wrong, and says how it came to know.
 * The gossip thread keeps it; `GossipThread` (gossip-thread.ts) is the implementation.
 */
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { Address } from "../ports/datagrams.ts";
import type { AgentStatus } from "../wire/agent-spec.ts";
import type * as wire from "../wire/gossip-records.ts";
import type { EndedLife } from "../swim/removal-proof.ts";
import type * as tags from "../wire/gossip-tags.ts";

/** Declared beside their codecs, which the pure core shares. */
export type MemberStatus = wire.MemberStatus;
export type NodeTags = tags.NodeTags;
export type NodeLoad = tags.NodeLoad;

export interface Member {
  readonly id: NodeId;
  /** Gossip (UDP) and peer streams (TCP) share it. */
  readonly address: Address;
  readonly status: MemberStatus;
  readonly bootEpoch: number;
  /** The counter within the boot epoch. */
  readonly incarnation: number;
  readonly tags: NodeTags;
  readonly load: NodeLoad;
  /** Wall time, Unix ms, when this node last heard from it (own clock). */
  readonly lastSeen_ms: number;
}

/** An agent as the directory knows it: what its owner last announced. */
export interface DirectoryEntry {
  readonly agent: AgentName;
  readonly node: NodeId;
  readonly epoch: number;
  readonly revision: number;
  readonly status: AgentStatus;
  readonly module: ModuleHash;
}

export type MembershipEvent =
  /**
   * `left` also when a member is forgotten: removed by an operator, or gone for long, as `reason` says.
   * `updated` also of this node itself, when it changed its tags or refuted an accusation.
   */
  | {
      readonly kind: "joined" | "alive" | "suspect" | "failed" | "left" | "updated";
      readonly member: Member;
      readonly reason: string;
    }
  | {
      readonly kind: "directory";
      readonly changed: readonly DirectoryEntry[];
      readonly removed: readonly DirectoryEntry[];
    }
  /** Two nodes use one name: the higher boot epoch has it, and the other is no member any more. Told once a minute. */
  | { readonly kind: "conflict"; readonly node: NodeId; readonly source: NodeId; readonly reason: string }
  /** A peer or packet that was turned away, told once a source and minute: a wrong key, another cluster, an old version. */
  | {
      readonly kind: "refused";
      readonly source: string;
      readonly reason: string;
      /** This node looked for the source, which is of another cluster. */
      readonly elsewhere: boolean;
    };

export interface GossipStats {
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Dropped packets by reason (`bad_seal`, `replayed`, `malformed`, `unknown_key`, …). */
  readonly dropped: Readonly<Record<string, number>>;
  /** Round trips of direct probes, ms: most recent 512. */
  readonly roundTrips_ms: readonly number[];
  /** 0 (well) to 7: this node's own health by Lifeguard. */
  readonly localHealth: number;
  /** Time from an own announcement until acknowledged by every alive member's digest, ms; most recent 64. */
  readonly convergence_ms: readonly number[];
}

export interface Membership {
  readonly self: NodeId;
  /**
   * Every member known, this node included, the failed and the left until they are reaped. By id. The list is never
   * altered: another takes its place when anything of a member changes, and till then it is the same one.
   */
  members(): readonly Member[];
  member(id: NodeId): Member | undefined;
  /** The winner by (epoch, then node id) among all owners' claims, of owners that have not left. */
  locate(agent: AgentName): DirectoryEntry | undefined;
  directory(): Iterable<DirectoryEntry>;
  subscribe(listener: (event: MembershipEvent) => void): () => void;
  setTags(tags: NodeTags): void;
  setLoad(load: NodeLoad): void;
  /** This node's own agents: changed or new ones, and names it no longer hosts. */
  announce(changed: readonly Omit<DirectoryEntry, "node">[], removed: readonly AgentName[]): void;
  /** One datagram round trip, ms. Throws `CaxtonError`: `node_not_found`, `timeout`. */
  ping(node: NodeId, timeout_ms: number): Promise<number>;
  /**
   * The round trip between two nodes (this one when `b` is left out) as network coordinates tell it, ms,
   * without a packet; where they are vague the median of what was measured. Undefined while too little is known.
   */
  estimate_ms(a: NodeId, b?: NodeId): number | undefined;
  /** Adds addresses to the seeds that are tried for ever. */
  join(seeds: readonly Address[]): void;
  /** Operator's word, which the log has: this life of the member is over. The others believe their own logs, or two members. */
  remove(node: NodeId, boot: number): void;
  /** What operators removed, as this node's log says. */
  removals(lives: readonly EndedLife[]): void;
  /**
   * Other gossip keys at once, 32 bytes each: the first seals, all open. Rotation without a gap: every node
   * takes the new key last, then first, then alone. Throws `invalid_argument`.
   */
  setGossipKeys(keys: readonly Uint8Array[]): void;
  stats(): Promise<GossipStats>;
  /** Tells the others, waits until the news was sent enough or `deadline_ms` passed. */
  leave(deadline_ms: number): Promise<void>;
  stop(): Promise<void>;
}
