/** The driver's transport over TLS streams: a `PeerNetwork` of the raft thread's own, on its own port. */
import type { NodeId } from "../../base/ids.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { StreamIdentity } from "../../ports/streams.ts";
import type { ConsensusTransport } from "./transport.ts";
import { raftPurposes } from "../peers/core.ts";
import { PeerNetwork, type PeerNetworkOptions } from "../peers/network.ts";

export interface ConsensusStreamsHandlers {
  readonly frame: (from: NodeId, bytes: Uint8Array) => void;
  readonly up: (node: NodeId) => void;
  readonly down: (node: NodeId) => void;
  /** A sign that this boot of the node is gone; null when it refused a connection. */
  readonly gone: (node: NodeId, boot: number | null) => void;
}

export class ConsensusStreams implements ConsensusTransport {
  readonly #network: PeerNetwork;
  readonly #up = new Set<NodeId>();

  constructor(options: Omit<PeerNetworkOptions, "purposes">, handlers: ConsensusStreamsHandlers) {
    this.#network = new PeerNetwork({ ...options, purposes: raftPurposes });
    for (const purpose of ["raft", "raft_bulk"] as const)
      this.#network.onFrame(purpose, ({ from, bytes }) => handlers.frame(from, bytes));
    this.#network.onLink(({ node, kind, state }) => {
      if (kind !== "raft") return;
      if (state === "up") {
        this.#up.add(node);
        handlers.up(node);
      } else {
        this.#up.delete(node);
        handlers.down(node);
      }
    });
    this.#network.onGone((node, boot) => handlers.gone(node, boot));
  }

  /** Throws `port_in_use` or `invalid_argument`. */
  async listen(): Promise<Address> {
    await this.#network.listen();
    return this.#network.local;
  }

  get stats(): ReturnType<PeerNetwork["stats"]> {
    return this.#network.stats();
  }

  send(node: NodeId, purpose: "raft" | "raft_bulk", bytes: Uint8Array): void {
    // What waits for a connection would only be old when there is one.
    if (this.#up.has(node)) this.#network.send(node, purpose, bytes);
  }

  keep(nodes: readonly NodeId[]): void {
    this.#network.keep("raft", nodes);
  }

  isUp(node: NodeId): boolean {
    return this.#up.has(node);
  }

  setAddress(node: NodeId, address: Address | undefined): void {
    this.#network.setAddress(node, address);
  }

  setIdentity(identity: StreamIdentity): void {
    this.#network.setIdentity(identity);
  }

  close(): Promise<void> {
    return this.#network.close();
  }
}
