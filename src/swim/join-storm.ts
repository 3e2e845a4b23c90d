/**
 * Notices that many members join or return at once: every node is busy then and late acks prove little, so
 * caution is raised until it is over. Without it fast timings feed themselves with false suspicions.
 */

const window_ms = 5_000;
/** Fewer are ordinary life, however small the cluster. */
const joinsLeast = 8;
const shareOfMembers = 0.25;
/** Interval and time-out are three times as long meanwhile: probing costs what all need for joining. */
export const stormCaution = 2;

export class JoinStorm {
  #joins: number[] = [];

  /** One more present member; true while there is a storm. */
  joined(now: number, present: number): boolean {
    this.#joins.push(now);
    this.#joins = this.#joins.filter((at) => now - at < window_ms);
    return this.#joins.length > Math.max(joinsLeast, present * shareOfMembers);
  }

  /** How long caution lasts after the last join, and how long a member that came in it is not accused. */
  get lasts_ms(): number {
    return window_ms;
  }
}
