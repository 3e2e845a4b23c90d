/**
 * The router of the main thread: brings each message to its receiver's inbox, on this node or
 * another, or ends it as a dead letter with a reason. Messages of one (sender, receiver,
 * conversation) form a lane: the next one leaves only when the one before it was answered, which
 * keeps their order through retries. Between agents of one thread it is not involved.
 */
import type { AgentName, MessageId, NodeId } from "../base/ids.ts";
import { present } from "../base/assert.ts";
import { reasonOf } from "../base/errors.ts";
import { LatencyHistogram } from "../base/latency-histogram.ts";
import type { MembershipEvent } from "../cluster/membership.ts";
import { WireError } from "../wire/cursor.ts";
import type { JournalRecord } from "../wire/journal-record.ts";
import { decodeLinkFrame } from "../wire/link-frame.ts";
import { messageIdOf, receiverOf, replyByOf } from "../wire/message.ts";
import { isTransient, outcomeCode, outcomeOf, type Outcome } from "../wire/outcome.ts";
import { holdOn } from "./held-mail.ts";
import { toInstance } from "./instances.ts";
import { forget, laneKeyOf, newItem, newLane, retryDelay_ms, type Item, type Lane } from "./lane.ts";
import { PeerLink } from "./peer-link.ts";
import type { RouterOptions, SubmitOptions, Submitted } from "./router-options.ts";

/** Messages and bytes that clients may have under way here; beyond it they are refused. */
export const routerLimit_messages = 100_000;
export const routerLimit_bytes = 256 * 1024 * 1024;
/** What lanes of agents wait for that may not act now; no agent's or node's name. */
const leaseSubject = "~lease";
/** Lanes that a new message to the same receiver wakes at most. */
const wokenByNewMail = 16;

export class Router {
  readonly #options: RouterOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiting = new Map<string, Set<Lane>>();
  /** Ids of what is in the outbox and under way here. */
  readonly #durable = new Set<MessageId>();
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #unsubscribe: () => void;
  #pending_messages = 0;
  #pending_bytes = 0;
  #closed = false;
  /** From handing a message to the link until its receiver's node answered: a whole round trip. */
  readonly remoteLatency = new LatencyHistogram();
  readonly counters = {
    accepted: 0,
    remote: 0,
    retries: 0,
    deadLetters: 0,
    malformedFrames: 0,
    fenced: 0,
    staleEpochs: 0,
  };

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#unsubscribe = options.membership.subscribe((event) => this.#membershipChanged(event));
    options.peers.onFrame("message", ({ from, bytes }) => this.#frame(from, bytes));
    options.peers.onLink(({ node, kind, state }) => {
      if (kind === "message" && state === "down") this.#links.get(node)?.broken();
    });
  }

  /** Clients ask before they submit; agents are bounded by their threads. */
  get full(): boolean {
    return this.#pending_messages >= routerLimit_messages || this.#pending_bytes >= routerLimit_bytes;
  }

  get pending(): number {
    return this.#pending_messages;
  }

  /** Messages to that node which it has not answered. */
  underWay(node: NodeId): number {
    return this.#links.get(node)?.pending ?? 0;
  }

  /** Whether a message of the outbox is under way here already. */
  carries(message: MessageId): boolean {
    return this.#durable.has(message);
  }

