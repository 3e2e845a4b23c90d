/** How frames of consensus reach the other nodes, as the driver sees it. Streams in production, links in the simulator. */
import type { NodeId } from "../../base/ids.ts";

export interface ConsensusTransport {
  /** Queues a frame on the link to `node`, or drops it where the link is down: the core minds loss. */
  send(node: NodeId, purpose: "raft" | "raft_bulk", bytes: Uint8Array): void;
  /** Links to these nodes are wanted, and to no others. */
  keep(nodes: readonly NodeId[]): void;
  /** Whether the link that this node sends on is up. */
  isUp(node: NodeId): boolean;
}
