/**
 * The message link to one peer, joined to the peer streams: sends what the link's halves give,
 * batches per tick, and watches that unanswered messages make progress. Knows nothing of agents.
 */
import type { NodeId } from "../base/ids.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { encodeLinkFrame, linkBatchLimit, type LinkFrame } from "../wire/link-frame.ts";
import { LinkReceiver, LinkSender, type LinkItem } from "./link.ts";

/** Without an answer for this long everything unanswered is sent again; after three times it fails. */
const progressCheck_ms = 3_000;
const progressChecksBeforeFailure = 3;
/** Wait before sending again after a break, or when the stream's queue was full. */
const resendDelay_ms = 100;

/** Hands one received message over; `settle` must be called once with the outcome's byte. */
export type Deliver = (message: Uint8Array, epoch: number, settle: (outcome: number) => void) => void;

/** What may not be sent now: what agents of a node without its lease have sent waits, so that they seem to be silent. */
export interface ActingRule {
  /** Everything may. */
  holds(): boolean;
  /** This may all the same: it is a client's, or of an agent that goes on without a lease. */
  frees(message: Uint8Array): boolean;
}

export class PeerLink {
  readonly #peer: NodeId;
  readonly #peers: Pick<Peers, "send">;
  readonly #clock: Clock;
  readonly #deliver: Deliver;
  readonly #failure: number;
  readonly #acting: ActingRule | undefined;
  readonly #sender: LinkSender;
  readonly #receiver = new LinkReceiver();
  #answers: { sequence: number; outcome: number }[] = [];
  #flushing = false;
  #resend: Timer | undefined;
  #watch: Timer | undefined;
  #progress = false;
  #checksWithoutProgress = 0;

  /** `failure` is the outcome's byte for messages that could not be brought to an answer. */
  constructor(options: {
    readonly peer: NodeId;
    readonly session: number;
    readonly peers: Pick<Peers, "send">;
    readonly clock: Clock;
    readonly deliver: Deliver;
    readonly failure: number;
    readonly acting?: ActingRule | undefined;
  }) {
    this.#peer = options.peer;
    this.#peers = options.peers;
    this.#clock = options.clock;
    this.#deliver = options.deliver;
    this.#failure = options.failure;
    this.#acting = options.acting;
    this.#sender = new LinkSender(options.session);
  }

  get pending(): number {
    return this.#sender.pending;
  }

  push(item: LinkItem): void {
    this.#sender.push(item);
    this.#schedule();
  }

  frame(frame: LinkFrame): void {
    switch (frame.kind) {
      case "batch":
        this.#received(frame);
        break;
      case "outcomes":
        // A peer that repeats what it said before makes no progress.
        if (this.#sender.outcomes(frame.session, frame.entries) > 0) this.#progress = true;
        break;
      case "gap":
        this.#sender.gap(frame.session, frame.expected);
        break;
    }
    this.#schedule();
  }

  /** The connection broke: what is unanswered goes again, on the next one. */
  broken(): void {
    this.#sendAgainSoon();
  }

  /** The peer is known to be gone: everything pending ends with the failure outcome. */
  fail(): void {
    this.#checksWithoutProgress = 0;
    this.#sender.fail(this.#failure);
  }

  close(): void {
    this.#resend?.cancel();
    this.#watch?.cancel();
    this.#resend = undefined;
    this.#watch = undefined;
  }

  #received(frame: Extract<LinkFrame, { kind: "batch" }>): void {
    const { deliver, replies } = this.#receiver.batch(frame);
    for (const reply of replies) this.#peers.send(this.#peer, "message", encodeLinkFrame(reply));
    const session = frame.session;
    for (const { sequence, message, epoch } of deliver) {
      this.#deliver(message, epoch, (outcome) => {
        if (!this.#receiver.settle(session, sequence, outcome)) return;
        this.#answers.push({ sequence, outcome });
        this.#schedule();
      });
    }
  }

  #schedule(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#answers.length > 0) {
      const entries = this.#answers.splice(0, linkBatchLimit);
      const frame = encodeLinkFrame({ kind: "outcomes", session: this.#receiver.session, entries });
      // A lost answer is asked for again: the sender repeats the message and gets the kept outcome.
      if (!this.#peers.send(this.#peer, "message", frame)) break;
    }
    if (this.#resend !== undefined) return;
    const acting = this.#acting;
    // One number waits for the one before, so that all of them do.
    if (acting?.holds() === false && this.#sender.some((message) => !acting.frees(message))) {
      this.#sendAgainSoon();
      return;
    }
    for (let frame = this.#sender.nextFrame(); frame !== undefined; frame = this.#sender.nextFrame()) {
      if (!this.#peers.send(this.#peer, "message", encodeLinkFrame(frame))) {
        this.#sendAgainSoon();
        break;
      }
    }
    if (this.#sender.pending > 0) this.#watchProgress();
  }

  #sendAgainSoon(): void {
    this.#resend ??= this.#clock.after(resendDelay_ms, () => {
      this.#resend = undefined;
      this.#sender.resendAll();
      this.#schedule();
    });
    if (this.#sender.pending > 0) this.#watchProgress();
  }

  #watchProgress(): void {
    this.#watch ??= this.#clock.after(progressCheck_ms, () => {
      this.#watch = undefined;
      this.#checkProgress();
    });
  }

  #checkProgress(): void {
    if (this.#sender.pending === 0) {
      this.#checksWithoutProgress = 0;
      return;
    }
    if (this.#progress) {
      this.#progress = false;
      this.#checksWithoutProgress = 0;
    } else if (++this.#checksWithoutProgress >= progressChecksBeforeFailure) {
      this.fail();
      return;
    } else {
      this.#sender.resendAll();
      this.#schedule();
    }
    this.#watchProgress();
  }
}