  /** Takes over a checked message; `done` is called once, when it was accepted or has failed for good. */
  submit(submitted: Uint8Array, options: SubmitOptions): Submitted {
    const message = toInstance(submitted, this.#options.instanceFor);
    const item = newItem(message, options, this.#options.clock.now_ms());
    this.#pending_messages++;
    this.#pending_bytes += message.length;
    if (options.durable) this.#durable.add(messageIdOf(message));
    const key = laneKeyOf(message);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = newLane(key);
      lane.items.push(item);
      this.#wakeOlder(receiverOf(message));
      this.#lanes.set(key, lane);
      this.#dispatch(lane);
    } else {
      lane.items.push(item);
    }
    const itsLane = lane;
    return {
      queue: (retry_ms) => this.#queue(itsLane, item, retry_ms),
      forget: () => {
        if (item.ended !== undefined) return;
        this.#durable.delete(messageIdOf(message));
        forget(item);
        this.#wake(itsLane);
      },
    };
  }

  /** Another node owns the agent: what it sent and is not under way leaves no more. Its outbox is the store's. */
  fence(sender: AgentName): void {
    for (const lane of [...this.#lanes.values()]) {
      if (!lane.key.startsWith(`${sender}\n`)) continue;
      for (const item of lane.items) {
        this.#durable.delete(messageIdOf(item.message));
        forget(item);
        this.counters.fenced++;
      }
      this.#wake(lane);
    }
  }

  /** Agents of this node may act again. */
  actsAgain(): void {
    this.#wakeAll(leaseSubject);
  }

  /** Stops retrying and sending. What is durable comes back with the outbox at the next start. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const lane of this.#lanes.values()) lane.timer?.cancel();
    for (const link of this.#links.values()) link.close();
  }

  async #queue(lane: Lane, item: Item, retry_ms: number): Promise<Outcome | undefined> {
    if (item.ended !== undefined) return item.ended;
    try {
      await this.#options.store.append([{ kind: "outbox", message: item.message }]);
    } catch (error) {
      await this.#withdraw(lane, item);
      if (item.ended === "accepted") return item.ended;
      throw error;
    }
    item.durable = true;
    if (item.ended !== undefined) {
      this.#append([{ kind: "sent", message: messageIdOf(item.message) }]);
      return item.ended;
    }
    this.#durable.add(messageIdOf(item.message));
    item.deadLetter = true;
    item.giveUpAt_ms = Math.max(item.giveUpAt_ms, this.#options.clock.now_ms() + retry_ms);
    return undefined;
  }

  /** No attempt is made any more; resolves when one that is under way has ended. */
  #withdraw(lane: Lane, item: Item): Promise<void> | undefined {
    item.withdrawn = true;
    item.giveUpAt_ms = 0;
    if (item.ended !== undefined || lane.items.peek() !== item) return undefined;
    if (lane.waitsFor === undefined) return new Promise((resolve) => (item.whenEnded = resolve));
    this.#wake(lane);
    return undefined;
  }

  #dispatch(lane: Lane): void {
    const item = present(lane.items.peek(), "the head of a lane");
    const { message } = item;
    if (item.withdrawn) {
      this.#end(lane, item, "storage_failed");
      return;
    }
    const replyBy_ms = replyByOf(message);
    if (replyBy_ms > 0 && replyBy_ms < this.#options.clock.wall_ms()) {
      this.#answered(lane, item, "expired", []);
      return;
    }
    const { acting } = this.#options;
    if (acting?.holds() === false && !acting.frees(message)) {
      this.#answered(lane, item, "unreachable", [leaseSubject]);
      return;
    }
    const receiver = receiverOf(message);
    const at = receiver.lastIndexOf("@");
    const name = at < 0 ? receiver : receiver.slice(0, at);
    const node = this.#nodeOf(receiver);
    const settle = (outcome: Outcome): void =>
      this.#answered(
        lane,
        item,
        outcome,
        node === undefined || outcome !== "unreachable" ? [name] : [name, node],
      );
    if (node === undefined) settle("unknown_agent");
    else if (node === this.#options.self) this.#deliverHere(name, message, settle);
    else this.#sendTo(node, message, settle);
  }

