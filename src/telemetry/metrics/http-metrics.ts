/**
 * Metrics of the API, recorded as it answers. Give it to `createApi` as `observer`. Durations are
 * counted here, not by an OpenTelemetry histogram: that one makes a text of the labels at each record.
 */
import type { Meter } from "@opentelemetry/api";
import type { NamedHistogram } from "./histogram-producer.ts";

/** From a cached read to a client that waits for a reply. */
const bounds_ms = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

interface Durations {
  readonly labels: Readonly<Record<string, string>>;
  readonly counts: number[];
  sum_ms: number;
}

export class HttpMetrics {
  /** By route, by method, by the first digit of the status: no text is made for a request. */
  readonly #routes = new Map<string, Map<string, (Durations | undefined)[]>>();
  readonly #refused;

  constructor(meter: Meter) {
    this.#refused = meter.createCounter("caxton_auth_failures_total", {
      description: "Requests refused for their token or role",
    });
  }

  /** `route` must be a pattern, and `method` one of the API's: their values are labels. */
  answered(answer: {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly duration_ms: number;
  }): void {
    const { method, route, status, duration_ms } = answer;
    const durations = this.#durationsOf(route, method, Math.floor(status / 100));
    let bucket = 0;
    while (bucket < bounds_ms.length && duration_ms > (bounds_ms[bucket] as number)) bucket++;
    durations.counts[bucket] = (durations.counts[bucket] as number) + 1;
    durations.sum_ms += duration_ms;
    if (status === 401 || status === 403) this.#refused.add(1, { status: String(status) });
  }

  /** Empty before the first answer. */
  durations(): readonly NamedHistogram[] {
    if (this.#routes.size === 0) return [];
    const all = [...this.#routes.values()].flatMap((route) =>
      [...route.values()].flatMap((ofMethod) => ofMethod.filter((found) => found !== undefined)),
    );
    const series = all.map(({ labels, counts, sum_ms }) => ({
      labels,
      figures: { bounds_ms, counts, sum_ms },
    }));
    const help = "Time to answer a request, streams not counted";
    return [{ name: "caxton_http_request_duration_seconds", help, series }];
  }

  #durationsOf(route: string, method: string, hundreds: number): Durations {
    let ofRoute = this.#routes.get(route);
    if (ofRoute === undefined) {
      ofRoute = new Map<string, (Durations | undefined)[]>();
      this.#routes.set(route, ofRoute);
    }
    let ofMethod = ofRoute.get(method);
    if (ofMethod === undefined) {
      ofMethod = [];
      ofRoute.set(method, ofMethod);
    }
    return (ofMethod[hundreds] ??= {
      labels: { method, route, status: `${hundreds}xx` },
      counts: Array.from({ length: bounds_ms.length + 1 }, () => 0),
      sum_ms: 0,
    });
  }
}
