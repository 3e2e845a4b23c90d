/**
 * The deadlines of many requests on one timer, which also has what waits tried again meanwhile. What a request is, and
 * whether it is still one, is its owner's to know.
 */
import { Heap } from "../../base/heap.ts";
import type { Clock, Timer } from "../../ports/clock.ts";

/** Refused for the moment: tried again after this, or at once when there is a new leader. */
const retry_ms = 10;

export interface DeadlinesOptions {
  readonly clock: Clock;
  readonly isOpen: (id: number) => boolean;
  readonly late: (id: number) => void;
  /** Whether any waits to be tried again. */
  readonly anyWaits: () => boolean;
  readonly retry: () => void;
}

export class Deadlines {
  readonly #due = new Heap<{ readonly id: number; readonly due_ms: number }>((a, b) => a.due_ms < b.due_ms);
  #timer: Timer | undefined;
  #timerDue_ms = Infinity;
  #closed = false;

  constructor(private readonly options: DeadlinesOptions) {}

  add(id: number, due_ms: number): void {
    this.#due.push({ id, due_ms });
    this.#arm(due_ms);
  }

  /** One waits that did not before. */
  retrySoon(): void {
    this.#arm(this.options.clock.now_ms() + retry_ms);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(due_ms: number): void {
    if (this.#closed || due_ms >= this.#timerDue_ms) return;
    this.#timer?.cancel();
    this.#timerDue_ms = due_ms;
    const { clock } = this.options;
    this.#timer = clock.after(Math.max(0, due_ms - clock.now_ms()), () => this.#check());
  }

  #check(): void {
    const { clock, isOpen, late, anyWaits, retry } = this.options;
    this.#timerDue_ms = Infinity;
    const now_ms = clock.now_ms();
    for (let next = this.#due.peek(); next; next = this.#due.peek()) {
      const isStill = isOpen(next.id);
      if (isStill && next.due_ms > now_ms) break;
      this.#due.pop();
      if (isStill) late(next.id);
    }
    retry();
    const next = this.#due.peek();
    if (next) this.#arm(anyWaits() ? Math.min(next.due_ms, now_ms + retry_ms) : next.due_ms);
  }
}
