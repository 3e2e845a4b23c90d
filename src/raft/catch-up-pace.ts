/**
 * How fast a follower far behind is brought up while the cluster commits: not so fast that clients wait for it, and
 * always faster than the log grows, so that it ends. Where nothing is committed meanwhile (nobody writes, or the quorum
 * waits for this very follower), it holds nothing back. Counts portions of entries; knows no message.
 */

/** For each entry committed meanwhile it gets so many at least: the gap closes by the rest. */
const gain = 1.5;
/** Where little is committed: from one portion to the next so many times as long as the last one took. */
const rest = 6;
/** One that was cut off for a while took long for another reason. */
const rest_ms_max = 1_000;

export class CatchUpPace {
  #count = 0;
  #commit = 0;
  #left = -Infinity;
  #took = 0;
  /** Something was committed between the last two portions. */
  #busy = false;

  /** A portion of so many entries leaves. */
  left(count: number, commit: number, now: number): void {
    this.#busy = commit > this.#commit;
    this.#count = count;
    this.#commit = commit;
    this.#left = now;
  }

  /** Nothing is under way any more. */
  arrived(now: number): void {
    this.#took = now - this.#left;
  }

  /** When the next portion may leave if no more is committed; infinite while one is under way. */
  notBefore(commit: number, underWay: boolean): number {
    const grown = commit - this.#commit;
    if ((grown === 0 && !this.#busy) || grown * gain >= this.#count) return -Infinity;
    return underWay ? Infinity : this.#left + Math.min(rest * this.#took, rest_ms_max);
  }
}
