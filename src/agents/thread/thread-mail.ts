/**
 * Mail of an agent thread: into inboxes, between agents of the thread (a function call away), out to
 * main in batches, and into the dead letters. Also what a finished or failed commit means for mail.
 */
import type { NodeId } from "../../base/ids.ts";
import { WireError } from "../../wire/cursor.ts";
import { checkMessage, messageIdOf, replyByOf } from "../../wire/message.ts";
import type { Outcome } from "../../wire/outcome.ts";
import { fastReceiver, idKey } from "../../messaging/fast-ascii.ts";
import { messageRefusal } from "../../messaging/message-rules.ts";
import { flagInOutbox, readBatch, readOutcomes } from "../../messaging/message-batch.ts";
import type { OutgoingWindow } from "../../messaging/outgoing-window.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AgentFace, Outgoing } from "./agent-face.ts";
import type { CommitEntry, CommitQueue } from "./commit-queue.ts";
import { deadLetterEvent } from "./dead-letter-event.ts";
import { MailOut, type Taken } from "./mail-out.ts";
import type { AgentEvent } from "./thread-protocol.ts";

/** The byte of `exactly_once` in `deliveries`. */
const exactlyOnce = 2;

export interface ThreadMailOptions {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly agents: ReadonlyMap<string, AgentFace>;
  readonly window: OutgoingWindow;
  readonly commits: () => CommitQueue;
  readonly wake: (agent: AgentFace) => void;
  readonly event: (event: AgentEvent) => void;
}

export class ThreadMail {
  readonly #options: ThreadMailOptions;
  readonly #out: MailOut;
  /** Ids whose acceptance from main is not on disk yet. */
  readonly #accepting = new Set<string>();
  readonly #ownSuffix: string;
  /** No mail is taken any more. */
  closed = false;
  /** The node has no lease: mail is refused for now. */
  parked = false;

