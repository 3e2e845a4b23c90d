/** Local health (Lifeguard, section IV-A): 0 is well, each point stretches this node's own probes by one more. */

const worst = 7;

export class Awareness {
  #score = 0;

  get score(): number {
    return this.#score;
  }

  /** Probe interval and time-out are multiplied by this. */
  get factor(): number {
    return this.#score + 1;
  }

  /** A good probe −1; a failed probe, a missing nack, a refutation of oneself, a late wake-up +1 each. */
  change(delta: number): void {
    this.#score = Math.min(worst, Math.max(0, this.#score + delta));
  }
}
