/** Peer streams in memory, on a virtual clock: in order per peer and class, with links that can be cut. */
import { CaxtonError } from "../../src/base/errors.ts";
import type { NodeId } from "../../src/base/ids.ts";
import type { PeerClass, PeerFrame, Peers, RequestContext } from "../../src/cluster/peers/peers.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Address } from "../../src/ports/datagrams.ts";

type LinkHandler = Parameters<Peers["onLink"]>[0];

export class MemoryPeersNetwork {
  readonly #nodes = new Map<NodeId, MemoryPeers>();
  readonly #cut = new Set<string>();
  /** Rises with each break of a pair: frames in flight from before are lost. */
  readonly #generation = new Map<string, number>();
  readonly clock: Clock;
  latency_ms = 1;
  /** Made so far. */
  requests = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  join(node: NodeId): MemoryPeers {
    const peers = new MemoryPeers(node, this);
    this.#nodes.set(node, peers);
    return peers;
  }

  /** Breaks the connection of two nodes: what is in flight is lost, both are told; it can be used again at once. */
  break(a: NodeId, b: NodeId): void {
    const pair = pairOf(a, b);
    this.#generation.set(pair, (this.#generation.get(pair) ?? 0) + 1);
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.#nodes.get(node)?.down(other, "connection reset");
    }
  }

  cut(a: NodeId, b: NodeId): void {
    this.#cut.add(pairOf(a, b));
    this.break(a, b);
  }

  heal(a: NodeId, b: NodeId): void {
    this.#cut.delete(pairOf(a, b));
  }

  reachable(from: NodeId, to: NodeId): MemoryPeers | undefined {
    return this.#cut.has(pairOf(from, to)) ? undefined : this.#nodes.get(to);
  }

  carry(from: NodeId, to: NodeId, kind: PeerClass, bytes: Uint8Array): void {
    const pair = pairOf(from, to);
    const generation = this.#generation.get(pair) ?? 0;
    this.clock.after(this.latency_ms, () => {
      if ((this.#generation.get(pair) ?? 0) !== generation) return;
      this.reachable(from, to)?.receive(kind, { from, bytes });
    });
  }
}

class MemoryPeers implements Peers {
  readonly local: Address = { host: "127.0.0.1", port: 1 };
  readonly #frames = new Map<PeerClass, (frame: PeerFrame) => void>();
  readonly #links: LinkHandler[] = [];
  readonly #handlers = new Map<string, (body: Uint8Array, context: RequestContext) => Promise<Uint8Array>>();
  readonly #self: NodeId;
  readonly #network: MemoryPeersNetwork;

  constructor(self: NodeId, network: MemoryPeersNetwork) {
    this.#self = self;
    this.#network = network;
  }

  send(to: NodeId, kind: PeerClass, bytes: Uint8Array): boolean {
    this.#network.carry(this.#self, to, kind, bytes.slice());
    return true;
  }

  receive(kind: PeerClass, frame: PeerFrame): void {
    this.#frames.get(kind)?.(frame);
  }

  down(node: NodeId, reason: string): void {
    for (const handler of this.#links) handler({ node, kind: "message", state: "down", reason });
  }

  onFrame(kind: PeerClass, handler: (frame: PeerFrame) => void): void {
    this.#frames.set(kind, handler);
  }

  onLink(handler: LinkHandler): void {
    this.#links.push(handler);
  }

  async request(to: NodeId, method: string, body: Uint8Array): Promise<Uint8Array> {
    this.#network.requests++;
    const target = this.#network.reachable(this.#self, to);
    if (target === undefined) throw new CaxtonError("unreachable", `Cannot reach node "${to}"`);
    const handler = target.#handlers.get(method);
    if (handler === undefined) throw new CaxtonError("not_found", `This node does not answer "${method}"`);
    return await handler(body.slice(), { from: this.#self });
  }

  handle(method: string, handler: (body: Uint8Array, context: RequestContext) => Promise<Uint8Array>): void {
    this.#handlers.set(method, handler);
  }

  contact(): Promise<never> {
    return Promise.reject(
      new CaxtonError("unreachable", "No first contact in this network: nodes know each other"),
    );
  }

  onContact(): void {}

  setAddress(): void {}

  stats(): ReturnType<Peers["stats"]> {
    return { bytesSent: 0, bytesReceived: 0, connections: 0, queued_bytes: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function pairOf(a: NodeId, b: NodeId): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}
