/** Metrics of the API, recorded as it answers: it keeps no figures of its own. Give it to `createApi` as `observer`. */
import type { Histogram, Meter } from "@opentelemetry/api";

/** From a cached read to a client that waits for a reply. */
const bounds_seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class HttpMetrics {
  readonly #duration: Histogram;
  readonly #refused;

  constructor(meter: Meter) {
    this.#duration = meter.createHistogram("caxton_http_request_duration_seconds", {
      description: "Time to answer a request, streams not counted",
      advice: { explicitBucketBoundaries: bounds_seconds },
    });
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
    this.#duration.record(duration_ms / 1_000, { method, route, status: `${Math.floor(status / 100)}xx` });
    if (status === 401 || status === 403) this.#refused.add(1, { status: String(status) });
  }
}
