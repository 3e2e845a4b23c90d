/** What a node gives its API: each service made of the node's parts. */
import type { AgentCeilings } from "../agents/agent-ceilings.ts";
import { ClusterAgents } from "../agents/cluster-agents.ts";
import type { NodeServices } from "../api/services.ts";
import { caxtonVersion } from "../base/version.ts";
import type { Config } from "../config/keys.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import { TokenIssuer, issuerName } from "../security/issuer.ts";
import { AccessTokens } from "./identity/access-tokens.ts";
import { agentMost } from "../wire/agent-spec.ts";
import { ClusterEvents } from "./events/cluster-events.ts";
import { NodeCluster } from "./cluster-service.ts";
import { fingerprintsOf } from "./identity/fingerprints.ts";
import type { GossipRotation } from "./gossip-rotation.ts";
import type { Ground } from "./ground.ts";
import { nodeHealth } from "./health.ts";
import { refuseWritesOutside } from "./joining/join-guard.ts";
import type { NodeOwnership } from "./ownership/ownership.ts";
import { storeLostSince } from "./ownership/store-age.ts";
import { guardIntake, type IntakeGuard } from "./operator/intake-guard.ts";
import { measuredPerformance } from "./measurements.ts";
import type { NodeOperator } from "./operator/operator-service.ts";
import { pingNode, type Work } from "./work.ts";

export function servicesOf(
  parts: Ground & {
    readonly work: Work;
    readonly gossipKeys: GossipRotation;
    readonly ownership: NodeOwnership;
    readonly operator: NodeOperator;
    readonly guard: IntakeGuard;
  },
): NodeServices {
  const { foundation, network, control, work, events, refused, hooks, state } = parts;
  const { ownership } = parts.ownership;
  const { membership, peers } = network;
  const { consensus } = parts.consensus;
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
    removals: control.removals,
    fingerprints: () => fingerprintsOf(foundation),
    refused: () => refused.recent(),
    partition: parts.partition.service,
    queuedWrites: () => parts.partition.queued,
    measured: () => measuredPerformance(parts),
    messagePing: (node, timeout_ms) => pingNode(work.router, foundation.self, node, timeout_ms),
    balancing: control.balancing,
    roundRobinIndex: () => ownership.roundRobinIndex,
    shutdown: (drain_timeout_ms, handOver) => hooks.stop(drain_timeout_ms, handOver),
    table: control.table,
    lease: parts.consensus.leases,
    modes: control.modes,
    unheard: control.unheard,
  });
  const services: NodeServices = {
    node: foundation.self,
    version: caxtonVersion,
    cluster,
    agents: agentsOf(parts),
    messages: work.messages,
    deadLetters: work.deadLetters,
    kv: control.kv,
    locks: control.locks,
    events: new ClusterEvents({ log: events, membership, peers, clock: systemClock }),
    security: parts.gossipKeys,
    tokens: tokensOf(parts),
    partition: parts.partition.service,
    balancing: parts.ownership.rebalancer,
    nodes: control.registrations,
    operator: parts.operator,
    health: nodeHealth({
      foundation,
      network,
      work,
      consensus,
      restored: () => state.restored,
      stopping: () => state.stopping,
    }),
  };
  return refuseWritesOutside(guardIntake(services, parts.guard), network.waitsFor);
}

function tokensOf({ foundation, events }: Pick<Ground, "foundation" | "events">): AccessTokens {
  const world = { clock: systemClock, entropy: systemEntropy };
  const { signingKey: key, cluster } = foundation;
  return new AccessTokens({
    ...world,
    issuer: new TokenIssuer({ ...world, key, issuer: issuerName(cluster) }),
    told: (text, data) => events.record("info", "token.issued", text, data),
  });
}

function agentsOf({
  config,
  network,
  control,
  work,
  consensus,
  ownership: { ownership, reconciler, handOver },
}: Ground & { readonly work: Work; readonly ownership: NodeOwnership }): ClusterAgents {
  return new ClusterAgents({
    membership: network.membership,
    peers: network.peers,
    clock: systemClock,
    local: work.agents,
    modules: work.modules,
    keepers: work.keepers,
    ownership,
    table: control.table,
    store: control.assignments,
    reconciler,
    handOver,
    ceilings: ceilingsOf(config),
    mayAct: () => consensus.leases.holds(),
    isUnheard: (node) => control.unheard.has(node),
    groups: work.routes.groups,
    lostSince: async (node) => await storeLostSince(control.settings, node).catch(() => null),
  });
}

function ceilingsOf({ agents }: Config): AgentCeilings {
  const { max_memory, max_priority, max_per_subject, default_fuel } = agents;
  const max_fuel = agents.max_fuel ?? Math.min(agentMost.fuel, 10 * default_fuel);
  return { max_memory, max_fuel, max_priority, max_per_subject };
}
