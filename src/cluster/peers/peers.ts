/**
 * Streams to the other nodes: TLS over TCP with identities checked, one connection per peer and
 * class, frames batched per tick. Lives on the main thread; `PeerNetwork` (peer-network.ts) is the
 * implementation. Delivery is at most once and in order within one connection: whoever needs more
 * (messaging/link.ts) numbers and resends.
 */
import type { NodeId } from "../../base/ids.ts";
import type { Address } from "../../ports/datagrams.ts";

/**
 * Each class has its own connection, so that a large transfer never delays a probe or a message. The raft
 * classes live on the raft thread's own port, the others on main's; neither serves the other's.
 */
export const peerClasses = ["gossip", "message", "bulk", "raft", "raft_bulk"] as const;
export type PeerClass = (typeof peerClasses)[number];

export interface PeerFrame {
  readonly from: NodeId;
  readonly bytes: Uint8Array;
}

export interface RequestContext {
  readonly from: NodeId;
}

export interface Peers {
  readonly local: Address;
  /**
   * Queues a frame, connecting when needed. False when the peer's address is unknown or the queue
   * (64 MiB a peer and class) is full: nothing was queued then. True is no promise of arrival.
   */
  send(to: NodeId, kind: PeerClass, bytes: Uint8Array): boolean;
  /** One handler a class, set once at start. */
  onFrame(kind: PeerClass, handler: (frame: PeerFrame) => void): void;
  /** Link of a peer and class came up or went down; `down` carries why. In-flight frames may be lost at `down`. */
  onLink(
    handler: (event: { node: NodeId; kind: PeerClass; state: "up" | "down"; reason: string }) => void,
  ): void;
  /**
   * A sign that a process is gone, not proof: its stream closed without a goodbye, or it refused a
   * connection. `bootEpoch` is the life that the stream belonged to, null when it was refused.
   */
  onGone?(handler: (node: NodeId, bootEpoch: number | null) => void): void;
  /** Keeps a connection of this class to these nodes and no others, though nothing is sent. */
  keep?(kind: PeerClass, nodes: readonly NodeId[]): void;
  /** Request and response over the bulk class; bodies up to 64 MiB, chunked. Throws `CaxtonError` of the peer, `unreachable`, `timeout`. */
  request(to: NodeId, method: string, body: Uint8Array, options: { timeout_ms: number }): Promise<Uint8Array>;
  /** A `CaxtonError` thrown by the handler travels to the caller with its code. */
  handle(method: string, handler: (body: Uint8Array, context: RequestContext) => Promise<Uint8Array>): void;
  /** First contact with an address whose node is not known yet: hello, then one request of the gossip class. */
  contact(
    address: Address,
    hello: Uint8Array,
    timeout_ms: number,
  ): Promise<{ from: NodeId; reply: Uint8Array }>;
  /** Does once, with itself, what a first contact needs, so that no code has to be loaded for it. Never rejects. */
  rehearse?(): Promise<void>;
  /** Answers `contact`. */
  onContact(handler: (hello: Uint8Array, from: NodeId, remote: Address) => Promise<Uint8Array>): void;
  /** Where to connect to; the membership tells. */
  setAddress(node: NodeId, address: Address | undefined): void;
  stats(): {
    readonly bytesSent: number;
    readonly bytesReceived: number;
    readonly connections: number;
    readonly queued_bytes: number;
  };
  close(): Promise<void>;
}
