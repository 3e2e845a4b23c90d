import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LatencyHistogram, latencyBounds_ms } from "../../../src/base/latency-histogram.ts";
import { agentTable, messageTable } from "../../../src/telemetry/metrics/agent-table.ts";
import { clusterTable, gossipTable, peersTable } from "../../../src/telemetry/metrics/cluster-table.ts";
import { coarser } from "../../../src/telemetry/metrics/histogram-producer.ts";
import { Metrics } from "../../../src/telemetry/metrics/metrics.ts";
import { createMetricsApp } from "../../../src/telemetry/metrics/metrics-app.ts";
import type { MetricSources } from "../../../src/telemetry/metrics/sources.ts";
import { storeTable, systemTable } from "../../../src/telemetry/metrics/system-table.ts";
import { parsePrometheus } from "../../support/prometheus-text.ts";

const documented = [
  "caxton_cluster_nodes_total",
  "caxton_cluster_nodes_alive",
  "caxton_cluster_nodes_failed",
  "caxton_cluster_agents_total",
  "caxton_cluster_gossip_latency_ms",
  "caxton_cluster_convergence_time_ms",
  "caxton_agent_message_latency_p99",
  "caxton_agent_crashes_total",
  "caxton_agent_memory_used_bytes",
  "caxton_system_cpu_usage_percent",
  "caxton_system_memory_available_bytes",
];

function sources(latency: LatencyHistogram): MetricSources {
  return {
    cluster: () => ({ nodes: 3, alive: 2, suspect: 0, failed: 1, agents: 120 }),
    gossip: async () => ({
      packetsSent: 10,
      packetsReceived: 9,
      bytesSent: 1_000,
      bytesReceived: 900,
      dropped: { bad_seal: 2, replayed: 1 },
      roundTrips_ms: [0.4, 0.8, 1.6],
      localHealth: 0,
      convergence_ms: [423],
    }),
    peers: () => ({
      bytesSent: 5,
      bytesReceived: 6,
      connections: 2,
      queued_bytes: 0,
      refused: 4,
      closed: { closed: 2, superseded: 1 },
    }),
    agents: async () => ({
      threads: 1,
      agentsByStatus: { starting: 0, running: 4, suspended: 0, failed: 1 },
      inbox: 3,
      inbox_bytes: 300,
      memory_bytes: 5_242_880,
      traps: 2,
      restarts: 1,
      handled: latency.count,
      fuel: 1e9,
      trapsByKind: { fuel: 1, memory: 1 },
      latency: { bounds_ms: latencyBounds_ms, counts: latency.counts, sum_ms: latency.sum_ms },
      latency_p99_ms: latency.percentile_ms(0.99),
      startup_ms: [1, 2, 3],
    }),
    messages: () => ({
      remoteLatency: { bounds_ms: latencyBounds_ms, counts: latency.counts, sum_ms: latency.sum_ms },
      pending: 1,
      accepted: 2,
      remote: 1,
      retries: 0,
      deadLetters: 0,
      malformedFrames: 0,
      fenced: 0,
      staleEpochs: 0,
      staleEntries: 0,
    }),
    store: () => ({
      size_bytes: 4_096,
      commits: 7,
      journalRecords: 9,
      deadLetters: 0,
      outbox: 0,
      commit_ms: [1, 2],
    }),
    system: () => ({
      cpu_percent: 34.5,
      memoryAvailable_bytes: 8_589_934_592,
      memory_bytes: 6e7,
      startedAt_ms: 1.7e12,
    }),
  };
}

function recorded(): LatencyHistogram {
  const latency = new LatencyHistogram();
  for (let i = 1; i <= 100; i++) latency.record(i / 10);
  return latency;
}

