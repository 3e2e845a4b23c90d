/**
 * Puts a node together and takes it apart again, in phases: the ground (foundation, network, consensus), work
 * (agents, messages), front (API, metrics). Each phase is undone when a later one cannot start.
 */
import type { AgentName, NodeId } from "../base/ids.ts";
import type { Config } from "../config/keys.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import { formatAddress } from "../ports/datagrams.ts";
import { logger } from "../telemetry/log.ts";
import { createMetricsApp } from "../telemetry/metrics/metrics-app.ts";
import { Metrics } from "../telemetry/metrics/metrics.ts";
import { isLoopback } from "./joining/advertise-address.ts";
import { AgentRoom } from "./ownership/agent-room.ts";
import { KeyExchange } from "./identity/cluster-keys.ts";
import type { Foundation } from "./foundation.ts";
import { startFront, type Front } from "./front.ts";
import { GossipRotation } from "./gossip-rotation.ts";
import { IntakeGuard } from "./operator/intake-guard.ts";
import { NodeOperator } from "./operator/operator-service.ts";
import { closeFoundation, startGround, type Ground, type NodeHooks } from "./ground.ts";
import type { LastWord } from "./process/last-word.ts";
import { LoadMonitor } from "./load-monitor.ts";
import { metricSources } from "./measurements.ts";
import type { Network } from "./network.ts";
import { NodeOwnership } from "./ownership/ownership.ts";
import { servicesOf } from "./services.ts";
import { Work } from "./work.ts";

/** For telling the others that this node leaves. */
const leave_ms = 3_000;
/** Clients that wait for an agent's reply while this node stops are answered after this. */
const lastReplies_ms = 1_000;

export interface RunningNode {
  readonly id: NodeId;
  /** Applies what can be changed while running. */
  reload(config: Config): void;
  /**
   * Leaves the cluster, finishes what runs within `drain_timeout_ms`, closes everything. `handOver`: its agents go to
   * others first, with all that they have; else they are expected back with it.
   */
  stop(drain_timeout_ms: number, handOver: boolean): Promise<void>;
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
  const { keys } = ground;
  const isCutOff = (node: NodeId): boolean => ground.partition.isCutOff(node);
  const work = await Work.start({
    config: loaded.config,
    foundation,
    network,
    events,
    lease: ground.consensus.leases,
    keys,
    isCutOff,
    failed,
    table: ground.control.table,
  });
  undo.push(() => work.close(0));
  const room = new AgentRoom(ground.tags, ground.config.node.max_agents, work.threads.memory);
  const load = new LoadMonitor({
    clock: systemClock,
    dataDir: ground.foundation.directory.path,
    interval_ms: ground.config.failover.health_check_interval,
    changed: ({ memoryAvailable_bytes: _, ...figures }) => {
      room.look(work.agents.size);
      network.membership.setLoad({ agents: work.agents.size, ...figures });
    },
  });
  undo.push(() => Promise.resolve(load.stop()));
  const ownership = new NodeOwnership({ ...ground, work });
  undo.push(() => Promise.resolve(ownership.close()));
  const serving = await startServing({ ...ground, work, load, ownership }, undo);
  await work.restore();
  await ownership.start();
  ground.state.restored = true;
  ground.partition.serve(
    serving.front.perform,
    () => work.agents.hostsCritical,
    (who) => work.threads.setGoingOn(who),
  );
  announce(foundation, network, serving.front);
  return new AssembledNode({ ...ground, ...serving, work, load, ownership });
}

interface Serving {
  readonly gossipKeys: GossipRotation;
  readonly front: Front;
  readonly exchange: KeyExchange;
  readonly metrics: Metrics;
  readonly operator: NodeOperator;
}

