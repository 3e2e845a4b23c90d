/** One line of a metric table: its name as scraped, its words, and how to read it from its area's figures. */

export interface Labelled {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Counts by bucket since the start, not cumulative, one more than there are bounds. */
export interface HistogramFigures {
  readonly bounds_ms: readonly number[];
  readonly counts: readonly number[];
  readonly sum_ms: number;
}

/** Null or an empty list: nothing was measured yet, and nothing is said. */
export type Instrument<F> =
  | {
      readonly kind: "gauge" | "counter";
      readonly name: string;
      readonly help: string;
      readonly read: (figures: F) => number | null | readonly Labelled[];
    }
  | {
      readonly kind: "histogram";
      readonly name: string;
      readonly help: string;
      readonly read: (figures: F) => HistogramFigures | null;
    };

/** Values of one label are cut here, whatever a source holds. */
export const labelValues_max = 50;

/** A record of counts as one sample a key. */
export function labelled(label: string, counts: Readonly<Record<string, number>>): readonly Labelled[] {
  return Object.entries(counts)
    .slice(0, labelValues_max)
    .map(([key, value]) => ({ labels: { [label]: key.slice(0, 64) }, value }));
}

/** The median and the 99th percentile of recent samples in ms, in seconds. */
export function quantiles_seconds(samples_ms: readonly number[]): readonly Labelled[] {
  if (samples_ms.length === 0) return [];
  const ordered = samples_ms.toSorted((a, b) => a - b);
  return [0.5, 0.99].map((q) => ({ labels: { quantile: String(q) }, value: at(ordered, q) / 1_000 }));
}

/** The median, or null of nothing. */
export function median(samples: readonly number[]): number | null {
  return samples.length === 0
    ? null
    : at(
        samples.toSorted((a, b) => a - b),
        0.5,
      );
}

function at(ordered: readonly number[], q: number): number {
  return ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * q))] as number;
}
