/**
 * `Peers` over the `Streams` port. Each node dials its own connection for each peer and class and sends on
 * nothing else; on a connection that a peer dialled it only answers. Frames and their limits stand in
 * wire/peer-frame.ts, what waits in peer-queue.ts.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { Prng } from "../../base/prng.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Address } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type {
  StreamConnection,
  StreamHandlers,
  StreamIdentity,
  StreamListener,
  Streams,
} from "../../ports/streams.ts";
import type { StreamPurpose } from "../../wire/peer-frame.ts";
import { protocolRange } from "../../wire/protocol-version.ts";
import { EarlyFrames } from "./early-frames.ts";
import type { Answer } from "./answers.ts";
import { AnswerBudget } from "./answers.ts";
import { PeerBoots } from "./boots.ts";
import type { CloseKind } from "./connection.ts";
import { contactMethod, type ContactRefusal, FirstContacts } from "./contacts.ts";
import { mainPurposes, type PeerNetworkCore, type PeerTimings } from "./core.ts";
import { PeerInbound } from "./inbound.ts";
import { PeerOutbound } from "./outbound.ts";
import { frameLimit_bytes } from "./queue.ts";
import type { PeerClass, PeerFrame, Peers, RequestContext } from "./peers.ts";

const checkEvery_ms = 1_000;
const defaultTimings: PeerTimings = { connect_ms: 5_000, keepAlive_ms: 5_000 };
/** A stream for gossip to no neighbour is closed after so long: in time there would be one to each member. */
const gossipUnused_ms = 120_000;
/** Connections of first contact from one node at once. */
const contactsPerNode = 8;

export interface PeerNetworkOptions {
  readonly node: NodeId;
  readonly bootEpoch: number;
  readonly local: Address;
  readonly identity: StreamIdentity;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly timings?: PeerTimings;
  /** What peers may connect for; `mainPurposes` unless given. */
  readonly purposes?: readonly StreamPurpose[];
  /** A peer turned away, or one that turned us away: a wrong key, another cluster, an old version. */
  readonly refused?: (source: string, reason: string) => void;
  /** Each connection that ended, for the log. */
  readonly closed?: (kind: CloseKind, peer: string, detail: string) => void;
}

export interface PeerNetworkStats {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly connections: number;
  readonly queued_bytes: number;
  /** Connections that were turned away for a key, a cluster or a version, by either side, since the start. */
  readonly refused: number;
  /** Ended connections by kind, since the start. */
  readonly closed: Readonly<Partial<Record<CloseKind, number>>>;
}

type LinkHandler = Parameters<Peers["onLink"]>[0];
type GoneHandler = Parameters<NonNullable<Peers["onGone"]>>[0];
type ContactHandler = Parameters<Peers["onContact"]>[0];
type RequestHandler = (body: Uint8Array, context: RequestContext) => Promise<Uint8Array>;

/** Listens and begins. Throws `CaxtonError`: `port_in_use`, `invalid_argument`. */
export async function openPeerNetwork(options: PeerNetworkOptions): Promise<PeerNetwork> {
  const network = new PeerNetwork(options);
  await network.listen();
  return network;
}

export class PeerNetwork implements Peers {
  readonly #core: PeerNetworkCore;
  readonly #addresses = new Map<NodeId, Address>();
  /** By node, then class. */
  readonly #outbound = new Map<NodeId, Map<PeerClass, PeerOutbound>>();
  readonly #contacts: FirstContacts;
  readonly #inbound = new Set<PeerInbound>();
  readonly #frameHandlers = new Map<PeerClass, (frame: PeerFrame) => void>();
  readonly #early = new EarlyFrames();
  readonly #methods = new Map<string, RequestHandler>();
  readonly #linkHandlers: LinkHandler[] = [];
  readonly #goneHandlers: GoneHandler[] = [];
  readonly #kept = new Map<PeerClass, ReadonlySet<NodeId>>();
  readonly #closedByKind: Partial<Record<CloseKind, number>> = {};
  #refused = 0;
  #contactHandler: ContactHandler | undefined;
  #identity: StreamIdentity;
  #listener: StreamListener | undefined;
  #timer: Timer | undefined;
  #checked_ms: number;
  #open = true;