describe("metrics", () => {
  it("have the documented names, measured values, and the format that Prometheus reads", async () => {
    const metrics = new Metrics(sources(recorded()));
    metrics.http.answered({ method: "GET", route: "/api/v1/agents/:name", status: 404, duration_ms: 2 });
    metrics.http.answered({ method: "GET", route: "/api/v1/agents", status: 401, duration_ms: 1 });
    const answer = await createMetricsApp(metrics).request("/metrics");
    expect(answer.headers.get("content-type")).toContain("version=0.0.4");
    const families = parsePrometheus(await answer.text());
    for (const name of documented) expect(families.get(name)?.samples, name).toHaveLength(1);
    const value = (name: string): number | undefined => families.get(name)?.samples[0]?.value;
    expect(value("caxton_cluster_nodes_alive")).toBe(2);
    expect(value("caxton_cluster_gossip_latency_ms")).toBe(0.8);
    expect(value("caxton_agent_crashes_total")).toBe(2);
    expect(value("caxton_peer_refused_total")).toBe(4);
    expect(families.get("caxton_peer_closed_total")?.samples).toHaveLength(2);
    expect(families.get("caxton_agents")?.samples).toHaveLength(4);
    const latency = families.get("caxton_message_latency_seconds");
    expect(latency?.samples.find(({ name }) => name.endsWith("_count"))?.value).toBe(100);
    expect(latency?.samples.find(({ name }) => name.endsWith("_sum"))?.value).toBeCloseTo(0.505);
    expect(families.get("caxton_auth_failures_total")?.samples).toMatchObject([
      { labels: { status: "401" }, value: 1 },
    ]);
    expect(families.get("caxton_http_request_duration_seconds")?.type).toBe("histogram");
    await metrics.close();
  });

  it("are what promtool accepts, where it is installed", async () => {
    const metrics = new Metrics(sources(recorded()));
    const checked = spawnSync("promtool", ["check", "metrics"], {
      input: await metrics.text(),
      encoding: "utf8",
    });
    if (checked.error !== undefined)
      console.warn("promtool is not installed: only our own reader checked the metrics");
    else expect(checked.stdout + checked.stderr).not.toMatch(/error/i);
  });

  it("follow their sources and count nothing of their own", async () => {
    const latency = recorded();
    const metrics = new Metrics(sources(latency));
    const count = async (): Promise<number | undefined> =>
      parsePrometheus(await metrics.text())
        .get("caxton_message_latency_seconds")
        ?.samples.find(({ name }) => name.endsWith("_count"))?.value;
    expect(await count()).toBe(100);
    expect(await count()).toBe(100);
    latency.record(1);
    expect(await count()).toBe(101);
  });

  it("leave out an area that fails, and keep the rest", async () => {
    const metrics = new Metrics({
      ...sources(recorded()),
      agents: () => Promise.reject(new Error("thread gone")),
    });
    const families = parsePrometheus(await metrics.text());
    expect(families.has("caxton_agent_crashes_total")).toBe(false);
    expect(families.has("caxton_message_latency_seconds")).toBe(false);
    expect(families.has("caxton_cluster_nodes_total")).toBe(true);
  });

  it("say nothing of what was never measured", async () => {
    const metrics = new Metrics({
      gossip: () => ({
        packetsSent: 0,
        packetsReceived: 0,
        bytesSent: 0,
        bytesReceived: 0,
        dropped: {},
        roundTrips_ms: [],
        localHealth: 0,
        convergence_ms: [],
      }),
    });
    const families = parsePrometheus(await metrics.text());
    expect(families.has("caxton_cluster_gossip_latency_ms")).toBe(false);
    expect(families.has("caxton_gossip_dropped_packets_total")).toBe(false);
  });

  it("bound the values of a label", async () => {
    const dropped = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`reason"\n${i}`, i]));
    const base = await sources(recorded()).gossip?.();
    const metrics = new Metrics({ gossip: () => ({ ...(base as NonNullable<typeof base>), dropped }) });
    expect(
      parsePrometheus(await metrics.text()).get("caxton_gossip_dropped_packets_total")?.samples.length,
    ).toBe(50);
  });

  it("are defined once each, with a name of their own and help", () => {
    const rows = [
      clusterTable,
      gossipTable,
      peersTable,
      agentTable,
      messageTable,
      storeTable,
      systemTable,
    ].flat();
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const { name, help } of rows) {
      expect(name).toMatch(/^caxton_[a-z0-9_]+$/);
      expect(help.length).toBeGreaterThan(4);
    }
  });

  it("serve nothing but /metrics", async () => {
    const app = createMetricsApp({ text: () => Promise.reject(new Error("secret inside")) });
    expect((await app.request("/")).status).toBe(404);
    const failed = await app.request("/metrics");
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain("secret");
  });

  it("join histogram buckets without changing what lies below a kept bound", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 2, maxLength: 150 }), (counts) => {
        const bounds_ms = counts.slice(1).map((_, i) => i + 1);
        const joined = coarser({ bounds_ms, counts, sum_ms: 0 });
        expect(joined.bounds_ms.length).toBeLessThanOrEqual(32);
        expect(joined.counts).toHaveLength(joined.bounds_ms.length + 1);
        let below = 0;
        joined.bounds_ms.forEach((bound, i) => {
          below += joined.counts[i] as number;
          expect(below).toBe(counts.slice(0, bounds_ms.indexOf(bound) + 1).reduce((a, b) => a + b, 0));
        });
        expect(joined.counts.reduce((a, b) => a + b, 0)).toBe(counts.reduce((a, b) => a + b, 0));
      }),
      { numRuns: 100 },
    );
  });
});
