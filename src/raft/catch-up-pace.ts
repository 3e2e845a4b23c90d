/**
 * How fast a follower far behind is brought up while the cluster commits: not so fast that clients wait for it, and
 * always faster than the log grows, so that it ends. Where nothing is committed meanwhile (nobody writes, or the quorum
 * waits for this very follower), it holds nothing back. Counts portions of entries, each in as many appends as it
 * takes, which the follower writes in few commits; knows no message.
 */

/** For each entry committed meanwhile it gets so many at least: the gap closes by the rest. */
const gain = 1.5;
/** Where little is committed: from one portion to the next so many times as long as the last one took. */
const rest = 6;
/** One that was cut off for a while took long for another reason. */
const rest_ms_max = 1_000;

export class CatchUpPace {
  /** Of the portion that is leaving, what has not left. */
  #rest = 0;
  #size = 0;
  #commit = 0;
  #began = -Infinity;
  #took = 0;
  /** Something was committed between the last two portions. */
  #busy = false;

  /** How many entries may leave now: what is left of a portion, or when it is time a new one of `size`. */
  room(size: number, commit: number, underWay: boolean, now: number): number {
    if (this.#rest > 0) return this.#rest;
    return this.notBefore(commit, underWay) > now ? 0 : size;
  }

  /** So many entries leave, of what there is room for in portions of `size`. */
  left(count: number, size: number, commit: number, now: number): void {
    if (this.#rest === 0) {
      this.#busy = commit > this.#commit;
      this.#size = size;
      this.#rest = size;
      this.#commit = commit;
      this.#began = now;
    }
    this.#rest = Math.max(this.#rest - count, 0);
  }

  /** Nothing is under way any more. */
  arrived(now: number): void {
    if (this.#rest === 0) this.#took = now - this.#began;
  }

  /** When the next entries may leave if no more is committed; infinite while a whole portion is under way. */
  notBefore(commit: number, underWay: boolean): number {
    const grown = commit - this.#commit;
    const isFree = (grown === 0 && !this.#busy) || grown * gain >= this.#size;
    if (this.#rest > 0 || isFree) return -Infinity;
    return underWay ? Infinity : this.#began + Math.min(rest * this.#took, rest_ms_max);
  }
}