  constructor(private readonly options: PeerNetworkOptions) {
    this.#identity = options.identity;
    this.#checked_ms = options.clock.now_ms();
    const { node, bootEpoch, streams, clock, purposes = mainPurposes } = options;
    const greeting = { node, bootEpoch, protocol: protocolRange };
    const boots = new PeerBoots(clock, (peer) => {
      for (const link of this.#outbound.get(peer)?.values() ?? []) link.renew("the peer has restarted");
    });
    this.#core = {
      timings: options.timings ?? defaultTimings,
      streams,
      clock,
      prng: new Prng(new DataView(options.entropy.bytes(4).buffer).getUint32(0)),
      counters: { bytesSent: 0, bytesReceived: 0 },
      budget: new AnswerBudget(),
      serves: (purpose) => purposes.includes(purpose),
      identity: () => this.#identity,
      greeting: () => greeting,
      bootRefusal: (peer, epoch) => boots.refusal(peer, epoch),
      refused: (source, reason) => {
        this.#refused++;
        options.refused?.(source, reason);
      },
      closed: (kind, peer, detail) => {
        this.#closedByKind[kind] = (this.#closedByKind[kind] ?? 0) + 1;
        options.closed?.(kind, peer, detail);
      },
    };
    this.#contacts = new FirstContacts(this.#core);
  }

  async listen(): Promise<void> {
    const { streams, local } = this.options;
    const accept = (stream: StreamConnection): StreamHandlers => this.#accept(stream);
    const refused = (remote: string, reason: string): void => this.#core.refused(remote, reason);
    this.#listener = await streams.listen(local, this.#identity, accept, refused);
    this.#check();
  }

  get local(): Address {
    return this.#listener?.local ?? this.options.local;
  }

  /** New connections in both directions use it; open ones stay. */
  setIdentity(identity: StreamIdentity): void {
    this.#identity = identity;
    this.#listener?.setIdentity(identity);
  }

  /** Also false for a frame above its class's limit: 16 MiB for gossip and messages, 64 KiB for bulk. */
  send(to: NodeId, kind: PeerClass, bytes: Uint8Array): boolean {
    if (bytes.length >= frameLimit_bytes(kind === "bulk")) return false;
    return this.#link(to, kind)?.send(bytes) ?? false;
  }

