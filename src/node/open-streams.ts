/** How many streams of this node to each other one are up. */
import type { NodeId } from "../base/ids.ts";
import type { PeerClass, Peers } from "../cluster/peers/peers.ts";

export class OpenStreams {
  readonly #up = new Map<NodeId, Set<PeerClass>>();

  constructor(peers: Pick<Peers, "onLink">) {
    peers.onLink(({ node, kind, state }) => {
      const up = this.#up.get(node) ?? new Set();
      if (state === "up") up.add(kind);
      else up.delete(kind);
      if (up.size > 0) this.#up.set(node, up);
      else this.#up.delete(node);
    });
  }

  of(node: NodeId): number {
    return this.#up.get(node)?.size ?? 0;
  }
}
