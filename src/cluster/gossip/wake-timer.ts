/**
 * The driver's one timer, moved with what is due next. After a moment in which its thread did not get to run, the
 * packets that came meanwhile are heard before the tick: else this node would accuse those who have answered.
 */
import type { Clock, Timer } from "../../ports/clock.ts";

/** On a machine that has time for this thread a timer is never so late. */
const late_ms = 10;

export class WakeTimer {
  #timer: Timer | null = null;
  #due = Infinity;
  /** The loop has had a turn for what was waiting. */
  #heard = false;

  constructor(
    private readonly clock: Clock,
    private readonly tick: () => void,
  ) {}

  /** Runs the tick then, in place of any other moment. A wake-up for nothing costs far more than a timer. */
  set(due: number): void {
    if (this.#timer && this.#due === due) return;
    this.#timer?.cancel();
    this.#due = due;
    this.#after(due - this.clock.now_ms());
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #after(delay_ms: number): void {
    this.#timer = this.clock.after(Math.max(0, delay_ms), () => this.#fired());
  }

  #fired(): void {
    const isLate = this.clock.now_ms() - this.#due > late_ms;
    this.#heard = isLate && !this.#heard;
    if (this.#heard) {
      this.#after(0);
      return;
    }
    this.#timer = null;
    this.tick();
  }
}
