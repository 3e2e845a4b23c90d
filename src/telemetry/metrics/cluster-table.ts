/** Metrics of the cluster as this node sees it, of gossip, and of streams to peers. */
import { type Instrument, labelled, median, quantiles_seconds } from "./instrument.ts";
import type { ClusterFigures, GossipFigures, PeersFigures } from "./sources.ts";

export const clusterTable: readonly Instrument<ClusterFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_cluster_nodes_total",
    help: "Members known, the failed included",
    read: (f) => f.nodes,
  },
  { kind: "gauge", name: "caxton_cluster_nodes_alive", help: "Members alive", read: (f) => f.alive },
  {
    kind: "gauge",
    name: "caxton_cluster_nodes_suspect",
    help: "Members suspected to have failed",
    read: (f) => f.suspect,
  },
  { kind: "gauge", name: "caxton_cluster_nodes_failed", help: "Members that failed", read: (f) => f.failed },
  {
    kind: "gauge",
    name: "caxton_cluster_agents_total",
    help: "Agents of all nodes, by the directory",
    read: (f) => f.agents,
  },
];

export const gossipTable: readonly Instrument<GossipFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_cluster_gossip_latency_ms",
    help: "Median round trip of recent probes in milliseconds",
    read: (f) => median(f.roundTrips_ms),
  },
  {
    kind: "gauge",
    name: "caxton_cluster_convergence_time_ms",
    help: "Median time until an own announcement was known everywhere, in milliseconds",
    read: (f) => median(f.convergence_ms),
  },
  {
    kind: "gauge",
    name: "caxton_gossip_round_trip_seconds",
    help: "Round trips of recent probes",
    read: (f) => quantiles_seconds(f.roundTrips_ms),
  },
  {
    kind: "gauge",
    name: "caxton_gossip_convergence_seconds",
    help: "Times until recent announcements of this node were known everywhere",
    read: (f) => quantiles_seconds(f.convergence_ms),
  },
  {
    kind: "counter",
    name: "caxton_gossip_packets_total",
    help: "Gossip packets",
    read: (f) => labelled("direction", { sent: f.packetsSent, received: f.packetsReceived }),
  },
  {
    kind: "counter",
    name: "caxton_gossip_bytes_total",
    help: "Bytes of gossip packets",
    read: (f) => labelled("direction", { sent: f.bytesSent, received: f.bytesReceived }),
  },
  {
    kind: "counter",
    name: "caxton_gossip_dropped_packets_total",
    help: "Gossip packets that were dropped",
    read: (f) => labelled("reason", f.dropped),
  },
  {
    kind: "gauge",
    name: "caxton_gossip_local_health",
    help: "How unwell this node finds itself: 0 (well) to 7",
    read: (f) => f.localHealth,
  },
];

export const peersTable: readonly Instrument<PeersFigures>[] = [
  {
    kind: "counter",
    name: "caxton_peer_bytes_total",
    help: "Bytes of streams between nodes",
    read: (f) => labelled("direction", { sent: f.bytesSent, received: f.bytesReceived }),
  },
  {
    kind: "gauge",
    name: "caxton_peer_connections",
    help: "Open streams to other nodes",
    read: (f) => f.connections,
  },
  {
    kind: "gauge",
    name: "caxton_peer_queued_bytes",
    help: "Bytes waiting to be sent to other nodes",
    read: (f) => f.queued_bytes,
  },
  {
    kind: "counter",
    name: "caxton_peer_refused_total",
    help: "Streams turned away for their key, cluster or version, by this node or by the other",
    read: (f) => f.refused,
  },
  {
    kind: "counter",
    name: "caxton_peer_closed_total",
    help: "Streams between nodes that ended",
    read: (f) => labelled("kind", f.closed),
  },
];
