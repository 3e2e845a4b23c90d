/**
 * The timers of a thread's agents: one heap and one timer of the clock for all. An agent's timers
 * are one-shot, named by a number; due times are wall time, because durable ones outlive the process.
 */
import { Heap } from "../../base/heap.ts";
import type { Clock, Timer } from "../../ports/clock.ts";

export const timersPerAgent = 64;
/** The longest delay that is kept exactly: ten years. */
const longestDelay_ms = 10 * 365 * 24 * 3_600_000;
/** The clock is asked for no longer wait: the runtime's own timers overflow above 2³¹ ms. */
const longestWait_ms = 3_600_000;

export interface TimerChange {
  readonly id: number;
  /** Null cancels. */
  readonly due_ms: number | null;
}

/** One agent's timers: what is set, and what the present call changes. */
export class AgentTimers {
  readonly #due = new Map<number, number>();
  readonly #changes = new Map<number, number | null>();

  get size(): number {
    return this.#due.size;
  }

  /** False when the agent has its 64 already. */
  set(id: number, delay_ms: number, now_ms: number): boolean {
    const known = this.#changes.get(id) ?? (this.#changes.has(id) ? null : this.#due.get(id));
    if ((known === undefined || known === null) && this.#count() >= timersPerAgent) return false;
    const delay = delay_ms > 0 ? Math.min(delay_ms, longestDelay_ms) : 0;
    this.#changes.set(id, now_ms + delay);
    return true;
  }

  cancel(id: number): void {
    if (this.#due.has(id)) this.#changes.set(id, null);
    else this.#changes.delete(id);
  }

  /** Of a recovered agent. */
  restore(id: number, due_ms: number): void {
    this.#due.set(id, due_ms);
  }

  isSet(id: number, due_ms: number): boolean {
    return this.#due.get(id) === due_ms;
  }

  /** It goes off: no longer set. */
  take(id: number): void {
    this.#due.delete(id);
  }

  /** The call succeeded: its changes, which now hold. */
  commit(): readonly TimerChange[] {
    if (this.#changes.size === 0) return [];
    const changes = [...this.#changes].map(([id, due_ms]) => ({ id, due_ms }));
    for (const { id, due_ms } of changes) {
      if (due_ms === null) this.#due.delete(id);
      else this.#due.set(id, due_ms);
    }
    this.#changes.clear();
    return changes;
  }

  undo(): void {
    this.#changes.clear();
  }

  clear(): void {
    this.#due.clear();
    this.#changes.clear();
  }

  entries(): IterableIterator<[number, number]> {
    return this.#due.entries();
  }

  #count(): number {
    let count = this.#due.size;
    for (const [id, due_ms] of this.#changes) {
      if (due_ms === null) count -= this.#due.has(id) ? 1 : 0;
      else count += this.#due.has(id) ? 0 : 1;
    }
    return count;
  }
}

interface Entry<A> {
  readonly agent: A;
  readonly id: number;
  readonly due_ms: number;
}

/** Below this many entries the heap is not worth cleaning. */
const smallestCleaning = 1_024;

/** Calls `fire` for each timer once it is due; ones that were changed meanwhile are passed over by `isSet`. */
export class ThreadTimers<A> {
  #heap = newHeap<A>();
  #cleanAt = smallestCleaning;
  #armed: Timer | undefined;
  #armedFor_ms = Number.POSITIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly isSet: (agent: A, id: number, due_ms: number) => boolean,
    private readonly fire: (agent: A, id: number, due_ms: number) => void,
  ) {}

  add(agent: A, id: number, due_ms: number): void {
    if (this.#heap.size >= this.#cleanAt) this.#clean();
    this.#heap.push({ agent, id, due_ms });
    if (due_ms < this.#armedFor_ms) this.#arm();
  }

  stop(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
  }

  /** An agent that sets a timer again and again leaves entries that are no longer set: drops them. */
  #clean(): void {
    const kept = newHeap<A>();
    for (let entry = this.#heap.pop(); entry !== undefined; entry = this.#heap.pop()) {
      if (this.isSet(entry.agent, entry.id, entry.due_ms)) kept.push(entry);
    }
    this.#heap = kept;
    this.#cleanAt = Math.max(smallestCleaning, 2 * kept.size);
  }

  #arm(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
    const first = this.#heap.peek();
    this.#armedFor_ms = first?.due_ms ?? Number.POSITIVE_INFINITY;
    if (first === undefined) return;
    const wait_ms = Math.min(longestWait_ms, Math.max(0, first.due_ms - this.clock.wall_ms()));
    this.#armed = this.clock.after(wait_ms, () => this.#due());
  }

  #due(): void {
    const now_ms = this.clock.wall_ms();
    for (
      let first = this.#heap.peek();
      first !== undefined && first.due_ms <= now_ms;
      first = this.#heap.peek()
    ) {
      this.#heap.pop();
      if (this.isSet(first.agent, first.id, first.due_ms)) this.fire(first.agent, first.id, first.due_ms);
    }
    this.#arm();
  }
}

function newHeap<A>(): Heap<Entry<A>> {
  return new Heap((a, b) => a.due_ms < b.due_ms);
}
