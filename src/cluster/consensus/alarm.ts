/** The one timer of a Raft core: rung when the core wants to be woken, set earlier as it says so, never later. */
import type { Clock, Timer } from "../../ports/clock.ts";

export class Alarm {
  #timer: Timer | undefined;
  #due_ms = Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly ring: () => void,
  ) {}

  /** At `due_ms` of the clock at the latest; once. */
  by(due_ms: number): void {
    if (due_ms >= this.#due_ms) return;
    this.#timer?.cancel();
    this.#due_ms = due_ms;
    this.#timer = this.clock.after(Math.max(0, due_ms - this.clock.now_ms()), () => {
      this.#due_ms = Infinity;
      this.ring();
    });
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
