/**
 * Puts a node together and takes it apart again, in phases: foundation (data, keys, store), network
 * (streams, membership), work (agents, messages), front (API, metrics). Each phase is undone when a
 * later one cannot start.
 */
import { AgentPeers } from "../agents/agent-peers.ts";
import { ClusterAgents } from "../agents/cluster-agents.ts";
import { DirectoryOwnership } from "../agents/ownership.ts";
import type { NodeServices } from "../api/services.ts";
import type { NodeId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { caxtonVersion } from "../base/version.ts";
import type { NodeTags } from "../cluster/membership.ts";
import type { Config } from "../config/keys.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { systemClock } from "../platform/node/clock.ts";
import { formatAddress } from "../ports/datagrams.ts";
import { ClusterKeys } from "../security/jwks.ts";
import { logger } from "../telemetry/log.ts";
import { createMetricsApp } from "../telemetry/metrics/metrics-app.ts";
import { Metrics } from "../telemetry/metrics/metrics.ts";
import type { PlacementStrategy } from "../wire/agent-spec.ts";
import { isLoopback } from "./advertise-address.ts";
import { KeyExchange } from "./cluster-keys.ts";
import { NodeCluster } from "./cluster-service.ts";
import { startConsensus, type NodeConsensus } from "./consensus.ts";
import { startControl, type Control } from "./control.ts";
import { EventLog } from "./event-log.ts";
import { fingerprintsOf } from "./fingerprints.ts";
import { openFoundation, type Foundation } from "./foundation.ts";
import { startFront, type Front } from "./front.ts";
import { nodeHealth } from "./health.ts";
import type { LastWord } from "./last-word.ts";
import { KnownPeers } from "./known-peers.ts";
import { LoadMonitor } from "./load-monitor.ts";
import { measuredPerformance, metricSources } from "./measurements.ts";
import { recordMembershipEvent } from "./membership-events.ts";
import { startNetwork, type Network } from "./network.ts";
import { OwnTags } from "./own-tags.ts";
import { RefusedSources } from "./refused-sources.ts";
import { pingNode, Work } from "./work.ts";

/** Event ids of one boot stay below the next one's first. */
const eventsPerBoot = 1_000_000_000;
/** For telling the others that this node leaves. */
const leave_ms = 3_000;

export interface NodeHooks {
  /** The node's id is known now: the log may carry it. */
  readonly named: (node: string) => Promise<void>;
  /** Asked to leave and exit, by an operator at this node or another. */
  readonly stop: (drain_timeout_ms: number) => void;
  /** Something that the node cannot run without has failed. */
  readonly crash: (error: Error) => void;
}

export interface RunningNode {
  readonly id: NodeId;
  /** Applies what can be changed while running. */
  reload(config: Config): void;
  /** Leaves the cluster, finishes what runs within `drain_timeout_ms`, closes everything. */
  stop(drain_timeout_ms: number): Promise<void>;
  /** What the launcher is to tell the others when this process crashed; null outside of a cluster. */
  lastWord(): LastWord | null;
  /** Closes the databases and nothing else. */
  abandon(): Promise<void>;
}

/** Resolves when the API serves and the agents of the last run are back. Throws `CaxtonError`. */
export async function startNode(loaded: LoadedConfig, hooks: NodeHooks): Promise<RunningNode> {
  const undo: (() => Promise<void>)[] = [];
  try {
    return await start(loaded, hooks, undo);
  } catch (error) {
    for (const step of undo.toReversed()) await step().catch(() => undefined);
    throw error;
  }
}

async function start(
  loaded: LoadedConfig,
  hooks: NodeHooks,
  undo: (() => Promise<void>)[],
): Promise<RunningNode> {
  const ground = await startGround(loaded, hooks, undo);
  const { foundation, network, events, failed } = ground;
  const work = await Work.start({ config: loaded.config, foundation, network, events, failed });
  undo.push(() => work.close(0));
  const load = new LoadMonitor(systemClock, ({ cpu_percent, memory_bytes, memory_percent }) => {
    network.membership.setLoad({ agents: work.agents.size, cpu_percent, memory_bytes, memory_percent });
  });
  undo.push(() => Promise.resolve(load.stop()));
  const agentPeers = new AgentPeers({ peers: network.peers, local: work.agents, modules: work.modules });
  const serving = await startServing({ ...ground, work, load }, undo);
  await work.restore();
  ground.state.restored = true;
  announce(foundation, network, serving.front);
  return new AssembledNode({ ...ground, ...serving, work, load, agentPeers });
}

/** What everything else of a node is started on. */
interface Ground {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly network: Network;
  readonly events: EventLog;
  readonly known: KnownPeers;
  readonly consensus: NodeConsensus;
  readonly control: Control;
  readonly tags: OwnTags;
  readonly refused: RefusedSources;
  readonly hooks: NodeHooks;
  readonly startedAt_ms: number;
  readonly state: { restored: boolean; stopping: boolean };
  readonly failed: (what: string, reason: string) => void;
}

async function startGround(
  loaded: LoadedConfig,
  hooks: NodeHooks,
  undo: (() => Promise<void>)[],
): Promise<Ground> {
  const { config } = loaded;
  const startedAt_ms = systemClock.wall_ms();
  const foundation = await openFoundation(loaded);
  undo.push(() => closeFoundation(foundation));
  await hooks.named(foundation.self);
  void foundation.store.ended.then((error) => error && hooks.crash(error));
  const log = logger("node");
  const failed = (what: string, reason: string): void => log.warn(`Could not ${what}: ${reason}`);
  const events = new EventLog(systemClock, foundation.directory.boots * eventsPerBoot);
  const refused = new RefusedSources(events);
  const network = await startNetwork({
    config,
    foundation,
    tags: tagsOf(config),
    refused: (source, reason) => refused.add(source, reason),
    failed,
    crash: hooks.crash,
  });
  undo.push(() => network.close());
  network.membership.subscribe((event) => {
    if (event.kind === "refused") refused.add(event.source, event.reason);
    else recordMembershipEvent(events, event);
  });
  const tags = new OwnTags(network.membership, tagsOf(config));
  const consensus = await startConsensus({
    config,
    foundation,
    network,
    events,
    refused: (source, reason) => refused.add(source, reason),
    tagged: (raft) => tags.set({ raft }),
    crash: hooks.crash,
  });
  undo.push(() => consensus.stop());
  const control = startControl({ ...consensus, network, clock: systemClock, config, events });
  undo.push(() => Promise.resolve(control.stop()));
  const { membership } = network;
  const known = await KnownPeers.start({
    membership,
    store: foundation.store.client,
    clock: systemClock,
    failed,
  });
  undo.push(() => known.close());
  const state = { restored: false, stopping: false };
  return {
    known,
    consensus,
    control,
    tags,
    config,
    foundation,
    network,
    events,
    refused,
    hooks,
    startedAt_ms,
    state,
    failed,
  };
}

interface Serving {
  readonly front: Front;
  readonly exchange: KeyExchange;
  readonly metrics: Metrics;
}

async function startServing(
  parts: Ground & { readonly work: Work; readonly load: LoadMonitor },
  undo: (() => Promise<void>)[],
): Promise<Serving> {
  const { config, foundation, network, failed } = parts;
  const { membership, peers } = network;
  const keys = new ClusterKeys();
  const exchange = await KeyExchange.start({
    self: foundation.self,
    own: foundation.signingKey.publicJwk,
    keys,
    membership,
    peers,
    store: foundation.store.client,
    failed,
  });
  undo.push(() => Promise.resolve(exchange.close()));
  const metrics = new Metrics(metricSources(parts));
  const metricsApp = createMetricsApp(metrics);
  const front = await startFront({
    config,
    foundation,
    services: servicesOf(parts),
    keys,
    observer: metrics.http,
    fetchMissingKeys: () => exchange.fetchMissing(),
    metrics: (request) => metricsApp.fetch(request),
    failed,
  });
  undo.push(() => front.stop(0));
  parts.tags.set({ api: publicUrl(front) });
  return { front, exchange, metrics };
}

interface NodeParts extends Ground, Serving {
  readonly work: Work;
  readonly load: LoadMonitor;
  readonly agentPeers: AgentPeers;
}

class AssembledNode implements RunningNode {
  readonly #parts: NodeParts;

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  get id(): NodeId {
    return this.#parts.foundation.self;
  }

  reload(config: Config): void {
    this.#parts.network.membership.join(config.coordination.cluster.seeds);
    this.#parts.front.reload();
  }

  async stop(drain_timeout_ms: number): Promise<void> {
    const {
      foundation,
      network,
      consensus,
      control,
      known,
      work,
      events,
      front,
      load,
      exchange,
      agentPeers,
      metrics,
    } = this.#parts;
    this.#parts.state.stopping = true;
    logger("node").info("Leaving the cluster and stopping");
    agentPeers.close();
    exchange.close();
    load.stop();
    await known.close();
    // First the others route elsewhere, then what is under way here ends, then what it wrote is closed.
    control.stop();
    await consensus.handOver();
    await network.membership.leave(leave_ms);
    events.close();
    await front.stop(drain_timeout_ms);
    await work.close(drain_timeout_ms);
    await consensus.stop();
    await network.close();
    await metrics.close();
    await closeFoundation(foundation);
  }

  lastWord(): LastWord | null {
    return this.#parts.network.lastWord();
  }

  abandon(): Promise<void> {
    return closeFoundation(this.#parts.foundation);
  }
}

async function closeFoundation(foundation: Foundation): Promise<void> {
  await foundation.store.client.close();
  foundation.directory.close();
}

function tagsOf(config: Config): NodeTags {
  const { region, zone, max_agents, weight, services } = config.node;
  return { version: caxtonVersion, region, zone, api: "", maxAgents: max_agents, weight, services };
}

/** What other machines may call: nothing, when the API listens on loopback only. */
function publicUrl({ api }: Front): string {
  return isLoopback(api.local.host) ? "" : api.url;
}

function servicesOf(parts: Ground & { readonly work: Work }): NodeServices {
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
    startedAt_ms: parts.startedAt_ms,
    clock: systemClock,
    membership,
    peers,
    consensus,
    replicas: control.replicas,
    comparer: control.comparer,
    safeToStop: (node) => control.safeToStop(node),
    fingerprints: fingerprintsOf(foundation),
    refused: () => refused.recent(),
    queuedWrites: async () => (await foundation.store.client.stats()).outbox,
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
  return {
    node: foundation.self,
    version: caxtonVersion,
    cluster,
    agents,
    messages: work.messages,
    kv: control.kv,
    locks: control.locks,
    events,
    health: nodeHealth({
      foundation,
      network,
      work,
      consensus,
      restored: () => state.restored,
      stopping: () => state.stopping,
    }),
  };
}

function announce(foundation: Foundation, network: Network, front: Front): void {
  const { self, cluster, directory } = foundation;
  const log = logger("node");
  const member = network.membership.member(self);
  const gossip = member === undefined ? "" : formatAddress(member.address);
  const joined = network.uuid() === null ? "waits for a seed to let it in" : "is ready";
  log.info(`Node "${self}" of cluster "${cluster}" ${joined}`);
  log.info(`API ${front.api.url} · metrics ${front.metrics.url}/metrics · gossip ${gossip}`);
  log.info(`Data in ${directory.path}; the CLI on this machine finds admin.token there`);
}
