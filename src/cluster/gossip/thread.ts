/**
 * Membership as main sees it: a copy of the gossip thread's tables, kept by its reports, and the thread's
 * way to streams, which live on main. Nothing is decided here.
 */
import { unreachable } from "../../base/assert.ts";
import { CaxtonError, isErrorCode, reasonOf } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host-port.ts";
import { type AgentName, type NodeId, quote } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { Thread } from "../../ports/threads.ts";
import type { EndedLife } from "../../swim/removal-proof.ts";
import { acceptedKeysLimit, key_bytes } from "../../security/keyring.ts";
import { checkTags } from "../../wire/gossip-tags.ts";
import { isIpAddress } from "../../wire/gossip-values.ts";
import { Distances } from "./distances.ts";
import { Beats } from "./heartbeat.ts";
import { GossipRequests } from "./requests.ts";
import { MembershipTables } from "./tables.ts";
import type { ContactOutcome, GossipReport } from "./reports.ts";
import type { FromGossip, GossipIdentity, ToGossip } from "./thread-protocol.ts";
import type {
  DirectoryEntry,
  GossipStats,
  Member,
  Membership,
  MembershipEvent,
  NodeLoad,
  NodeTags,
} from "../membership.ts";
import type { CutOrder } from "../network-cut.ts";
import type { Peers } from "../peers/peers.ts";

export interface GossipThreadOptions {
  readonly identity: GossipIdentity;
  readonly seeds: readonly Address[];
  /** Of the thread's generator: from the entropy port. */
  readonly seed: number;
  readonly clock: Clock;
  readonly peers: Peers;
  readonly spawn: () => Thread<FromGossip, ToGossip>;
  readonly resolve: (host: string) => Promise<string>;
  /** A fresh joiner was let in: keeps the UUID on disk; only then the node takes part. */
  readonly adopted: (uuid: string) => Promise<void>;
  /** A node outside of its cluster could not reach a seed; tried again for ever. */
  readonly seedFailed: (seed: string, reason: string) => void;
  /** An operator removed this node, as that one says, or its log (null): it takes no part any more, and is to end. */
  readonly removed: (source: NodeId | null) => void;
  /** The thread ended by itself: the node cannot go on. */
  readonly failed: (error: CaxtonError) => void;
}

/** For an answer of the thread itself; probes and contacts have their own time-outs. */
const answerTimeout_ms = 5_000;
const stopTimeout_ms = 2_000;

export class GossipThread implements Membership {
  readonly self: NodeId;
  readonly #tables = new MembershipTables();
  readonly #distances: Distances;
  readonly #listeners = new Set<(event: MembershipEvent) => void>();
  readonly #answers: GossipRequests<Uint8Array>;
  readonly #statistics: GossipRequests<GossipStats>;
  readonly #pings: GossipRequests<number>;
  #uuid: string | null;
  #gossipKeys: readonly Uint8Array[];
  readonly #beats: Beats;
  #leaving: (() => void) | null = null;
  #stopping = false;
  readonly #stopped = Promise.withResolvers<void>();

