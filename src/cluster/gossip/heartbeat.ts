/**
 * Whether the node's main thread still works. While its beats are missing the driver is deaf and dumb, so
 * that a wedged node looks wedged. Checks are counted, not time: a process that was stopped as a whole, or
 * a machine that was starved, misses one check and not all of them. Beats are counted in memory that both threads
 * share, and checked by the way: neither thread is woken for them.
 */

import type { Clock, Timer } from "../../ports/clock.ts";

/** Main beats this often. */
export const beat_ms = 500;
/** At least this between two checks, in which there is a beat then. */
const check_ms = 500;
/** Checks wait so long for a tick that there is anyway: two periods of `lan` are longer than a check. */
const checkSlack_ms = 250;
/** So many checks in a row without a beat: a little over 2 s. */
const missedLimit = 3;
/** Two checks without a beat: main's loop lags. */
const lateLimit = 1;

/** Main's side: `cell` is for the thread. */
export class Beats {
  readonly cell = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #words = new Int32Array(this.cell);
  #timer: Timer | null = null;

  constructor(private readonly clock: Clock) {}

  begin(): void {
    Atomics.add(this.#words, 0, 1);
    this.#timer = this.clock.after(beat_ms, () => this.begin());
  }

  end(): void {
    this.#timer?.cancel();
  }
}

/** How often main has beaten. */
export function beatsIn(cell: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(cell), 0);
}

export class Heartbeat {
  #heard = 0;
  #missed = 0;
  #nextAt = 0;

  constructor(
    /** Beats so far; from the first on they must keep coming. */
    private readonly beats: () => number,
    /** Runs at each check that beats are late at, before they count as missing. */
    private readonly late: () => void,
  ) {}

  get missing(): boolean {
    return this.#missed > missedLimit;
  }

  /** When `run` is to be called at the latest. */
  due(): number {
    return this.#nextAt + checkSlack_ms;
  }

  run(now: number): void {
    if (now < this.#nextAt) return;
    this.#nextAt = now + check_ms;
    const beats = this.beats();
    const isFirst = this.#heard === 0;
    if (beats !== this.#heard || isFirst) {
      this.#heard = beats;
      this.#missed = 0;
      return;
    }
    this.#missed++;
    if (this.#missed > lateLimit && !this.missing) this.late();
  }
}
