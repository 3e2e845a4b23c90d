/** What a node gives its API: each service made of the node's parts. */
import { ClusterAgents } from "../agents/cluster-agents.ts";
import { DirectoryOwnership } from "../agents/ownership.ts";
import type { NodeServices } from "../api/services.ts";
import { Prng } from "../base/prng.ts";
import { caxtonVersion } from "../base/version.ts";
import { systemClock } from "../platform/node/clock.ts";
import type { PlacementStrategy } from "../wire/agent-spec.ts";
import { ClusterEvents } from "./cluster-events.ts";
import { NodeCluster } from "./cluster-service.ts";
import { fingerprintsOf } from "./fingerprints.ts";
import type { GossipRotation } from "./gossip-rotation.ts";
import type { Ground } from "./ground.ts";
import { nodeHealth } from "./health.ts";
import { refuseWritesOutside } from "./join-guard.ts";
import { measuredPerformance } from "./measurements.ts";
import { pingNode, type Work } from "./work.ts";

export function servicesOf(
  parts: Ground & { readonly work: Work; readonly gossipKeys: GossipRotation },
): NodeServices {
  const { foundation, network, control, work, events, refused, hooks, state } = parts;
  const { membership, peers } = network;
  const { consensus } = parts.consensus;
  const ownership = new DirectoryOwnership(membership, new Prng(foundation.directory.bootEpoch));
  const balancing: { strategy: PlacementStrategy; readonly roundRobinIndex: () => number } = {
    strategy: "least_loaded",
    roundRobinIndex: () => ownership.roundRobinIndex,
  };
  const cluster = new NodeCluster({
    self: foundation.self,
    cluster: foundation.cluster,
    uuid: network.uuid,
    waitsFor: network.waitsFor,
    alone: network.alone,
    startedAt_ms: parts.startedAt_ms,
    clock: systemClock,
    membership,
    peers,
    consensus,
    replicas: control.replicas,
    comparer: control.comparer,
    safeToStop: (node) => control.safeToStop(node),
    votes: control.votes,
    fingerprints: () => fingerprintsOf(foundation),
    refused: () => refused.recent(),
    partition: parts.partition.service,
    queuedWrites: () => parts.partition.queued,
    measured: () => measuredPerformance(parts),
    messagePing: (node, timeout_ms) => pingNode(work.router, foundation.self, node, timeout_ms),
    balancing,
    shutdown: (drain_timeout_ms) => hooks.stop(drain_timeout_ms),
  });
  const agents = new ClusterAgents({
    membership,
    peers,
    clock: systemClock,
    local: work.agents,
    modules: work.modules,
    ownership,
  });
  const services: NodeServices = {
    node: foundation.self,
    version: caxtonVersion,
    cluster,
    agents,
    messages: work.messages,
    deadLetters: work.deadLetters,
    kv: control.kv,
    locks: control.locks,
    events: new ClusterEvents({ log: events, membership, peers, clock: systemClock }),
    security: parts.gossipKeys,
    partition: parts.partition.service,
    health: nodeHealth({
      foundation,
      network,
      work,
      consensus,
      restored: () => state.restored,
      stopping: () => state.stopping,
    }),
  };
  return refuseWritesOutside(services, network.waitsFor);
}