  /** Starts the thread; resolves when its socket is bound. Throws `port_in_use` or `invalid_argument`. */
  static async start(options: GossipThreadOptions): Promise<GossipThread> {
    refuseBadTags(options.identity.tags);
    const thread = options.spawn();
    const opened = Promise.withResolvers<void>();
    const membership = new GossipThread(options, thread, opened);
    const { identity, seeds, seed } = options;
    thread.post({ kind: "open", identity, seeds, seed, beats: membership.#beats.cell });
    await opened.promise;
    return membership;
  }

  private constructor(
    private readonly options: GossipThreadOptions,
    private readonly thread: Thread<FromGossip, ToGossip>,
    private readonly opened: Pick<PromiseWithResolvers<void>, "resolve" | "reject">,
  ) {
    this.self = options.identity.self;
    this.#uuid = options.identity.uuid;
    this.#gossipKeys = options.identity.keys;
    this.#distances = new Distances(this.self);
    this.#beats = new Beats(options.clock);
    this.#answers = new GossipRequests(options.clock);
    this.#statistics = new GossipRequests(options.clock);
    this.#pings = new GossipRequests(options.clock);
    thread.receive((message) => this.#receive(message));
    thread.ended((error) => this.#ended(error));
    const { peers } = options;
    peers.onFrame("gossip", ({ from, bytes }) => thread.post({ kind: "frame", from, bytes }));
    peers.onGone?.((node, boot) => thread.post({ kind: "hint", node, boot }));
    peers.onContact((hello, from, remote) => this.#hello(hello, from, remote));
  }

  /** Null until a fresh joiner was let in. */
  get uuid(): string | null {
    return this.#uuid;
  }

  members(): readonly Member[] {
    return this.#tables.members();
  }

  member(id: NodeId): Member | undefined {
    return this.#tables.member(id);
  }

  locate(agent: AgentName): DirectoryEntry | undefined {
    return this.#tables.locate(agent);
  }

  directory(): Iterable<DirectoryEntry> {
    return this.#tables.directory();
  }

  subscribe(listener: (event: MembershipEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Throws `invalid_argument` for tags that do not fit 16 KiB. */
  setTags(tags: NodeTags): void {
    refuseBadTags(tags);
    this.#tables.setTags(this.self, tags);
    this.thread.post({ kind: "tags", tags });
  }

  /** For a drill: datagrams to and from there are lost for that time. */
  cut(order: CutOrder): void {
    this.thread.post({ kind: "cut", order });
  }

  setLoad(load: NodeLoad): void {
    this.#tables.setLoad(this.self, load);
    this.thread.post({ kind: "load", load });
  }

  announce(changed: readonly Omit<DirectoryEntry, "node">[], removed: readonly AgentName[]): void {
    this.thread.post({ kind: "announce", changed, removed });
  }

  async ping(node: NodeId, timeout_ms: number): Promise<number> {
    if (!this.#tables.member(node))
      throw new CaxtonError("node_not_found", `No node ${quote(node)} is known`);
    this.#checkOpen();
    const detail = `Cannot ping ${quote(node)}: timed out after ${timeout_ms} ms`;
    const post = (ping: number): void => this.thread.post({ kind: "ping", ping, node, timeout_ms });
    // The thread itself tells when no answer came in time.
    return await this.#pings.ask(post, null, new CaxtonError("timeout", detail));
  }

  estimate_ms(a: NodeId, b: NodeId = this.self): number | undefined {
    return this.#distances.between_ms(a, b);
  }

  join(seeds: readonly Address[]): void {
    this.thread.post({ kind: "join", seeds });
  }

  remove(node: NodeId, boot: number): void {
    this.thread.post({ kind: "remove", node, boot });
  }

  removals(lives: readonly EndedLife[]): void {
    this.thread.post({ kind: "removals", lives });
  }

  get gossipKeys(): readonly Uint8Array[] {
    return this.#gossipKeys;
  }

  setGossipKeys(keys: readonly Uint8Array[]): void {
    if (keys.length < 1 || keys.length > acceptedKeysLimit || keys.some((key) => key.length !== key_bytes)) {
      const detail = `Gossip keys are 1 to ${acceptedKeysLimit} of ${key_bytes} bytes each`;
      throw new CaxtonError("invalid_argument", detail);
    }
    this.#gossipKeys = keys;
    this.thread.post({ kind: "keys", keys });
  }

  stats(): Promise<GossipStats> {
    this.#checkOpen();
    const post = (request: number): void => this.thread.post({ kind: "stats", request });
    return this.#statistics.ask(post, answerTimeout_ms, threadIsLate());
  }

  async leave(deadline_ms: number): Promise<void> {
    if (this.#stopping) return;
    await new Promise<void>((resolve) => {
      const deadline = this.options.clock.after(deadline_ms, resolve);
      this.#leaving = () => {
        deadline.cancel();
        resolve();
      };
      this.thread.post({ kind: "leave" });
    });
    this.#leaving = null;
  }

  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#beats.end();
      this.thread.post({ kind: "stop" });
      this.options.clock.after(stopTimeout_ms, () => this.#stopped.resolve());
    }
    await this.#stopped.promise;
    this.#rejectAll(new CaxtonError("unavailable", "The node is stopping"));
    await this.thread.terminate();
  }

  #receive(message: FromGossip): void {
    switch (message.kind) {
      case "opened":
        for (const member of message.members) this.#tables.put(member);
        if (!this.#stopping) this.#beats.begin();
        this.opened.resolve();
        return;
      case "unopened":
        this.#stopping = true;
        this.opened.reject(
          new CaxtonError(isErrorCode(message.code) ? message.code : "internal", message.detail),
        );
        return;
      case "idle":
        void this.options.peers.rehearse?.();
        return;
      case "report":
        this.#report(message.report);
        return;
      case "frame":
        this.options.peers.send(message.to, "gossip", message.bytes);
        return;
      case "neighbours":
        this.options.peers.keep?.("gossip", message.nodes);
        return;
      case "contact":
        void this.#contact(message);
        return;
      case "answer":
        this.#answers.take(message.request)?.resolve(message.reply);
        return;
      case "stats":
        this.#statistics.take(message.request)?.resolve(message.stats);
        return;
      case "stopped":
        this.#stopped.resolve();
        return;
      default:
        unreachable(message);
    }
  }

  #report(report: GossipReport): void {
    switch (report.kind) {
      case "member":
        this.#tables.put(report.member);
        this.#route(report.member);
        this.#tell({ kind: report.event, member: report.member, reason: report.reason });
        return;
      case "forgotten":
        this.#tables.forget(report.member.id);
        this.#distances.forget(report.member.id);
        this.options.peers.setAddress(report.member.id, undefined);
        this.#tell({ kind: "left", member: report.member, reason: report.reason });
        return;
      case "load":
        this.#tables.setLoad(report.node, report.load);
        return;
      case "seen":
        for (const [node, lastSeen_ms] of report.nodes) this.#tables.seen(node, lastSeen_ms);
        return;
      case "places":
        this.#distances.learn(report.own, report.places);
        return;
      case "directory":
        this.#tables.change(report.difference);
        this.#tell({ kind: "directory", ...report.difference });
        return;
      case "adopted":
        void this.#adopt(report.uuid);
        return;
      case "conflict":
      case "refused":
        this.#tell(report);
        return;
      case "pinged":
        this.#pinged(report.ping, report.roundTrip_ms);
        return;
      case "removed":
        this.options.removed(report.source === this.self ? null : report.source);
        return;
      case "left-told":
        this.#leaving?.();
        return;
      default:
        unreachable(report);
    }
  }

  /** Streams go to where a member says it is; to a lost one too, since it may not be lost. */
  #route(member: Member): void {
    if (member.id === this.self) return;
    this.options.peers.setAddress(member.id, member.status === "left" ? undefined : member.address);
  }

  async #adopt(uuid: string): Promise<void> {
    try {
      await this.options.adopted(uuid);
    } catch (error) {
      this.thread.post({ kind: "kept", onDisk: false });
      this.#tell({
        kind: "refused",
        source: this.self,
        reason: `cannot keep the cluster's UUID: ${reasonOf(error)}`,
        elsewhere: false,
      });
      return;
    }
    this.#uuid = uuid;
    this.thread.post({ kind: "kept", onDisk: true });
  }

  #pinged(ping: number, roundTrip_ms: number | null): void {
    const waiting = this.#pings.take(ping);
    if (roundTrip_ms === null) waiting?.reject(waiting.late);
    else waiting?.resolve(roundTrip_ms);
  }

  /** Names are resolved anew at each try: addresses change while a node is away. */
  async #contact(wanted: Extract<FromGossip, { kind: "contact" }>): Promise<void> {
    const { contact, address, hello, timeout_ms } = wanted;
    let outcome: ContactOutcome;
    try {
      const host = isIpAddress(address.host) ? address.host : await this.options.resolve(address.host);
      const to = { host, port: address.port };
      const { from, reply } = await this.options.peers.contact(to, hello, timeout_ms);
      outcome = { kind: "answered", by: from, reply };
    } catch (error) {
      const code = error instanceof CaxtonError ? error.code : "unreachable";
      outcome = { kind: "failed", code, reason: reasonOf(error) };
      if (this.#uuid === null) this.options.seedFailed(formatHostPort(address), outcome.reason);
    }
    this.thread.post({ kind: "contacted", contact, address, outcome });
  }

  #hello(hello: Uint8Array, from: NodeId, remote: Address): Promise<Uint8Array> {
    this.#checkOpen();
    const post = (request: number): void => this.thread.post({ kind: "hello", request, hello, from, remote });
    return this.#answers.ask(post, answerTimeout_ms, threadIsLate());
  }

  #checkOpen(): void {
    if (this.#stopping) throw new CaxtonError("unavailable", "The node is stopping");
  }

  #tell(event: MembershipEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #ended(error: Error | undefined): void {
    this.#stopped.resolve();
    this.#beats.end();
    if (this.#stopping) return;
    this.#stopping = true;
    const why = `The gossip thread failed: ${error?.message ?? "it ended"}`;
    const failure = new CaxtonError("internal", why, { cause: error });
    this.opened.reject(failure);
    this.#rejectAll(failure);
    this.options.failed(failure);
  }

  #rejectAll(error: CaxtonError): void {
    for (const requests of [this.#answers, this.#statistics, this.#pings]) requests.rejectAll(error);
  }
}

function threadIsLate(): CaxtonError {
  return new CaxtonError("timeout", `The gossip thread did not answer within ${answerTimeout_ms} ms`);
}

function refuseBadTags(tags: NodeTags): void {
  try {
    checkTags(tags);
  } catch (error) {
    throw new CaxtonError("invalid_argument", `The node's tags cannot be spread: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