  onFrame(kind: PeerClass, handler: (frame: PeerFrame) => void): void {
    this.#frameHandlers.set(kind, handler);
    for (const frame of this.#early.take(kind)) handler(frame);
  }

  onGone(handler: GoneHandler): void {
    this.#goneHandlers.push(handler);
  }

  keep(kind: PeerClass, nodes: readonly NodeId[]): void {
    const before = this.#kept.get(kind) ?? new Set();
    const kept = new Set(nodes);
    this.#kept.set(kind, kept);
    for (const node of before) {
      const link = this.#outbound.get(node)?.get(kind);
      if (kept.has(node) || !link) continue;
      link.keep(false);
      if (!link.isIdle) continue;
      this.#outbound.get(node)?.delete(kind);
      link.close("no neighbour any more", true);
    }
    for (const node of kept) this.#link(node, kind)?.keep(true);
  }

  onLink(handler: LinkHandler): void {
    this.#linkHandlers.push(handler);
  }

  async request(
    to: NodeId,
    method: string,
    body: Uint8Array,
    options: { readonly timeout_ms: number },
  ): Promise<Uint8Array> {
    const link = this.#link(to, "bulk");
    if (link === undefined)
      throw new CaxtonError("unreachable", `Cannot reach "${to}" for ${method}: no address known`);
    return await link.calls.call(method, body, options.timeout_ms);
  }

  handle(method: string, handler: RequestHandler): void {
    this.#methods.set(method, handler);
  }

  async contact(
    address: Address,
    hello: Uint8Array,
    timeout_ms: number,
  ): Promise<{ from: NodeId; reply: Uint8Array }> {
    return await this.#contacts.contact(address, hello, timeout_ms);
  }

  /**
   * Dials itself once, both ends of a handshake and a greeting: the runtime loads and compiles what the first peers
   * would wait for. Resolves also when nothing came of it.
   */
  async rehearse(): Promise<void> {
    await this.#contacts.rehearse(this.local);
  }

  judgeContacts(refusal: ContactRefusal): void {
    this.#contacts.refusal = refusal;
  }

  onContact(handler: ContactHandler): void {
    this.#contactHandler = handler;
  }

  setAddress(node: NodeId, address: Address | undefined): void {
    const known = this.#addresses.get(node);
    if (known && address && known.host === address.host && known.port === address.port) return;
    if (address) this.#addresses.set(node, address);
    else this.#addresses.delete(node);
    const links = this.#outbound.get(node);
    this.#outbound.delete(node);
    const reason = address ? `it moved to ${formatAddress(address)}` : "it is not a member any more";
    for (const [kind, link] of links ?? []) {
      const wasUp = link.isUp;
      link.close(reason, false);
      if (wasUp) this.#tell(node, kind, "down", reason);
    }
    if (address === undefined) return;
    for (const [kind, kept] of this.#kept) if (kept.has(node)) this.#link(node, kind)?.keep(true);
  }

  stats(): PeerNetworkStats {
    let queued_bytes = 0;
    let connections = this.#inbound.size;
    for (const link of this.#links()) {
      queued_bytes += link.queued_bytes;
      if (link.isUp) connections++;
    }
    for (const inbound of this.#inbound) queued_bytes += inbound.queued_bytes;
    const [refused, closed] = [this.#refused, { ...this.#closedByKind }];
    return { ...this.#core.counters, connections, queued_bytes, refused, closed };
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#timer?.cancel();
    const reason = "this node shuts down";
    for (const link of this.#links()) link.close(reason, true);
    this.#contacts.close(reason);
    for (const inbound of [...this.#inbound]) inbound.finish(reason);
    this.#outbound.clear();
    await this.#listener?.close();
  }

  #link(to: NodeId, kind: PeerClass): PeerOutbound | undefined {
    const known = this.#outbound.get(to)?.get(kind);
    if (known) return known;
    const address = this.#addresses.get(to);
    if (address === undefined || !this.#open) return undefined;
    const link = new PeerOutbound(this.#core, address, kind, to, {
      up: () => this.#tell(to, kind, "up", "connected"),
      down: (_kind, detail) => this.#tell(to, kind, "down", detail),
      gone: (bootEpoch) => this.#gone(to, bootEpoch),
    });
    const links = this.#outbound.get(to) ?? new Map<PeerClass, PeerOutbound>();
    this.#outbound.set(to, links.set(kind, link));
    return link;
  }

  *#links(): Iterable<PeerOutbound> {
    for (const links of this.#outbound.values()) yield* links.values();
  }

  #tell(node: NodeId, kind: PeerClass, state: "up" | "down", reason: string): void {
    for (const handler of this.#linkHandlers) {
      try {
        handler({ node, kind, state, reason });
      } catch (error) {
        // A listener's bug is its own: the network and the other listeners go on.
        this.#core.closed("handler_failed", node, reasonOf(error));
      }
    }
  }

  #gone(node: NodeId, bootEpoch: number | null): void {
    if (!this.#open) return;
    for (const handler of this.#goneHandlers) handler(node, bootEpoch);
  }

  #check(): void {
    if (!this.#open) return;
    const now_ms = this.options.clock.now_ms();
    // This process was asleep or starved: what came meanwhile is read after this, and it did not ask either.
    const slept_ms = now_ms - this.#checked_ms - checkEvery_ms;
    this.#checked_ms = now_ms;
    this.#closeUnused(now_ms);
    for (const one of [...this.#links(), ...this.#contacts.links, ...this.#inbound]) {
      if (slept_ms > checkEvery_ms) one.forgive(slept_ms);
      one.check(now_ms);
    }
    this.#timer = this.options.clock.after(checkEvery_ms, () => this.#check());
  }

  #closeUnused(now_ms: number): void {
    for (const links of this.#outbound.values()) {
      const link = links.get("gossip");
      if (!link?.isUnused(now_ms, gossipUnused_ms)) continue;
      links.delete("gossip");
      link.close("nothing to say any more", true);
    }
  }

  #accept(stream: StreamConnection): StreamHandlers {
    const inbound = new PeerInbound(this.#core, stream, {
      greeted: (greeting) => this.#greeted(greeting),
      data: (source, bytes) => {
        const kind = source.purpose;
        if (kind === undefined || kind === "contact") return;
        const handler = this.#frameHandlers.get(kind);
        if (handler !== undefined) handler({ from: source.node, bytes });
        else this.#early.add(kind, { from: source.node, bytes });
      },
      answerOf: (source, method) => this.#answerOf(source, method),
      closed: (source) => this.#inbound.delete(source),
      gone: (source) => this.#gone(source.node, source.bootEpoch),
    });
    this.#inbound.add(inbound);
    if (!this.#open) inbound.close("closed", "this node shuts down");
    return inbound.handlers;
  }

  /** A newer connection of a peer and class replaces the older one, so that nothing late of it is read after. */
  #greeted(inbound: PeerInbound): boolean {
    let contacts = 0;
    for (const other of [...this.#inbound]) {
      if (other === inbound || other.node !== inbound.node) continue;
      if (other.purpose === "contact") contacts++;
      const stale = other.purpose !== undefined && other.bootEpoch < inbound.bootEpoch;
      const replaced = other.purpose === inbound.purpose && inbound.purpose !== "contact";
      if (stale || replaced) other.close("superseded", "the peer has connected again");
    }
    return inbound.purpose !== "contact" || contacts < contactsPerNode;
  }

  #answerOf(source: PeerInbound, method: string): Answer | undefined {
    if (source.purpose === "contact") {
      const handler = this.#contactHandler;
      if (method !== contactMethod || handler === undefined) return undefined;
      return async (body) => await handler(body, source.node, source.remote);
    }
    const handler = this.#methods.get(method);
    return handler && (async (body) => await handler(body, { from: source.node }));
  }
}
