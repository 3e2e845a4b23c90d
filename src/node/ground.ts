/**
 * What everything else of a node is started on, in phases: foundation (data, keys, store), network (streams,
 * membership), consensus with the state that it keeps.
 */
import { caxtonVersion } from "../base/version.ts";
import type { NodeId } from "../base/ids.ts";
import type { NodeTags } from "../cluster/membership.ts";
import type { Config } from "../config/keys.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { systemClock } from "../platform/node/clock.ts";
import { ClusterKeys } from "../security/jwks.ts";
import { logger } from "../telemetry/log.ts";
import { agentPlaces } from "./agent-places.ts";
import { startConsensus, type NodeConsensus } from "./consensus.ts";
import { startControl, type Control } from "./control.ts";
import { EventLog } from "./events/event-log.ts";
import { openFoundation, type Foundation } from "./foundation.ts";
import { refuseTakenAddresses } from "./process/free-addresses.ts";
import type { GossipRotation } from "./gossip-rotation.ts";
import { KnownPeers } from "./identity/known-peers.ts";
import { MembershipEvents } from "./events/membership-events.ts";
import { startNetwork, type Network } from "./network.ts";
import { OwnTags } from "./own-tags.ts";
import { Partition } from "./partition/partition.ts";
import { RefusedSources } from "./joining/refused-sources.ts";
import type { StoppedPeer } from "./operator/stopped-marker.ts";

/** Event ids of one boot stay below the next one's first, which is as many milliseconds later; also of a restored copy. */
const eventsPer_ms = 1_000;

export interface NodeHooks {
  /** The node's id is known now: the log may carry it. */
  readonly named: (node: string) => Promise<void>;
  /** Asked to leave and exit, by an operator at this node or another. */
  readonly stop: (drain_timeout_ms: number, handOver: boolean) => void;
  /** Closes intake and databases; the process stays, and remembers the others. */
  readonly suspend: (others: readonly StoppedPeer[]) => void;
  /** An operator removed this node from its cluster, as that one says, or its log (null): its process is to end. */
  readonly removed: (source: NodeId | null) => void;
  /** Something that the node cannot run without has failed. */
  readonly crash: (error: Error) => void;
}

/** What everything else of a node is started on. */
export interface Ground {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly network: Network;
  readonly events: EventLog;
  readonly known: KnownPeers;
  readonly keys: ClusterKeys;
  readonly consensus: NodeConsensus;
  readonly control: Control;
  readonly partition: Partition;
  readonly tags: OwnTags;
  readonly refused: RefusedSources;
  readonly hooks: NodeHooks;
  readonly startedAt_ms: number;
  readonly state: { restored: boolean; stopping: boolean };
  /** Resolved when it can be asked. */
  readonly rotation: PromiseWithResolvers<GossipRotation>;
  readonly failed: (what: string, reason: string) => void;
}

/** Starts them in order; `undo` gets what takes each back. Throws `CaxtonError`. */
export async function startGround(
  loaded: LoadedConfig,
  hooks: NodeHooks,
  undo: (() => Promise<void>)[],
): Promise<Ground> {
  const { config } = loaded;
  const startedAt_ms = systemClock.wall_ms();
  const foundation = await openFoundation(loaded, () => refuseTakenAddresses(loaded.config));
  undo.push(() => closeFoundation(foundation));
  await hooks.named(foundation.self);
  void foundation.store.ended.then((error) => error && hooks.crash(error));
  const log = logger("node");
  const failed = (what: string, reason: string): void => log.warn(`Could not ${what}: ${reason}`);
  const events = new EventLog(systemClock, foundation.directory.bootEpoch * eventsPer_ms);
  const refused = new RefusedSources(events);
  const state = { restored: false, stopping: false };
  const rotation = Promise.withResolvers<GossipRotation>();
  const network = await startNetwork({
    config,
    foundation,
    tags: tagsOf(config),
    refused: (source, reason) => refused.add(source, reason),
    failed,
    removed: hooks.removed,
    crash: hooks.crash,
  });
  undo.push(() => network.close());
  const told = tellMembership({ network, events, refused, state, rotation });
  undo.push(() => Promise.resolve(told.close()));
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
  const late: { partition?: Partition } = {};
  const cutOff = (): boolean => late.partition?.monitor.minority ?? false;
  const control = startControl({ ...consensus, network, clock: systemClock, config, events, cutOff, failed });
  undo.push(() => Promise.resolve(control.stop()));
  const keys = new ClusterKeys();
  const common = { config, foundation, network, events, failed };
  const partition = (late.partition = await Partition.start({ ...common, consensus, control, keys }));
  undo.push(() => partition.close());
  const known = await KnownPeers.start({
    membership: network.membership,
    store: foundation.store.client,
    clock: systemClock,
    failed,
  });
  undo.push(() => known.close());
  return {
    ...common,
    known,
    keys,
    consensus,
    control,
    partition,
    tags,
    refused,
    hooks,
    startedAt_ms,
    state,
    rotation,
  };
}

function tellMembership(
  ground: Pick<Ground, "network" | "events" | "refused" | "state" | "rotation">,
): MembershipEvents {
  const told = new MembershipEvents(ground.events, systemClock);
  ground.network.membership.subscribe((event) => {
    if (event.kind === "refused") void tellRefused(ground, event);
    else told.record(event);
  });
  return told;
}

/** A member that missed a rotation is no stranger: it is given the key instead of being shown as refused. */
async function tellRefused(
  { refused, state, rotation }: Pick<Ground, "refused" | "state" | "rotation">,
  { source, reason }: { readonly source: string; readonly reason: string },
): Promise<void> {
  const byKey = reason.includes("sealed with another");
  if (byKey && (await (await rotation.promise).explains(source))) return;
  if (!state.stopping) refused.add(source, reason);
}

export async function closeFoundation(foundation: Foundation): Promise<void> {
  await foundation.store.client.close();
  foundation.directory.close();
}

function tagsOf(config: Config): NodeTags {
  const { region, zone, weight, services } = config.node;
  const maxAgents = agentPlaces(config.node);
  return { version: caxtonVersion, region, zone, api: "", maxAgents, weight, services };
}
