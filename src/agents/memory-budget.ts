/**
 * How much linear memory the agents of a node have together, counted in pages by all agent threads in memory that they
 * share. A thread takes pages for what runs now and gives back at the end of a slice what was not used, so the sum
 * never exceeds the budget. Not counted: state, mail, compiled code.
 */
import { page_bytes } from "../wasm/limits.ts";
import type { MemoryGrant } from "../wasm/instance.ts";

/** In 32-bit words: the budget, what is taken of it, then what each thread has of that. */
const budgetAt = 0;
const takenAt = 1;
const firstThreadAt = 2;
const pages_max = 2 ** 31 - 1;

/** Main's side: makes the shared memory, and looks. */
export class NodeMemory {
  readonly cell: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(budget_bytes: number, threads: number) {
    this.cell = new SharedArrayBuffer(4 * (firstThreadAt + threads));
    this.#words = new Int32Array(this.cell);
    this.#words[budgetAt] = Math.min(pages_max, Math.floor(budget_bytes / page_bytes));
  }

  get budget_bytes(): number {
    return Atomics.load(this.#words, budgetAt) * page_bytes;
  }

  get used_bytes(): number {
    return Atomics.load(this.#words, takenAt) * page_bytes;
  }

  get free_bytes(): number {
    return Math.max(0, this.budget_bytes - this.used_bytes);
  }

  /** The thread ended by itself, and its agents' memory with it. */
  threadEnded(thread: number): void {
    const pages = Atomics.exchange(this.#words, firstThreadAt + thread, 0);
    Atomics.sub(this.#words, takenAt, pages);
  }
}

/** One thread's share. */
export class ThreadMemory implements MemoryGrant {
  readonly #words: Int32Array;
  readonly #own: number;
  /** Taken and not used. */
  #spare = 0;

  constructor(cell: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(cell);
    this.#own = firstThreadAt + thread;
  }

  take(pages: number): boolean {
    if (this.#spare < pages) this.#more(pages - this.#spare, 1);
    return this.#spare >= pages;
  }

  allow(pages: number): number {
    // With several threads half of what is free, so that one agent's wish leaves something to the others'.
    const alone = this.#words.length === firstThreadAt + 1;
    if (this.#spare < pages) this.#more(pages - this.#spare, alone ? 1 : 2);
    return Math.min(pages, this.#spare);
  }

  use(pages: number): void {
    this.#spare -= pages;
  }

  /** What is not used is everybody's again. */
  sliceEnded(): void {
    if (this.#spare === 0) return;
    Atomics.sub(this.#words, this.#own, this.#spare);
    Atomics.sub(this.#words, takenAt, this.#spare);
    this.#spare = 0;
  }

  /** Takes so many pages, or the part of what is free. */
  #more(wanted: number, part: number): void {
    const words = this.#words;
    for (;;) {
      const taken = Atomics.load(words, takenAt);
      const free = Math.max(0, Atomics.load(words, budgetAt) - taken);
      const pages = Math.min(wanted, Math.ceil(free / part));
      if (pages === 0) return;
      if (Atomics.compareExchange(words, takenAt, taken, taken + pages) !== taken) continue;
      Atomics.add(words, this.#own, pages);
      this.#spare += pages;
      return;
    }
  }
}
