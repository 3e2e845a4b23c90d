/**
 * Replies to clients of the API. A client has no inbox: its message carries a virtual sender
 * address, `~subject.tag@node`, and whoever waits for the reply registers under that address.
 * Replies of idempotent requests are kept for a while, so that a retry gets the same answer.
 */
import type { Clock, Timer } from "../ports/clock.ts";

/** Waiting requests at once; more are refused. */
export const waiterLimit = 10_000;
const keptReplies = 1_000;
const keptBytes = 64 * 1024 * 1024;

interface Waiter {
  readonly resolve: (reply: Uint8Array | undefined) => void;
  readonly timer: Timer;
}

export class ReplyWaiters {
  readonly #waiting = new Map<string, Set<Waiter>>();
  /** Encoded replies by the address they came to, oldest first. */
  readonly #kept = new Map<string, Uint8Array>();
  #kept_bytes = 0;
  #count = 0;
  #closed = false;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get full(): boolean {
    return this.#count >= waiterLimit;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves with the encoded reply, or undefined after `timeout_ms`, when `signal` aborts, or when closed. */
  wait(address: string, timeout_ms: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(address);
    if (kept !== undefined || this.#closed) return Promise.resolve(kept);
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(address) ?? new Set<Waiter>();
      this.#waiting.set(address, waiters);
      const settle = (reply: Uint8Array | undefined): void => {
        if (!waiters.delete(waiter)) return;
        waiter.timer.cancel();
        signal?.removeEventListener("abort", abort);
        this.#count--;
        if (waiters.size === 0) this.#waiting.delete(address);
        resolve(reply);
      };
      const abort = (): void => settle(undefined);
      const waiter: Waiter = { resolve: settle, timer: this.#clock.after(timeout_ms, abort) };
      waiters.add(waiter);
      this.#count++;
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** A message came for a client's address. True when somebody was waiting. */
  offer(address: string, reply: Uint8Array, keep: boolean): boolean {
    if (keep) this.#keep(address, reply);
    const waiters = this.#waiting.get(address);
    if (waiters === undefined) return false;
    for (const waiter of [...waiters]) waiter.resolve(reply);
    return true;
  }

  /** The node stops: who waits is answered now, and nobody waits any more. */
  close(): void {
    this.#closed = true;
    for (const waiters of [...this.#waiting.values()])
      for (const waiter of [...waiters]) waiter.resolve(undefined);
  }

  #keep(address: string, reply: Uint8Array): void {
    if (this.#kept.has(address) || reply.length > keptBytes) return;
    this.#kept.set(address, reply);
    this.#kept_bytes += reply.length;
    for (const [oldest, bytes] of this.#kept) {
      if (this.#kept.size <= keptReplies && this.#kept_bytes <= keptBytes) break;
      this.#kept.delete(oldest);
      this.#kept_bytes -= bytes.length;
    }
  }
}
