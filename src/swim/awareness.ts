/**
 * Local health (Lifeguard, section IV-A): 0 is well, each point stretches this node's own probes by one
 * more, interval and time-out alike. Caution sets a floor under it for a while, when much happens at once.
 */

const worst = 7;
/** As much doubt comes with each death and each storm of joins, and slows no news. */
const ordinaryDoubt = 2;
/** Refutations have to be in time, too. */
const slowestNews = 3;

export class Awareness {
  #points = 0;
  #floor = 0;
  #floorUntil = 0;

  /** `fixed`: stays 0, whatever happens. */
  constructor(private readonly fixed = false) {}

  get score(): number {
    return Math.max(this.#points, this.#floor);
  }

  /** Probe interval and time-out are multiplied by this. */
  get factor(): number {
    return this.score + 1;
  }

  /**
   * The interval of gossip is multiplied by this: a node that cannot keep up sends fewer packets with more news in each,
   * or the news of false suspicions would take the time whose lack begets them.
   */
  get newsFactor(): number {
    return Math.min(slowestNews, Math.max(1, this.score - ordinaryDoubt + 1));
  }

  /** A good probe −1; a failed probe, a missing nack, a refutation of oneself, a late wake-up +1 each. */
  change(delta: number): void {
    if (!this.fixed) this.#points = Math.min(worst, Math.max(0, this.#points + delta));
  }

  /** At least `floor` points until then, whatever probes say. */
  caution(floor: number, until: number): void {
    if (this.fixed) return;
    this.#floor = Math.min(worst, floor);
    this.#floorUntil = until;
  }

  elapse(now: number): void {
    if (now >= this.#floorUntil) this.#floor = 0;
  }
}
