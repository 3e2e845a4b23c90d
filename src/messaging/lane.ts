/** Messages that keep their order among each other: those of one sender, receiver and conversation. */
import type { Prng } from "../base/prng.ts";
import { RingQueue } from "../base/ring-queue.ts";
import type { Timer } from "../ports/clock.ts";
import { messageField, receiverOf, senderOf } from "../wire/message.ts";
import type { Outcome } from "../wire/outcome.ts";
import type { SubmitOptions } from "./router-options.ts";

/** Delays double from the first to the last. */
const firstRetry_ms = 20;
const lastRetry_ms = 2_000;

/** A message on its way. */
export interface Item {
  readonly message: Uint8Array;
  durable: boolean;
  deadLetter: boolean;
  giveUpAt_ms: number;
  /** Since it waits for the end of a partition: that wait ends here, whatever lasts longer. */
  holdUntil_ms?: number;
  ended: Outcome | undefined;
  /** Its submitter was refused: it ends without another attempt. */
  withdrawn: boolean;
  whenEnded: (() => void) | undefined;
  readonly done: (outcome: Outcome) => void;
}

export function newItem(message: Uint8Array, options: SubmitOptions, now_ms: number): Item {
  const { durable, deadLetter, retry_ms, done } = options;
  const giveUpAt_ms = now_ms + retry_ms;
  return {
    message,
    durable,
    deadLetter,
    giveUpAt_ms,
    ended: undefined,
    withdrawn: false,
    whenEnded: undefined,
    done,
  };
}

/** It is tried no more, and nothing is written of its end: that is the store's matter, or was. */
export function forget(item: Item): void {
  item.withdrawn = true;
  item.giveUpAt_ms = 0;
  item.deadLetter = false;
  item.durable = false;
}

export interface Lane {
  readonly key: string;
  readonly items: RingQueue<Item>;
  attempt: number;
  /** What it waits for: the timer, or an earlier wake by news of the agent or node. */
  timer: Timer | undefined;
  waitsFor: readonly string[] | undefined;
  /** It waits for room in the receiver's inbox, which new mail does not make. */
  inboxFull: boolean;
}

export function newLane(key: string): Lane {
  const [items, timer, waitsFor] = [new RingQueue<Item>(), undefined, undefined];
  return { key, items, attempt: 0, timer, waitsFor, inboxFull: false };
}

/** The key of a checked message's lane. */
export function laneKeyOf(message: Uint8Array): string {
  return `${partyOf(senderOf(message))}\n${receiverOf(message)}\n${messageField(message, 2)}`;
}

/** What has one instance of a receiver that runs in several: the conversation, or a sender without one. */
export function stickyKeyOf(message: Uint8Array): string {
  return messageField(message, 2) || partyOf(senderOf(message));
}

/** A client's address has a tag for each message; its lane is the client's. */
function partyOf(sender: string): string {
  return sender.startsWith("~") ? sender.slice(0, sender.indexOf(".")) : sender;
}

/** Before the next try, after so many that failed in a row; with ±50 % jitter. */
export function retryDelay_ms(attempt: number, prng: Prng): number {
  return Math.min(lastRetry_ms, firstRetry_ms * 2 ** Math.min(attempt, 10)) * (0.5 + prng.float());
}
