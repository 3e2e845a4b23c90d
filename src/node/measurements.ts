/** The node's figures, for `/metrics` and `cluster performance`: read from its parts, measured by them. */
import { latencyBounds_ms } from "../base/latency-histogram.ts";
import type { Consensus } from "../cluster/consensus/consensus.ts";
import type { NodeLease } from "../cluster/leases/node-lease.ts";
import type { MetricSources } from "../telemetry/metrics/sources.ts";
import type { MeasuredPerformance } from "./cluster-service.ts";
import type { Foundation } from "./foundation.ts";
import type { LoadMonitor } from "./load-monitor.ts";
import type { Network } from "./network.ts";
import type { Partition } from "./partition/partition.ts";
import type { Work } from "./work.ts";

export interface MeasuredParts {
  readonly foundation: Foundation;
  readonly network: Network;
  readonly work: Work;
  readonly consensus: { readonly consensus: Consensus; readonly leases: NodeLease };
}

export function metricSources(
  parts: MeasuredParts & {
    readonly load: LoadMonitor;
    readonly partition: Pick<Partition, "monitor" | "queued" | "counters">;
    readonly startedAt_ms: number;
  },
): MetricSources {
  const { foundation, network, work, load, partition, startedAt_ms } = parts;
  const { consensus } = parts.consensus;
  const { membership, peers } = network;
  return {
    cluster: () => {
      const members = membership.members().filter(({ status }) => status !== "left");
      const count = (wanted: string): number => members.filter(({ status }) => status === wanted).length;
      let agents = 0;
      for (const _ of membership.directory()) agents++;
      return {
        nodes: members.length,
        alive: count("alive"),
        suspect: count("suspect"),
        failed: count("failed"),
        agents,
      };
    },
    gossip: () => membership.stats(),
    peers: () => peers.stats(),
    agents: () => work.threads.stats(),
    messages: () => {
      const { counters, pending, remoteLatency } = work.router;
      const { counts, sum_ms } = remoteLatency;
      const staleEntries = work.routes.stale;
      const latency = { bounds_ms: latencyBounds_ms, counts, sum_ms };
      return { ...counters, staleEntries, pending, remoteLatency: latency };
    },
    store: () => foundation.store.client.stats(),
    consensus: async () => {
      const status = consensus.status();
      const { role, quorum, term, commit, applied, last, voters, votersReached } = status;
      const matches = status.members.flatMap((member) =>
        member.role === "learner" || member.match === null ? [] : [member.match],
      );
      const lag_entries = matches.length === 0 ? null : last - Math.min(...matches);
      const isLeader = role === "leader";
      const figures = { isLeader, quorum, term, commit, applied, last, voters, votersReached, lag_entries };
      return { ...figures, ...(await consensus.stats()) };
    },
    lease: () => {
      const { held, losses, without_ms } = parts.consensus.leases.stats;
      return { held, losses, without_ms, parked: held ? 0 : work.threads.parkable };
    },
    partition: () => ({
      state: partition.monitor.state,
      queued: partition.queued,
      ...partition.counters,
    }),
    system: () => ({
      cpu_percent: load.current.cpu_percent,
      memoryAvailable_bytes: load.current.memoryAvailable_bytes,
      memory_bytes: load.current.memory_bytes,
      startedAt_ms,
    }),
  };
}

export async function measuredPerformance({
  network,
  work,
}: Pick<MeasuredParts, "network" | "work">): Promise<MeasuredPerformance> {
  const [threads, gossip] = await Promise.all([work.threads.stats(), network.membership.stats()]);
  const handled = threads.handled > 0;
  const { remoteLatency } = work.router;
  return {
    routing_p50_ms: handled ? threads.latency_p50_ms : undefined,
    routing_p99_ms: handled ? threads.latency_p99_ms : undefined,
    remote_p50_ms: remoteLatency.count > 0 ? remoteLatency.percentile_ms(0.5) : undefined,
    remote_p99_ms: remoteLatency.count > 0 ? remoteLatency.percentile_ms(0.99) : undefined,
    startup_p50_ms: quantile(threads.startup_ms, 0.5),
    startup_p99_ms: quantile(threads.startup_ms, 0.99),
    convergence_ms: quantile(gossip.convergence_ms, 0.99),
    gossipRoundTrip_p50_ms: quantile(gossip.roundTrips_ms, 0.5),
  };
}

/** The nearest-rank quantile; undefined of nothing. */
function quantile(values: readonly number[], q: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)];
}
