/** What a benchmark hands back, and how it is shown: figures of several runs, with the target where there is one. */

export interface Target {
  readonly at: "most" | "least";
  readonly value: number;
}

export interface Figure {
  readonly metric: string;
  readonly unit: string;
  readonly target?: Target;
  /** One value a run, in the order of the runs. */
  readonly runs: readonly number[];
}

export interface BenchOptions {
  /** Proves in seconds that the benchmark works; its figures mean nothing. */
  readonly quick: boolean;
  readonly log: (line: string) => void;
  /** Waits, for a bounded while, until nothing else keeps the machine busy. */
  readonly quiet: () => Promise<void>;
}

export interface Bench {
  /** What it asks, in a sentence. */
  readonly question: string;
  /** Throws when it could not measure. */
  run(options: BenchOptions): Promise<readonly Figure[]>;
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function summaryOf(runs: readonly number[]): Summary {
  const sorted = runs.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** The nearest-rank quantile of ascending values; NaN of nothing. */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? Number.NaN;
}

/** Of a histogram's counts by bucket: the upper bound of the bucket with the quantile. */
export function bucketQuantile(bounds: readonly number[], counts: readonly number[], q: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let left = Math.ceil(total * q);
  if (left === 0) return Number.NaN;
  for (const [bucket, count] of counts.entries()) {
    left -= count;
    if (left <= 0) return bounds[bucket] ?? Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

/** Whether the median keeps the target; undefined where there is none. */
export function isMet({ target, runs }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  const { median } = summaryOf(runs);
  return target.at === "most" ? median <= target.value : median >= target.value;
}

export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { median, min, max } = summaryOf(figure.runs);
    const { target, unit } = figure;
    const goal =
      target === undefined ? "" : `${target.at === "most" ? "≤" : "≥"} ${shown(target.value)} ${unit}`;
    const met = isMet(figure);
    const range = figure.runs.length > 1 ? `${shown(min)} … ${shown(max)} (${figure.runs.length} runs)` : "";
    return [
      figure.metric,
      goal,
      `${shown(median)} ${unit}`,
      range,
      met === undefined ? "" : met ? "met" : "MISSED",
    ];
  });
  const table = [["METRIC", "TARGET", "MEASURED", "RANGE", ""], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => (row[column] ?? "").length)));
  return table
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Three significant digits, thousands apart. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}
