/**
 * Time that moves only when told: one heap of events keyed (time, sequence), so that a run depends on
 * nothing but its inputs. The network of this folder schedules on it too. `NodeClock` is one node's view.
 */
import { Heap } from "../../base/heap.ts";
import type { Clock, Timer } from "../../ports/clock.ts";

interface Event {
  readonly due_ms: number;
  readonly sequence: number;
  callback: (() => void) | undefined;
}

/** Wall time at virtual moment 0: 2026-01-01. */
const wallStart_ms = Date.UTC(2026, 0, 1);

export class VirtualClock implements Clock {
  #now_ms = 0;
  #sequence = 0;
  readonly #events = new Heap<Event>((a, b) =>
    a.due_ms === b.due_ms ? a.sequence < b.sequence : a.due_ms < b.due_ms,
  );

  now_ms(): number {
    return this.#now_ms;
  }

  wall_ms(): number {
    return wallStart_ms + Math.floor(this.#now_ms);
  }

  after(delay_ms: number, callback: () => void): Timer {
    const due_ms = this.#now_ms + Math.max(0, delay_ms);
    const event: Event = { due_ms, sequence: this.#sequence++, callback };
    this.#events.push(event);
    return {
      cancel() {
        event.callback = undefined;
      },
    };
  }

  /** When the next event is due, or undefined when nothing is left to happen. */
  next_ms(): number | undefined {
    for (let event = this.#events.peek(); event; event = this.#events.peek()) {
      if (event.callback) return event.due_ms;
      this.#events.pop();
    }
    return undefined;
  }

  /** Goes to the next event and runs it. False when nothing is left to happen. */
  step(): boolean {
    if (this.next_ms() === undefined) return false;
    const event = this.#events.pop();
    if (!event?.callback) return false;
    this.#now_ms = Math.max(this.#now_ms, event.due_ms);
    const { callback } = event;
    event.callback = undefined;
    callback();
    return true;
  }

  /** Runs every event of the next `duration_ms`, those that they schedule included. */
  advance(duration_ms: number): void {
    const end_ms = this.#now_ms + duration_ms;
    while ((this.next_ms() ?? Infinity) <= end_ms) this.step();
    this.#now_ms = end_ms;
  }

  /** Runs events until `condition` holds. False when `limit_ms` of virtual time passed first. */
  runUntil(condition: () => boolean, limit_ms: number): boolean {
    const end_ms = this.#now_ms + limit_ms;
    while (!condition()) {
      if ((this.next_ms() ?? Infinity) > end_ms) {
        this.#now_ms = end_ms;
        return condition();
      }
      this.step();
    }
    return true;
  }

  /** As `runUntil`, for code with promises: all that is resolved runs before the next event. */
  async runUntilSettled(condition: () => boolean, limit_ms: number): Promise<boolean> {
    const end_ms = this.#now_ms + limit_ms;
    for (;;) {
      await promisesSettled();
      if (condition()) return true;
      if ((this.next_ms() ?? Infinity) > end_ms) {
        this.#now_ms = end_ms;
        return false;
      }
      this.step();
    }
  }
}

/** A turn of the runtime's loop: the queue of resolved promises is empty after it. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * One node's clock over the world's: its wall clock is off by `skew_ms` and both run `drift` times as
 * fast (1 is true). While paused nothing fires; what was due fires at `resume`, in order: as a stopped process.
 */
export class NodeClock implements Clock {
  #paused = false;
  readonly #late: Event[] = [];

  constructor(
    private readonly world: VirtualClock,
    private readonly options: { readonly skew_ms?: number; readonly drift?: number } = {},
  ) {}

  now_ms(): number {
    return this.world.now_ms() * (this.options.drift ?? 1);
  }

  wall_ms(): number {
    return wallStart_ms + Math.floor(this.now_ms()) + (this.options.skew_ms ?? 0);
  }

  after(delay_ms: number, callback: () => void): Timer {
    const event: Event = { due_ms: 0, sequence: 0, callback };
    const timer = this.world.after(delay_ms / (this.options.drift ?? 1), () => {
      if (this.#paused) this.#late.push(event);
      else event.callback?.();
    });
    return {
      cancel() {
        event.callback = undefined;
        timer.cancel();
      },
    };
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const event of this.#late.splice(0)) this.after(0, () => event.callback?.());
  }
}
