/** Peer streams inside one process that carry gossip frames and first contacts at once: for the gossip thread. */
import { CaxtonError } from "../../src/base/errors.ts";
import type { NodeId } from "../../src/base/ids.ts";
import type { PeerFrame, Peers } from "../../src/cluster/peers/peers.ts";
import { type Address, formatAddress } from "../../src/ports/datagrams.ts";

export class ContactNetwork {
  readonly #peers = new Map<string, ContactPeers>();

  /** Streams of a node that listens at `local`. */
  join(node: NodeId, local: Address): ContactPeers {
    const peers = new ContactPeers(this, node, local);
    this.#peers.set(formatAddress(local), peers);
    return peers;
  }

  leave(local: Address): void {
    this.#peers.delete(formatAddress(local));
  }

  at(address: Address | undefined): ContactPeers | undefined {
    return address ? this.#peers.get(formatAddress(address)) : undefined;
  }
}

export class ContactPeers implements Peers {
  readonly addresses = new Map<NodeId, Address>();
  #frame: (frame: PeerFrame) => void = () => undefined;
  #contact: Parameters<Peers["onContact"]>[0] | null = null;
  readonly #network: ContactNetwork;
  readonly #self: NodeId;
  readonly local: Address;

  constructor(network: ContactNetwork, self: NodeId, local: Address) {
    this.#network = network;
    this.#self = self;
    this.local = local;
  }

  send(to: NodeId, kind: string, bytes: Uint8Array): boolean {
    const target = this.#network.at(this.addresses.get(to));
    if (!target || kind !== "gossip") return false;
    const copy = bytes.slice();
    queueMicrotask(() => target.#frame({ from: this.#self, bytes: copy }));
    return true;
  }

  onFrame(_kind: string, handler: (frame: PeerFrame) => void): void {
    this.#frame = handler;
  }

  onContact(handler: Parameters<Peers["onContact"]>[0]): void {
    this.#contact = handler;
  }

  async contact(address: Address, hello: Uint8Array): Promise<{ from: NodeId; reply: Uint8Array }> {
    const target = this.#network.at(address);
    const answer = target === undefined ? null : target.#contact;
    if (!target || !answer) throw new CaxtonError("unreachable", `Cannot reach ${formatAddress(address)}`);
    return { from: target.#self, reply: await answer(hello.slice(), this.#self, this.local) };
  }

  setAddress(node: NodeId, address: Address | undefined): void {
    if (address) this.addresses.set(node, address);
    else this.addresses.delete(node);
  }

  onLink(): void {}

  request(): Promise<Uint8Array> {
    return Promise.reject(new CaxtonError("unreachable", "No requests over these streams"));
  }

  handle(): void {}

  stats(): ReturnType<Peers["stats"]> {
    return { bytesSent: 0, bytesReceived: 0, connections: 0, queued_bytes: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