async function startServing(
  parts: Ground & { readonly work: Work; readonly load: LoadMonitor; readonly ownership: NodeOwnership },
  undo: (() => Promise<void>)[],
): Promise<Serving> {
  const { config, foundation, network, keys, failed } = parts;
  const { membership, peers } = network;
  const exchange = await KeyExchange.start({
    self: foundation.self,
    own: foundation.signingKey.publicJwk,
    keys,
    membership,
    peers,
    store: foundation.store.client,
    clock: systemClock,
    failed,
  });
  undo.push(() => Promise.resolve(exchange.close()));
  const rotation = startRotation(parts);
  undo.push(() => Promise.resolve(rotation.close()));
  parts.rotation.resolve(rotation);
  const guard = new IntakeGuard(foundation.self, parts.control.modes, {
    action: () => parts.partition.service.action,
    nodeOf: (receiver) => nodeOf(parts.work, receiver),
  });
  const operator = new NodeOperator(parts, guard);
  undo.push(() => Promise.resolve(operator.close()));
  const metrics = new Metrics(metricSources(parts));
  const metricsApp = createMetricsApp(metrics);
  const front = await startFront({
    config,
    foundation,
    services: servicesOf({ ...parts, gossipKeys: rotation, operator, guard }),
    keys,
    observer: metrics.http,
    fetchMissingKeys: () => exchange.fetchMissing(),
    metrics: (request) => metricsApp.fetch(request),
    failed,
  });
  undo.push(() => front.stop(0));
  parts.tags.set({ api: publicUrl(front) });
  return { front, exchange, metrics, operator, gossipKeys: rotation };
}

/** Of an agent's name, with or without its node; undefined when nobody is known to have it. */
function nodeOf({ routes }: Work, receiver: string): string | undefined {
  const at = receiver.indexOf("@");
  return at < 0 ? routes.locate(receiver as AgentName)?.node : receiver.slice(at + 1);
}

interface NodeParts extends Ground, Serving {
  readonly work: Work;
  readonly load: LoadMonitor;
  readonly ownership: NodeOwnership;
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

  async stop(drain_timeout_ms: number, handOver: boolean): Promise<void> {
    const {
      foundation,
      network,
      consensus,
      control,
      partition,
      known,
      work,
      events,
      front,
      load,
      exchange,
      ownership,
      metrics,
      gossipKeys,
      operator,
    } = this.#parts;
    gossipKeys.close();
    operator.close();
    this.#parts.state.stopping = true;
    logger("node").info("Leaving the cluster and stopping");
    exchange.close();
    load.stop();
    await known.close();
    const end_ms = systemClock.now_ms() + drain_timeout_ms;
    const left_ms = (): number => Math.max(0, end_ms - systemClock.now_ms());
    if (handOver) await ownership.drain(left_ms());
    await ownership.markStore();
    ownership.close();
    // First the others route elsewhere, then what is under way here ends, then what it wrote is closed.
    await partition.close();
    control.stop();
    await consensus.handOver();
    await network.membership.leave(leave_ms);
    events.close();
    const lastReplies = systemClock.after(Math.min(lastReplies_ms, left_ms()), () =>
      work.messages.endWaits(),
    );
    await front.stop(left_ms());
    lastReplies.cancel();
    await work.close(left_ms());
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

/** What other machines may call: nothing, when the API listens on loopback only. */
function publicUrl({ api }: Front): string {
  return isLoopback(api.local.host) ? "" : api.url;
}

function startRotation({ config, foundation, network, events, failed }: Ground): GossipRotation {
  return new GossipRotation({
    self: foundation.self,
    keys: foundation.gossipKeys,
    ...network,
    clock: systemClock,
    entropy: systemEntropy,
    rotateEvery_ms: config.security.cluster.gossip.rotate_every,
    changed: (text, key) => events.record("info", "security.gossip_key", text, { key }),
    failed,
  });
}

function announce(foundation: Foundation, network: Network, front: Front): void {
  const { self, cluster, directory } = foundation;
  const log = logger("node");
  const member = network.membership.member(self);
  const gossip = member === undefined ? "" : formatAddress(member.address);
  const joined = network.waitsFor() ?? network.alone() ?? "is ready";
  log.info(`Node "${self}" of cluster "${cluster}" ${joined}`);
  log.info(`API ${front.api.url} · metrics ${front.metrics.url}/metrics · gossip ${gossip}`);
  log.info(`Data in ${directory.path}; the CLI on this machine finds admin.token there`);
}