  constructor(options: ThreadMailOptions) {
    this.#options = options;
    this.#ownSuffix = `@${options.node}`;
    this.#out = new MailOut({
      agent: (name) => options.agents.get(name),
      dropped: (ticket) => options.window.answered(ticket),
    });
  }

  /** The agent that takes mail for `receiver` on this thread at present. */
  find(receiver: string): AgentFace | undefined {
    if (this.#options.window.isUnderWay(receiver)) return undefined;
    const agent = this.#lookup(receiver);
    return agent !== undefined &&
      agent.ready &&
      !agent.leaving &&
      !agent.closing &&
      agent.failure === undefined
      ? agent
      : undefined;
  }

  /** A batch from main; each entry is answered with an outcome, at once or when it is durable. */
  deliver(batch: Uint8Array): void {
    const arrived_ms = this.#options.clock.now_ms();
    const wall_ms = this.#options.clock.wall_ms();
    readBatch(batch, (_flags, ticket, message) => {
      const outcome = this.#accept(message, ticket, arrived_ms, wall_ms);
      if (outcome !== undefined) this.#out.refuse(ticket, outcome);
    });
  }

  /** Main's answers to what this thread sent. A message that failed is main's business: it has ended it. */
  answered(packed: Uint8Array): void {
    readOutcomes(packed, (ticket) => this.#options.window.answered(ticket));
  }

  /** See `AgentWorld.release`; `committed` when its sender's commit holds it already. */
  release(outgoing: Outgoing, committed: boolean, now_ms: number): void {
    const { sender, bytes, receiver, target } = outgoing;
    if (target === undefined) {
      this.#send(outgoing, committed);
      return;
    }
    target.inbox.release(bytes.length);
    // What goes on without a lease must not be the way out for what does not.
    if (this.parked && target.continues && !this.#continues(sender)) {
      this.#options.window.take(bytes.length, receiver, sender);
      this.#send(outgoing, committed);
      return;
    }
    const here = this.#options.agents.get(target.name) === target && !target.leaving && target.ready;
    if (committed && target.durable) {
      // That commit was its acceptance; when it has left meanwhile the store keeps it.
      if (here) this.#put(target, bytes, now_ms);
    } else if (here && target.failure === undefined) {
      this.#put(target, bytes, now_ms);
      const commits = this.#options.commits();
      if (target.durable) commits.add({ kind: "accepted", agent: target, message: bytes, ticket: 0 });
      else if (committed) commits.note({ kind: "sent", message: messageIdOf(bytes) });
    } else {
      this.#options.window.take(bytes.length, receiver, sender);
      this.#send(outgoing, committed);
    }
  }

  deadLetter(agent: AgentFace, reason: string, detail: string, message: Uint8Array): void {
    const at_ms = this.#options.clock.wall_ms();
    this.#options.commits().note({ kind: "dead", reason, detail, at_ms, message });
    this.#options.event(deadLetterEvent(agent.name, reason, detail, at_ms, message));
  }

  /** A commit is on disk: its outcomes are true now, its messages leave. */
  durable(entries: readonly CommitEntry[]): void {
    const now_ms = this.#options.clock.now_ms();
    for (const entry of entries) {
      if (entry.kind === "accepted") {
        if (entry.ticket !== 0) this.#answer(entry.agent, entry.message, entry.ticket, "accepted");
      } else {
        for (const outgoing of entry.sends) this.release(outgoing, true, now_ms);
      }
    }
  }

  /** A commit failed: nothing of it leaves. Returns the agents whose memory is ahead of the store. */
  failed(entries: readonly CommitEntry[]): ReadonlySet<AgentFace> {
    const affected = new Set<AgentFace>();
    for (const entry of entries) {
      affected.add(entry.agent);
      if (entry.kind === "accepted") {
        if (entry.ticket !== 0) this.#answer(entry.agent, entry.message, entry.ticket, "storage_failed");
        else entry.agent.returned.push(entry.message);
        continue;
      }
      for (const { sender, bytes, receiver, target } of entry.sends) {
        if (target === undefined) this.#options.window.release(bytes.length, receiver, sender);
        else target.inbox.release(bytes.length);
      }
    }
    return affected;
  }

  /** A recovered agent takes the mail again whose acceptance had failed. */
  takeReturned(agent: AgentFace): void {
    for (const message of agent.returned.splice(0)) {
      this.#put(agent, message, 0);
      this.#options.commits().add({ kind: "accepted", agent, message, ticket: 0 });
    }
  }

  /** What may go to main; `open` while the node holds its lease. */
  take(open: boolean): Taken {
    return this.#out.take(open);
  }

  #lookup(receiver: string): AgentFace | undefined {
    const agent = this.#options.agents.get(receiver);
    if (agent !== undefined || !receiver.endsWith(this.#ownSuffix)) return agent;
    return this.#options.agents.get(receiver.slice(0, -this.#ownSuffix.length));
  }

  /** Why it is not taken; undefined when it is, now or with a commit. */
  #accept(message: Uint8Array, ticket: number, arrived_ms: number, wall_ms: number): Outcome | undefined {
    if (!isMessage(message)) return "invalid_message";
    const agent = this.#lookup(fastReceiver(message));
    if (agent === undefined) return "unknown_agent";
    if (this.closed || !agent.ready || agent.leaving || agent.closing) return "unreachable";
    if (this.parked && !agent.continues) return "unreachable";
    if (agent.failure !== undefined) return "agent_failed";
    if (message[39] !== 0 && replyByOf(message) < wall_ms) return "expired";
    if (message[3] === exactlyOnce && !agent.durable) return "invalid_message";
    const id = idKey(message);
    if (agent.recent.has(id)) {
      if (this.#accepting.has(id)) return "unreachable";
      this.#out.acknowledge(agent, ticket);
      return undefined;
    }
    if (!agent.inbox.hasRoom(message.length)) return "queue_full";
    const commits = this.#options.commits();
    if (agent.durable && commits.full) return commits.blocked ? "storage_failed" : "queue_full";
    agent.recent.add(id);
    agent.inbox.push({ bytes: message, arrived_ms });
    this.#options.wake(agent);
    if (!agent.durable) {
      this.#out.acknowledge(agent, ticket);
      return undefined;
    }
    this.#accepting.add(id);
    commits.add({ kind: "accepted", agent, message, ticket });
    return undefined;
  }

  #answer(
    agent: AgentFace,
    message: Uint8Array,
    ticket: number,
    outcome: "accepted" | "storage_failed",
  ): void {
    this.#accepting.delete(idKey(message));
    if (outcome === "accepted") this.#out.acknowledge(agent, ticket);
    else this.#out.refuse(ticket, outcome);
  }

  #continues(name: string): boolean {
    return this.#options.agents.get(name)?.continues === true;
  }

  #put(agent: AgentFace, bytes: Uint8Array, now_ms: number): void {
    agent.inbox.push({ bytes, arrived_ms: now_ms === 0 ? this.#options.clock.now_ms() : now_ms });
    this.#options.wake(agent);
  }

  #send({ sender, bytes, receiver }: Outgoing, inOutbox: boolean): void {
    const ticket = this.#options.window.issue(bytes.length, receiver, sender);
    this.#out.send(inOutbox ? flagInOutbox : 0, ticket, bytes, this.parked && this.#continues(sender));
  }
}

function isMessage(bytes: Uint8Array): boolean {
  try {
    return checkMessage(bytes) === bytes.length && messageRefusal(bytes) === undefined;
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}
