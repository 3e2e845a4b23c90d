/** `/metrics` as an app of its own, for its own listener: Prometheus text, no token, nothing else. */
import { Hono } from "hono";
import type { Metrics } from "./metrics.ts";

const type = "text/plain; version=0.0.4; charset=utf-8";

export function createMetricsApp(metrics: Pick<Metrics, "text">): Hono {
  const app = new Hono();
  app.get(
    "/metrics",
    async () =>
      new Response(await metrics.text(), { headers: { "content-type": type, "cache-control": "no-store" } }),
  );
  app.notFound(
    () =>
      new Response("Metrics are at /metrics\n", { status: 404, headers: { "content-type": "text/plain" } }),
  );
  app.onError(
    () =>
      new Response("The metrics could not be read\n", {
        status: 500,
        headers: { "content-type": "text/plain" },
      }),
  );
  return app;
}
