/**
 * Histograms that a part of the node already keeps (an agent thread's), handed to OpenTelemetry as
 * they are: its own histograms can only be recorded into, which would count everything twice.
 */
import { ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from "@opentelemetry/sdk-metrics";
import type { HistogramFigures } from "./instrument.ts";

export interface NamedHistogram {
  readonly name: string;
  readonly help: string;
  readonly series: readonly HistogramSeries[];
}

export interface HistogramSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly figures: HistogramFigures;
}

/** Finer buckets are joined until there are at most this many. */
const buckets_max = 32;

export class HistogramProducer implements MetricProducer {
  readonly #read: () => Promise<readonly NamedHistogram[]>;

  constructor(read: () => Promise<readonly NamedHistogram[]>) {
    this.#read = read;
  }

  async collect(): Promise<CollectionResult> {
    const metrics = (await this.#read()).map(metricOf);
    const scopeMetrics = [{ scope: { name: "caxton" }, metrics }];
    // The reader puts its own resource in the place of this one.
    return { resourceMetrics: { resource: emptyResource, scopeMetrics }, errors: [] };
  }
}

const emptyResource: CollectionResult["resourceMetrics"]["resource"] = {
  attributes: {},
  merge: (other) => other ?? emptyResource,
  getRawAttributes: () => [],
};

function metricOf({ name, help, series }: NamedHistogram): MetricData {
  return {
    descriptor: { name, description: help, unit: "", valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.HISTOGRAM,
    dataPoints: series.map(({ labels, figures }) => ({
      startTime: [0, 0],
      endTime: [0, 0],
      attributes: { ...labels },
      value: valueOf(figures),
    })),
  };
}

function valueOf(figures: HistogramFigures) {
  const { bounds_ms, counts } = coarser(figures);
  return {
    buckets: { boundaries: bounds_ms.map((bound_ms) => bound_ms / 1_000), counts: [...counts] },
    sum: figures.sum_ms / 1_000,
    count: counts.reduce((sum, count) => sum + count, 0),
  };
}

/** Joins neighbouring buckets: what is below a kept bound stays exact. */
export function coarser(figures: HistogramFigures): Pick<HistogramFigures, "bounds_ms" | "counts"> {
  const step = Math.ceil(figures.bounds_ms.length / buckets_max);
  const bounds_ms = figures.bounds_ms.filter((_, i) => (i + 1) % step === 0);
  const counts = Array.from({ length: bounds_ms.length + 1 }, () => 0);
  figures.counts.forEach((count, i) => {
    const bucket = Math.floor(i / step);
    counts[bucket] = (counts[bucket] as number) + count;
  });
  return { bounds_ms, counts };
}
