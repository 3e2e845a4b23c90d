/** The figures of all agent threads of a node together. */
import { latencyBounds_ms, LatencyHistogram } from "../base/latency-histogram.ts";
import type { AgentThreadStats } from "./thread/thread-protocol.ts";

export type AgentThreadsStats = Omit<AgentThreadStats, "agents"> & { readonly threads: number };

const startupSamples = 512;

export function mergeStats(all: readonly AgentThreadStats[]): AgentThreadsStats {
  const latency = new LatencyHistogram();
  for (const stats of all) latency.merge(stats.latency.counts, stats.latency.sum_ms);
  const sum = (figure: (stats: AgentThreadStats) => number): number =>
    all.reduce((total, stats) => total + figure(stats), 0);
  const trapsByKind: Record<string, number> = {};
  for (const stats of all) {
    for (const [kind, count] of Object.entries(stats.trapsByKind))
      trapsByKind[kind] = (trapsByKind[kind] ?? 0) + count;
  }
  return {
    threads: all.length,
    agentsByStatus: {
      starting: sum((stats) => stats.agentsByStatus.starting),
      running: sum((stats) => stats.agentsByStatus.running),
      suspended: sum((stats) => stats.agentsByStatus.suspended),
      failed: sum((stats) => stats.agentsByStatus.failed),
    },
    inbox: sum((stats) => stats.inbox),
    inbox_bytes: sum((stats) => stats.inbox_bytes),
    memory_bytes: sum((stats) => stats.memory_bytes),
    traps: sum((stats) => stats.traps),
    restarts: sum((stats) => stats.restarts),
    handled: sum((stats) => stats.handled),
    fuel: sum((stats) => stats.fuel),
    trapsByKind,
    latency: { bounds_ms: latencyBounds_ms, counts: latency.counts, sum_ms: latency.sum_ms },
    latency_p50_ms: latency.percentile_ms(0.5),
    latency_p99_ms: latency.percentile_ms(0.99),
    outgoing: sum((stats) => stats.outgoing),
    startup_ms: all.flatMap((stats) => stats.startup_ms).slice(-startupSamples),
  };
}
