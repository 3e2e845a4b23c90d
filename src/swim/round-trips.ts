/**
 * The measured round trips to one member: their median, and the ring of distance that it is in. A ring
 * changes only when the median is clearly inside another one, so that a member at a border does not flap.
 */

/** Upper bounds of the rings; what is above the last is in one more. */
const ringBounds_ms = [6, 15, 50, 100, 200] as const;
/** Fewer say nothing yet; more than this are not kept. */
export const samplesLeast = 20;
/** The median must be beyond a ring's border by this share to leave it. */
const hysteresis = 0.1;

export class RoundTrips {
  readonly #samples_ms: number[] = [];
  #ring: number | undefined;

  /** Undefined below the least number of samples. */
  get median_ms(): number | undefined {
    if (this.#samples_ms.length < samplesLeast) return undefined;
    const sorted = this.#samples_ms.toSorted((a, b) => a - b);
    return ((sorted[samplesLeast / 2 - 1] ?? 0) + (sorted[samplesLeast / 2] ?? 0)) / 2;
  }

  get ring(): number | undefined {
    return this.#ring;
  }

  add(roundTrip_ms: number): void {
    this.#samples_ms.push(roundTrip_ms);
    if (this.#samples_ms.length > samplesLeast) this.#samples_ms.shift();
    const median_ms = this.median_ms;
    if (median_ms === undefined) return;
    if (this.#ring === undefined || isBeyond(this.#ring, median_ms)) this.#ring = ringOf(median_ms);
  }
}

export function ringOf(roundTrip_ms: number): number {
  const ring = ringBounds_ms.findIndex((bound_ms) => roundTrip_ms < bound_ms);
  return ring === -1 ? ringBounds_ms.length : ring;
}

function isBeyond(ring: number, median_ms: number): boolean {
  const low_ms = ring === 0 ? 0 : (ringBounds_ms[ring - 1] ?? 0);
  const high_ms = ringBounds_ms[ring] ?? Infinity;
  return median_ms < low_ms * (1 - hysteresis) || median_ms >= high_ms * (1 + hysteresis);
}
