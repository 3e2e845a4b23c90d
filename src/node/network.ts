/** The node's place in the cluster: peer streams and membership on one address, certificates kept fresh. */
import { reasonOf } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import { resolveHost, spawnGossipWorker } from "../cluster/gossip/spawn.ts";
import { GossipThread } from "../cluster/gossip/thread.ts";
import type { Membership, NodeTags } from "../cluster/membership.ts";
import { nameTaken } from "../cluster/name-taken.ts";
import { type CutOrder, NetworkCut, cuttableStreams } from "../cluster/network-cut.ts";
import { openPeerNetwork, type PeerNetwork } from "../cluster/peers/network.ts";
import type { Config } from "../config/keys.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import { openStreams } from "../platform/node/streams.ts";
import type { Timer } from "../ports/clock.ts";
import type { Address } from "../ports/datagrams.ts";
import type { TimingOverrides } from "../swim/timing.ts";
import { logger } from "../telemetry/log.ts";
import { neighboursOf } from "../swim/neighbours.ts";
import { createCertifier } from "../security/death-certifier.ts";
import { encodeCertificatePacket } from "../wire/death-certificate.ts";
import { advertiseAddress } from "./joining/advertise-address.ts";
import type { Foundation } from "./foundation.ts";
import { JoinTroubles } from "./joining/join-troubles.ts";
import { type LastWord, lastWordMembers } from "./process/last-word.ts";

/** A certificate is replaced when this much of its life is left. */
const renewBefore_ms = 30 * 86_400_000;
const renewalCheck_ms = 3_600_000;

export interface Network {
  readonly peers: PeerNetwork;
  readonly membership: Membership;
  /** Null until a fresh joiner was let in. */
  readonly uuid: () => string | null;
  /** Why this node is in no cluster yet, to follow "it"; null when it is in one. */
  readonly waitsFor: () => string | null;
  /** Why it is alone in a cluster of its own though it was to join another, to follow "it"; else null. */
  readonly alone: () => string | null;
  /** This life's death certificate for a few others; null before this node is a member, or alone. */
  readonly lastWord: () => LastWord | null;
  /** This node's certificate as it is now, and each new one. */
  readonly identity: () => IssuedIdentity;
  onIdentity(handler: (identity: IssuedIdentity) => void): void;
  /** For a drill: gossip and streams to and from there are silent for that time. */
  cut(order: CutOrder): void;
  close(): Promise<void>;
}

type IssuedIdentity = ReturnType<Foundation["newIdentity"]>;

export interface NetworkOptions {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly tags: NodeTags;
  /** Someone was turned away, or turned this node away. */
  readonly refused: (source: string, reason: string) => void;
  readonly failed: (what: string, reason: string) => void;
  /** An operator removed this node, as that one says, or its log (null). */
  readonly removed: (source: NodeId | null) => void;
  readonly crash: (error: Error) => void;
}

export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const { config, foundation } = options;
  const { directory, self } = foundation;
  const identity = foundation.newIdentity();
  const cut = new NetworkCut(systemClock);
  const peers = await openPeerNetwork({
    node: self,
    bootEpoch: directory.bootEpoch,
    local: config.coordination.cluster.bind_addr,
    identity,
    streams: cuttableStreams(openStreams(), cut, systemClock),
    clock: systemClock,
    entropy: systemEntropy,
    timings: { connect_ms: config.transport.connect_timeout, keepAlive_ms: config.transport.keep_alive },
    refused: options.refused,
  });
  let membership: GossipThread;
  const log = logger("cluster");
  const troubles = new JoinTroubles(config.coordination.cluster.seeds, (text) => log.warn(text));
  try {
    membership = await startMembership(options, peers, troubles);
  } catch (error) {
    await peers.close();
    throw error;
  }
  const renewal = new CertificateRenewal(options, peers, identity);
  return {
    peers,
    membership,
    uuid: () => membership.uuid,
    waitsFor: () => (membership.uuid === null ? troubles.waiting() : null),
    alone: () => (membership.uuid === null || hasOthers(membership) ? null : troubles.alone()),
    lastWord: () => lastWordOf(foundation, membership),
    identity: () => renewal.identity,
    onIdentity: (handler) => renewal.onRenewal(handler),
    cut: (order) => {
      cut.begin(order);
      membership.cut(order);
    },
    close: async () => {
      renewal.stop();
      await membership.stop();
      await peers.close();
    },
  };
}

