/** How much an agent may log: a token bucket of lines, with a note of what was left out. */

export const logLines_perSecond = 200;

export class LogLimit {
  #tokens = logLines_perSecond;
  #filledAt_ms = 0;
  #dropped = 0;

  /** Whether a line may pass now (monotonic ms). */
  admit(now_ms: number): boolean {
    const filled = this.#tokens + ((now_ms - this.#filledAt_ms) / 1_000) * logLines_perSecond;
    this.#tokens = Math.min(logLines_perSecond, filled);
    this.#filledAt_ms = now_ms;
    if (this.#tokens < 1) {
      this.#dropped++;
      return false;
    }
    this.#tokens--;
    return true;
  }

  /** Lines left out since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
