/**
 * Durations counted in fixed buckets, four a doubling from 1 µs to 128 s: 108 counters whatever is
 * recorded. A percentile is read as its bucket's upper bound, at most 19 % above the true value.
 */

const bucketsPerDoubling = 4;
const smallest_ms = 0.001;
const bucketCount = 27 * bucketsPerDoubling + 1;

/** Upper bounds in ms, ascending; the last bucket is everything above the one before it. */
export const latencyBounds_ms: readonly number[] = Array.from(
  { length: bucketCount - 1 },
  (_, index) => smallest_ms * 2 ** (index / bucketsPerDoubling),
);

export class LatencyHistogram {
  readonly #counts = new Float64Array(bucketCount);
  #sum_ms = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get sum_ms(): number {
    return this.#sum_ms;
  }

  /** Counts by bucket, not cumulative; one more than there are bounds. */
  get counts(): readonly number[] {
    return [...this.#counts];
  }

  record(duration_ms: number): void {
    const value_ms = duration_ms > smallest_ms ? duration_ms : smallest_ms;
    const bucket = Math.ceil(Math.log2(value_ms / smallest_ms) * bucketsPerDoubling);
    const index = bucket < bucketCount ? bucket : bucketCount - 1;
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#sum_ms += value_ms;
    this.#count++;
  }

  /** Adds another's counts, as `counts` and `sum_ms` gave them. */
  merge(counts: readonly number[], sum_ms: number): void {
    for (let i = 0; i < bucketCount; i++) {
      const count = counts[i] ?? 0;
      this.#counts[i] = (this.#counts[i] as number) + count;
      this.#count += count;
    }
    this.#sum_ms += sum_ms;
  }

  /** The upper bound of the bucket that holds the quantile, 0 < quantile ≤ 1; 0 when nothing was recorded. */
  percentile_ms(quantile: number): number {
    let left = Math.ceil(this.#count * quantile);
    if (left === 0) return 0;
    for (let i = 0; i < bucketCount; i++) {
      left -= this.#counts[i] as number;
      if (left <= 0) return latencyBounds_ms[Math.min(i, bucketCount - 2)] as number;
    }
    return latencyBounds_ms[bucketCount - 2] as number;
  }
}
