/**
 * The node's metrics: OpenTelemetry instruments made from the tables beside this file, read from the
 * node's own figures at each scrape, and written as Prometheus text.
 */
import type {
  Attributes,
  BatchObservableResult,
  Meter,
  ObservableCounter,
  ObservableGauge,
} from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { logger } from "../log.ts";
import { agentTable, messageTable } from "./agent-table.ts";
import { clusterTable, gossipTable, peersTable } from "./cluster-table.ts";
import { consensusTable } from "./consensus-table.ts";
import { HistogramProducer, type NamedHistogram } from "./histogram-producer.ts";
import { HttpMetrics } from "./http-metrics.ts";
import type { Instrument, Labelled } from "./instrument.ts";
import { leaseTable } from "./lease-table.ts";
import { partitionTable } from "./partition-table.ts";
import type { MetricSources } from "./sources.ts";
import { storeTable, systemTable } from "./system-table.ts";

/** An area that does not answer within this is left out of the scrape. */
const scrape_ms_max = 5_000;

/** Collects when asked; nothing runs between scrapes. */
class ScrapeReader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

export class Metrics {
  readonly http: HttpMetrics;
  readonly #provider: MeterProvider;
  readonly #reader: ScrapeReader;
  readonly #serializer = new PrometheusSerializer("", false, undefined, true, true);
  #scrape: Promise<string> | null = null;

  constructor(sources: MetricSources) {
    const histograms: (() => Promise<readonly NamedHistogram[]>)[] = [];
    const readHistograms = async () => (await Promise.all(histograms.map((read) => read()))).flat();
    this.#reader = new ScrapeReader({ metricProducers: [new HistogramProducer(readHistograms)] });
    this.#provider = new MeterProvider({ readers: [this.#reader] });
    const meter = this.#provider.getMeter("caxton");
    const add = <F>(
      area: string,
      table: readonly Instrument<F>[],
      source: (() => F | Promise<F>) | undefined,
    ): void => {
      if (source !== undefined) histograms.push(...addArea(meter, area, table, source));
    };
    add("cluster", clusterTable, sources.cluster);
    add("gossip", gossipTable, sources.gossip);
    add("peers", peersTable, sources.peers);
    add("agents", agentTable, sources.agents);
    add("messages", messageTable, sources.messages);
    add("store", storeTable, sources.store);
    add("consensus", consensusTable, sources.consensus);
    add("lease", leaseTable, sources.lease);
    add("partition", partitionTable, sources.partition);
    add("system", systemTable, sources.system);
    this.http = new HttpMetrics(meter);
    histograms.push(() => Promise.resolve(this.http.durations()));
  }

  /** The Prometheus text. Scrapes at the same time share one reading. */
  text(): Promise<string> {
    this.#scrape ??= this.#collect().finally(() => {
      this.#scrape = null;
    });
    return this.#scrape;
  }

  async close(): Promise<void> {
    await this.#provider.shutdown();
  }

  async #collect(): Promise<string> {
    const { resourceMetrics, errors } = await this.#reader.collect({ timeoutMillis: scrape_ms_max });
    for (const error of errors) logger("metrics").warn("A metric could not be read", { error });
    return `${this.#serializer.serialize(resourceMetrics).trim()}\n`;
  }
}

/** Registers an area's gauges and counters; returns how to read its histograms. */
function addArea<F>(
  meter: Meter,
  area: string,
  table: readonly Instrument<F>[],
  source: () => F | Promise<F>,
): readonly (() => Promise<readonly NamedHistogram[]>)[] {
  const observed: {
    readonly row: Exclude<Instrument<F>, { kind: "histogram" }>;
    readonly as: ObservableGauge | ObservableCounter;
  }[] = [];
  const histograms: Extract<Instrument<F>, { kind: "histogram" }>[] = [];
  for (const row of table) {
    const options = { description: row.help };
    if (row.kind === "histogram") histograms.push(row);
    else if (row.kind === "gauge") observed.push({ row, as: meter.createObservableGauge(row.name, options) });
    else observed.push({ row, as: meter.createObservableCounter(row.name, options) });
  }
  const figures = shared(source);
  meter.addBatchObservableCallback(
    async (result) => {
      const read = await figures();
      for (const { row, as } of observed) observe(result, as, row.read(read));
    },
    observed.map(({ as }) => as),
  );
  if (histograms.length === 0) return [];
  return [
    async () => {
      try {
        const read = await figures();
        return histograms.flatMap(({ name, help, read: of }) => {
          const found = of(read);
          return found === null ? [] : [{ name, help, series: [{ labels: {}, figures: found }] }];
        });
      } catch (error) {
        logger("metrics").warn("The histograms of {area} could not be read", { area, error });
        return [];
      }
    },
  ];
}

/** Gauges and histograms of one scrape see the same figures: readings under way are shared. */
function shared<F>(source: () => F | Promise<F>): () => Promise<F> {
  let under: Promise<F> | null = null;
  return () => {
    under ??= Promise.resolve()
      .then(source)
      .finally(() => {
        under = null;
      });
    return under;
  };
}

function observe(
  result: BatchObservableResult<Attributes>,
  as: ObservableGauge | ObservableCounter,
  value: number | null | readonly Labelled[],
): void {
  if (value === null) return;
  if (typeof value === "number") {
    if (Number.isFinite(value)) result.observe(as, value);
    return;
  }
  for (const { labels, value: one } of value)
    if (Number.isFinite(one)) result.observe(as, one, { ...labels });
}
