/**
 * The message link between two nodes: numbered messages, each answered with an outcome, sent again
 * after a broken connection, and never handed over twice within the sender's boot. The two halves
 * are state machines without I/O: the router feeds them frames and link events and sends what they
 * give. Order between messages is kept; waiting for an answer before the next message of the same
 * conversation is the router's part.
 */
import { assert } from "../base/assert.ts";
import { linkBatchLimit, type LinkFrame } from "../wire/link-frame.ts";

/** Unanswered on the wire per peer; more waits in the queue. */
export const linkWindow_messages = 4_096;
export const linkWindow_bytes = 16 * 1024 * 1024;
/** A batch ends when it has this much; one larger message travels alone. */
const batchTarget_bytes = 256 * 1024;
/** Numbers that a receiver remembers above the sender's base; more is a broken sender. */
const receiverMemory = 2 * linkWindow_messages;

export interface LinkItem {
  readonly message: Uint8Array;
  /** Of the owner that it is meant for; 0 when it is not known, or meant for no agent. */
  readonly epoch: number;
  /** Called once with an index into the outcome table. */
  readonly done: (outcome: number) => void;
}

interface Numbered extends LinkItem {
  answered: boolean;
}

/** The sending half towards one peer. `0 ≤ base ≤ next`, and `window` holds exactly the numbers in [base, next). */
export class LinkSender {
  readonly #session: number;
  readonly #queue: LinkItem[] = [];
  #queueHead = 0;
  #window: Numbered[] = [];
  #base = 0;
  /** Numbers below it are on the present connection. */
  #sent = 0;
  #unanswered_bytes = 0;
  #queued_bytes = 0;

  constructor(session: number) {
    this.#session = session;
  }

  get pending(): number {
    return this.#window.length + this.#queue.length - this.#queueHead;
  }

  get pending_bytes(): number {
    return this.#unanswered_bytes + this.#queued_bytes;
  }

  /** Whether one of the unanswered messages is such. */
  some(test: (message: Uint8Array) => boolean): boolean {
    const waits = (item: Numbered): boolean => !item.answered && test(item.message);
    return (
      this.#window.some(waits) || this.#queue.slice(this.#queueHead).some(({ message }) => test(message))
    );
  }

  push(item: LinkItem): void {
    this.#queue.push(item);
    this.#queued_bytes += item.message.length;
  }