function lastWordOf({ directory, self, cluster }: Foundation, membership: GossipThread): LastWord | null {
  const { uuid, gossipKeys: keys } = membership;
  const alive = membership.members().filter(({ id, status }) => status === "alive" && id !== self);
  if (uuid === null || alive.length === 0) return null;
  const chosen = new Set(
    neighboursOf(
      self,
      alive.map(({ id }) => id),
      lastWordMembers,
    ),
  );
  const certificate = createCertifier({ clusterName: cluster, clusterUuid: uuid, keys }).sign(
    self,
    directory.bootEpoch,
  );
  return {
    packet: Buffer.from(encodeCertificatePacket(certificate)).toString("base64"),
    to: alive.filter(({ id }) => chosen.has(id)).map(({ address }) => address),
  };
}

async function startMembership(
  options: NetworkOptions,
  peers: PeerNetwork,
  troubles: JoinTroubles,
): Promise<GossipThread> {
  const { config, foundation, tags } = options;
  const { directory, self, cluster } = foundation;
  const { bind_addr, advertise_addr, seeds, profile } = config.coordination.cluster;
  const bind = { host: bind_addr.host, port: peers.local.port };
  const advertise = advertise_addr === null ? advertiseAddress(bind) : await resolved(advertise_addr);
  const log = logger("cluster");
  const membership = await GossipThread.start({
    identity: {
      self,
      boot: directory.bootEpoch,
      cluster,
      uuid: directory.clusterUuid,
      bind,
      advertise,
      tags,
      profile,
      timing: timingOverrides(config),
      keys: foundation.gossipKeys.accepted,
    },
    seeds,
    seed: new DataView(systemEntropy.bytes(4).buffer).getUint32(0),
    clock: systemClock,
    peers,
    spawn: spawnGossipWorker,
    resolve: resolveHost,
    adopted: (uuid) => {
      directory.adoptCluster(uuid);
      log.info(`Let into cluster "${cluster}" (${uuid})`);
      return Promise.resolve();
    },
    seedFailed: (seed, reason) => troubles.add(seed, reason, false, systemClock.now_ms()),
    removed: options.removed,
    failed: options.crash,
  });
  peers.judgeContacts((...who) => nameTaken(membership, ...who));
  membership.subscribe((event) => {
    if (event.kind !== "refused" || hasOthers(membership)) return;
    troubles.add(event.source, event.reason, event.elsewhere, systemClock.now_ms());
  });
  return membership;
}

/** Some other member is here, or silent for a moment. */
function hasOthers(membership: Membership): boolean {
  const { self } = membership;
  return membership
    .members()
    .some(({ id, status }) => id !== self && (status === "alive" || status === "suspect"));
}

/** Gives the peer streams a new certificate of this node well before the old one ends. */
class CertificateRenewal {
  readonly #handlers: ((identity: IssuedIdentity) => void)[] = [];
  #timer: Timer | undefined;
  #identity: IssuedIdentity;

  constructor(
    private readonly options: NetworkOptions,
    private readonly peers: PeerNetwork,
    identity: IssuedIdentity,
  ) {
    this.#identity = identity;
    this.#check();
  }

  get identity(): IssuedIdentity {
    return this.#identity;
  }

  onRenewal(handler: (identity: IssuedIdentity) => void): void {
    this.#handlers.push(handler);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #check(): void {
    this.#timer = systemClock.after(renewalCheck_ms, () => this.#check());
    if (this.#identity.notAfter_ms - systemClock.wall_ms() > renewBefore_ms) return;
    try {
      this.#identity = this.options.foundation.newIdentity();
      this.peers.setIdentity(this.#identity);
      for (const handler of this.#handlers) handler(this.#identity);
    } catch (error) {
      this.options.failed("renew this node's certificate", reasonOf(error));
    }
  }
}

async function resolved({ host, port }: Address): Promise<Address> {
  return { host: await resolveHost(host), port };
}

/** The keys of the documents that are set win over the profile. */
function timingOverrides({ coordination }: Config): TimingOverrides {
  const { probe_interval, probe_timeout, suspicion_multiplier } = coordination.cluster;
  const { gossip_interval, gossip_fanout, indirect_probes } = coordination.cluster;
  return {
    ...(probe_interval === null ? {} : { probe_ms: probe_interval }),
    ...(probe_timeout === null ? {} : { timeout_ms: probe_timeout }),
    ...(suspicion_multiplier === null ? {} : { suspicionMultiplier: suspicion_multiplier }),
    ...(gossip_interval === null ? {} : { gossip_ms: gossip_interval }),
    ...(gossip_fanout === null ? {} : { gossipFanout: gossip_fanout }),
    ...(indirect_probes === null ? {} : { indirectProbes: indirect_probes }),
  };
}
