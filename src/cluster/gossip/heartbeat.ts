/**
 * Whether the node's main thread still works. While its beats are missing the driver is deaf and dumb, so
 * that a wedged node looks wedged. Checks are counted, not time: a process that was stopped as a whole, or
 * a machine that was starved, misses one check and not all of them.
 */
import type { Clock, Timer } from "../../ports/clock.ts";

/** Main beats this often; each beat wakes two threads. */
export const beat_ms = 500;
/** A check comes this long after the last beat, so that it is never due while they come in time. */
const check_ms = 600;
/** So many checks in a row without a beat: a little over 2 s. */
const missedLimit = 3;
/** Two checks without a beat: main's loop lags. */
const lateLimit = 1;

export class Heartbeat {
  #missed = 0;
  #timer: Timer | null = null;
  #closed = false;

  constructor(
    private readonly clock: Clock,
    /** Runs when the beats are back after they were missing. */
    private readonly resumed: () => void,
    /** Runs at each check that beats are late at, before they count as missing. */
    private readonly late: () => void = () => undefined,
  ) {}

  get missing(): boolean {
    return this.#missed > missedLimit;
  }

  beat(): void {
    const wasMissing = this.missing;
    this.#missed = 0;
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.clock.after(check_ms, () => this.#check());
    if (wasMissing) this.resumed();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #check(): void {
    this.#missed++;
    if (this.#missed > lateLimit && !this.missing) this.late();
    this.#timer = this.clock.after(beat_ms, () => this.#check());
  }
}