  /** The next frame to send now, or undefined when nothing is due. Call until undefined. */
  nextFrame(): LinkFrame | undefined {
    this.#admit();
    const next = this.#base + this.#window.length;
    if (this.#sent >= next) return undefined;
    const first = this.#sent;
    const messages: Uint8Array[] = [];
    const epochs: number[] = [];
    let bytes = 0;
    while (this.#sent < next && messages.length < linkBatchLimit) {
      const { message, epoch } = this.#window[this.#sent - this.#base] as Numbered;
      if (messages.length > 0 && bytes + message.length > batchTarget_bytes) break;
      messages.push(message);
      epochs.push(epoch);
      bytes += message.length;
      this.#sent++;
    }
    return { kind: "batch", session: this.#session, base: this.#base, first, messages, epochs };
  }

  /** The connection broke, or nothing was heard for long: everything unanswered is due again. */
  resendAll(): void {
    this.#sent = this.#base;
  }

  /** The peer misses numbers from `expected` on. */
  gap(session: number, expected: number): void {
    if (session === this.#session) this.#sent = Math.min(this.#sent, Math.max(expected, this.#base));
  }

  /**
   * Hands each outcome to its item, once; how many were new. Unknown numbers are late duplicates and
   * ignored.
   */
  outcomes(
    session: number,
    entries: readonly { readonly sequence: number; readonly outcome: number }[],
  ): number {
    if (session !== this.#session) return 0;
    const done: (() => void)[] = [];
    for (const { sequence, outcome } of entries) {
      const item = this.#window[sequence - this.#base];
      if (item === undefined || item.answered) continue;
      item.answered = true;
      this.#unanswered_bytes -= item.message.length;
      done.push(() => item.done(outcome));
    }
    let answered = 0;
    while (this.#window[answered]?.answered === true) answered++;
    if (answered > 0) {
      this.#window = this.#window.slice(answered);
      this.#base += answered;
      this.#sent = Math.max(this.#sent, this.#base);
    }
    for (const call of done) call();
    return done.length;
  }

  /** Ends every pending item with `outcome`; for a peer that is gone. */
  fail(outcome: number): void {
    const items = [...this.#window.filter((item) => !item.answered), ...this.#queue.slice(this.#queueHead)];
    this.#base += this.#window.length;
    this.#sent = this.#base;
    this.#window = [];
    this.#queue.length = 0;
    this.#queueHead = 0;
    this.#unanswered_bytes = 0;
    this.#queued_bytes = 0;
    for (const item of items) item.done(outcome);
  }

  #admit(): void {
    while (
      this.#queueHead < this.#queue.length &&
      this.#window.length < linkWindow_messages &&
      (this.#window.length === 0 || this.#unanswered_bytes < linkWindow_bytes)
    ) {
      const item = this.#queue[this.#queueHead++] as LinkItem;
      this.#window.push({ message: item.message, epoch: item.epoch, done: item.done, answered: false });
      this.#unanswered_bytes += item.message.length;
      this.#queued_bytes -= item.message.length;
    }
    if (this.#queueHead > 1_024 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#queueHead);
      this.#queueHead = 0;
    }
    assert(this.#window.length <= linkWindow_messages, "link window within its bound");
  }
}

/** What the receiving half wants done with a batch. */
export interface Received {
  /** To hand over now, each exactly once, in this order. */
  readonly deliver: readonly {
    readonly sequence: number;
    readonly message: Uint8Array;
    readonly epoch: number;
  }[];
  /** To send back now. */
  readonly replies: readonly LinkFrame[];
}

/** The receiving half from one peer. Remembers each number from the sender's base on. */
export class LinkReceiver {
  #session = -1;
  #expected = 0;
  /** Outcome by number; null while it is being handled. */
  readonly #outcomes = new Map<number, number | null>();

  batch(frame: Extract<LinkFrame, { kind: "batch" }>): Received {
    if (frame.session < this.#session) return { deliver: [], replies: [] };
    if (frame.session > this.#session) {
      this.#session = frame.session;
      this.#outcomes.clear();
      // The sender begins at its oldest unanswered number; what was before is answered.
      this.#expected = frame.base;
    }
    for (const sequence of this.#outcomes.keys()) {
      if (sequence >= frame.base) break;
      this.#outcomes.delete(sequence);
    }
    this.#expected = Math.max(this.#expected, frame.base);
    if (frame.first > this.#expected || this.#outcomes.size > receiverMemory) {
      return { deliver: [], replies: [{ kind: "gap", session: this.#session, expected: this.#expected }] };
    }
    const deliver: { sequence: number; message: Uint8Array; epoch: number }[] = [];
    const again: { sequence: number; outcome: number }[] = [];
    frame.messages.forEach((message, index) => {
      const sequence = frame.first + index;
      if (sequence >= this.#expected) {
        this.#expected = sequence + 1;
        this.#outcomes.set(sequence, null);
        deliver.push({ sequence, message, epoch: frame.epochs?.[index] ?? 0 });
        return;
      }
      const outcome = this.#outcomes.get(sequence);
      if (outcome !== undefined && outcome !== null) again.push({ sequence, outcome });
    });
    const replies: LinkFrame[] =
      again.length > 0 ? [{ kind: "outcomes", session: this.#session, entries: again }] : [];
    return { deliver, replies };
  }

  get session(): number {
    return this.#session;
  }

  /** Records the outcome of a delivered number; false when its session has ended meanwhile. */
  settle(session: number, sequence: number, outcome: number): boolean {
    if (session !== this.#session || !this.#outcomes.has(sequence)) return false;
    this.#outcomes.set(sequence, outcome);
    return true;
  }
}