  #deliverHere(name: string, message: Uint8Array, settle: (outcome: Outcome) => void): void {
    if (!name.startsWith("~")) {
      this.#options.local.deliver(message, settle);
      return;
    }
    this.#options.clients.deliver(name, message);
    settle("accepted");
  }

  #sendTo(node: NodeId, message: Uint8Array, settle: (outcome: Outcome) => void): void {
    const status = this.#options.membership.member(node)?.status;
    if (status !== "alive" && status !== "suspect") {
      settle("unreachable");
      return;
    }
    this.counters.remote++;
    const start_ms = this.#options.clock.now_ms();
    const done = (outcome: number): void => {
      this.remoteLatency.record(this.#options.clock.now_ms() - start_ms);
      const answer = outcomeOf(outcome);
      if (answer === "accepted") this.#options.accepted?.(message);
      settle(answer);
    };
    this.#link(node).push({ message, epoch: this.#epochOf(receiverOf(message)), done });
  }

  #answered(lane: Lane, item: Item, outcome: Outcome, subjects: readonly string[]): void {
    if (this.#closed || item.ended !== undefined) return;
    if (outcome === "accepted") {
      this.counters.accepted++;
      this.#end(lane, item, outcome);
      return;
    }
    const now_ms = this.#options.clock.now_ms();
    const [subject, node] = subjects;
    const isCutOff = node !== undefined && this.#options.isCutOff?.(node as NodeId) === true;
    if (isCutOff || subject === leaseSubject) holdOn(item, now_ms);
    if (isTransient(outcome) && now_ms < item.giveUpAt_ms) {
      lane.inboxFull = outcome === "queue_full";
      this.#retry(lane, subjects, item.giveUpAt_ms - now_ms);
      return;
    }
    this.#end(lane, item, outcome);
  }

  /** Waits, but not past the moment when the item is given up. */
  #retry(lane: Lane, subjects: readonly string[], left_ms: number): void {
    this.counters.retries++;
    const delay_ms = Math.min(left_ms, retryDelay_ms(lane.attempt++, this.#options.prng));
    lane.waitsFor = subjects;
    for (const subject of subjects) {
      const waiting = this.#waiting.get(subject) ?? new Set<Lane>();
      waiting.add(lane);
      this.#waiting.set(subject, waiting);
    }
    lane.timer = this.#options.clock.after(delay_ms, () => this.#wake(lane));
  }

  #wake(lane: Lane): void {
    if (lane.waitsFor === undefined) return;
    lane.timer?.cancel();
    lane.timer = undefined;
    for (const subject of lane.waitsFor) {
      const waiting = this.#waiting.get(subject);
      waiting?.delete(lane);
      if (waiting?.size === 0) this.#waiting.delete(subject);
    }
    lane.waitsFor = undefined;
    if (!this.#closed) this.#dispatch(lane);
  }

  #end(lane: Lane, item: Item, outcome: Outcome): void {
    item.ended = outcome;
    this.#pending_messages--;
    this.#pending_bytes -= item.message.length;
    lane.items.shift();
    lane.attempt = 0;
    const records: JournalRecord[] = [];
    if (outcome !== "accepted" && item.deadLetter) records.push(this.#deadLetter(item.message, outcome));
    if (item.durable) {
      records.push({ kind: "sent", message: messageIdOf(item.message) });
      this.#durable.delete(messageIdOf(item.message));
    }
    if (records.length > 0) this.#append(records);
    if (lane.items.length === 0) this.#lanes.delete(lane.key);
    item.done(outcome);
    item.whenEnded?.();
    // A long lane of local messages is walked by the microtask queue, not by the stack.
    if (lane.items.length > 0) queueMicrotask(() => this.#closed || this.#dispatch(lane));
  }

  #deadLetter(message: Uint8Array, outcome: Outcome): JournalRecord {
    this.counters.deadLetters++;
    this.#options.deadLettered(outcome, message);
    const receiver = receiverOf(message);
    const located = this.#options.membership.locate(receiver.split("@")[0] as AgentName);
    const where = located === undefined ? "no node announces it" : `last announced by node "${located.node}"`;
    const detail = `Receiver "${receiver}" (${where}): ${outcome}`;
    return { kind: "dead", reason: outcome, detail, at_ms: this.#options.clock.wall_ms(), message };
  }

  #append(records: readonly JournalRecord[]): void {
    this.#options.store.append(records).catch((error: unknown) => {
      this.#options.failed("record what became of a message", reasonOf(error));
    });
  }

  #membershipChanged(event: MembershipEvent): void {
    if (event.kind === "directory") {
      for (const { agent } of event.changed) this.#wakeAll(agent);
      return;
    }
    if (event.kind === "refused" || event.kind === "conflict") return;
    const { id, status } = event.member;
    if (status === "failed" || status === "left") this.#links.get(id)?.fail();
    else if (event.kind === "alive" || event.kind === "joined") this.#wakeAll(id);
  }

  #wakeAll(subject: string): void {
    for (const lane of [...(this.#waiting.get(subject) ?? [])]) {
      lane.attempt = 0;
      this.#wake(lane);
    }
  }

  /** New mail for an agent that mail waits for: the older goes first, and perhaps it can go now. */
  #wakeOlder(receiver: string): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting.get(receiver.split("@", 1)[0] ?? receiver);
    if (waiting === undefined || !this.#isReachable(receiver)) return;
    const missing: Lane[] = [];
    for (const lane of waiting) {
      if (!lane.inboxFull) missing.push(lane);
      if (missing.length === wokenByNewMail || lane.inboxFull) break;
    }
    for (const lane of missing) this.#wake(lane);
  }

  #isReachable(receiver: string): boolean {
    const node = this.#nodeOf(receiver);
    const status = node === undefined ? undefined : this.#options.membership.member(node)?.status;
    return status === "alive" || status === "suspect";
  }

  #nodeOf(receiver: string): NodeId | undefined {
    const at = receiver.lastIndexOf("@");
    if (at >= 0) return receiver.slice(at + 1) as NodeId;
    return this.#options.membership.locate(receiver as AgentName)?.node;
  }

  #frame(from: NodeId, bytes: Uint8Array): void {
    try {
      this.#link(from).frame(decodeLinkFrame(bytes));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.counters.malformedFrames++;
      this.#options.failed(`read a message frame of node "${from}"`, error.message);
    }
  }

  #link(node: NodeId): PeerLink {
    const known = this.#links.get(node);
    if (known !== undefined) return known;
    const { session, peers, clock } = this.#options;
    const link = new PeerLink({
      peer: node,
      session,
      peers,
      clock,
      failure: outcomeCode("unreachable"),
      acting: this.#options.acting,
      deliver: (message, epoch, settle) =>
        this.#received(message, epoch, (outcome) => settle(outcomeCode(outcome))),
    });
    this.#links.set(node, link);
    return link;
  }

  /** A message from another node: for this node only, never passed on, so that none can circle. */
  #received(message: Uint8Array, epoch: number, settle: (outcome: Outcome) => void): void {
    const [name = "", node] = receiverOf(message).split("@");
    const own = epoch === 0 ? undefined : this.#options.epochHere?.(name);
    if (node !== undefined && node !== this.#options.self) settle("unknown_agent");
    else if (own !== undefined && own < epoch) {
      // Its sender knows of a later owner than this node does: what is here is it no more.
      this.counters.staleEpochs++;
      settle("unknown_agent");
    } else this.#deliverHere(name, message.slice(), settle);
  }

  #epochOf(receiver: string): number {
    const name = receiver.split("@", 1)[0] as AgentName;
    return name.startsWith("~") ? 0 : (this.#options.membership.locate(name)?.epoch ?? 0);
  }
}
