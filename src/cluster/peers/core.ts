/** What the parts of the peer network share: the ports, this node's greeting, and where news of peers goes. */
import type { Prng } from "../../base/prng.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StreamIdentity, Streams } from "../../ports/streams.ts";
import type { StreamPurpose } from "../../wire/peer-frame.ts";
import type { ProtocolRange } from "../../wire/protocol-version.ts";
import type { AnswerBudget } from "./answers.ts";
import type { CloseKind, ConnectionCounters } from "./connection.ts";

/** What may be asked for on this network's port, first contacts included. */
export const mainPurposes: readonly StreamPurpose[] = ["gossip", "message", "bulk", "contact"];
export const raftPurposes: readonly StreamPurpose[] = ["raft", "raft_bulk"];

export interface PeerTimings {
  /** For connecting and the TLS handshake. */
  readonly connect_ms: number;
  /** Silence after which a peer is asked for a sign of life. */
  readonly keepAlive_ms: number;
  /** The longest wait before a lost connection is dialled again; 5 s unless given. */
  readonly redial_ms?: number;
}

export interface PeerNetworkCore {
  readonly timings: PeerTimings;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly counters: ConnectionCounters;
  readonly budget: AnswerBudget;
  /** Whether connections for this purpose are taken here. */
  serves(purpose: StreamPurpose): boolean;
  identity(): StreamIdentity;
  greeting(): { readonly node: NodeId; readonly bootEpoch: number; readonly protocol: ProtocolRange };
  /** Why that life of a node is not believed (an earlier one than is known, or one of the future); null where it is, and then it is remembered. */
  bootRefusal(node: NodeId, bootEpoch: number): string | null;
  /** A peer was turned away, or turned this node away, for its key, cluster or version. */
  refused(source: string, reason: string): void;
  /** A connection ended; counted by kind. */
  closed(kind: CloseKind, peer: string, detail: string): void;
}
