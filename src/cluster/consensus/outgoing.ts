/**
 * What leaves this participant, as bytes on its links. News of the commit index alone waits a little, since the next
 * append carries it: while one write follows the other it need not leave, nor wake anybody. It goes at once to whoever
 * asked something of this node lately, and waits for the outcome; and no other message overtakes it.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import { identityOf, nodeOf, type RaftId } from "../../raft/configuration.ts";
import type { RaftEffect } from "../../raft/effects.ts";
import { encodeRaftMessage } from "../../raft/message-codec.ts";
import type { HeartbeatMessage, RaftMessage } from "../../raft/messages.ts";
import type { ConsensusTransport } from "./transport.ts";

/** Longer than from one write of a client to its next, and a fraction of a heartbeat. */
const news_ms = 10;
/** Who forwarded a command or asked for a read index so lately is told at once. */
const asked_ms = 1_000;

type SendEffect = Extract<RaftEffect, { kind: "send" }>;

export interface OutgoingOptions {
  readonly self: RaftId;
  readonly clock: Clock;
  readonly transport: Pick<ConsensusTransport, "send">;
}

export class Outgoing {
  readonly #news = new Map<RaftId, HeartbeatMessage>();
  readonly #askers = new Map<RaftId, number>();
  #timer: Timer | undefined;
  /** Messages given to the links. */
  sent = 0;

  constructor(private readonly options: OutgoingOptions) {}

  send(to: RaftId, message: RaftMessage): void {
    if (isNews(message) && !this.#asked(to)) {
      this.#news.set(to, message);
      this.#timer ??= this.options.clock.after(news_ms, () => this.flush());
      return;
    }
    const news = this.#news.get(to);
    if (news !== undefined) {
      this.#news.delete(to);
      if (!carries(message, news)) this.#write(to, news);
    }
    this.#write(to, message);
  }

  /** Sends what may leave, and returns everything else. */
  sendFirst(effects: readonly RaftEffect[], mayLeave: (send: SendEffect) => boolean): readonly RaftEffect[] {
    const rest: RaftEffect[] = [];
    for (const effect of effects) {
      if (effect.kind === "send" && mayLeave(effect)) this.send(effect.to, effect.message);
      else rest.push(effect);
    }
    return rest;
  }

  /** It waits for what becomes of something. */
  asks(from: RaftId): void {
    this.#askers.set(from, this.options.clock.now_ms());
  }

  /** All that waits leaves now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const news = [...this.#news];
    this.#news.clear();
    for (const [to, message] of news) this.#write(to, message);
  }

  close(): void {
    this.#timer?.cancel();
    this.#news.clear();
  }

  #asked(by: RaftId): boolean {
    const at_ms = this.#askers.get(by);
    if (at_ms === undefined) return false;
    if (this.options.clock.now_ms() - at_ms <= asked_ms) return true;
    this.#askers.delete(by);
    return false;
  }

  #write(to: RaftId, message: RaftMessage): void {
    const { transport, self } = this.options;
    const bytes = encodeRaftMessage({ from: identityOf(self), to: identityOf(to), message });
    this.sent++;
    transport.send(nodeOf(to), message.kind === "snapshot" ? "raft_bulk" : "raft", bytes);
  }
}

/** A heartbeat of no round, which wants no answer. */
function isNews(message: RaftMessage): message is HeartbeatMessage {
  return message.kind === "heartbeat" && message.round === 0;
}

/** Says what `news` says, so that it need not go. */
function carries(message: RaftMessage, news: HeartbeatMessage): boolean {
  if (message.kind !== "append" && message.kind !== "heartbeat") return false;
  return message.term >= news.term && message.commit >= news.commit;
}
