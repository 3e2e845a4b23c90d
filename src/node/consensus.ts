/**
 * The node's part in consensus: the raft thread with its settings from the configuration, kept told of where the
 * others are and who seems gone, and its changes of leader in the log and the events.
 */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import type { ConsensusStatus } from "../cluster/consensus/consensus.ts";
import { spawnRaftWorker } from "../cluster/consensus/spawn.ts";
import { ConsensusThread } from "../cluster/consensus/thread.ts";
import type { OpenConsensus } from "../cluster/consensus/thread-protocol.ts";
import { newLeaseCell } from "../cluster/leases/cell.ts";
import type { Member } from "../cluster/membership.ts";
import { NodeLeases } from "../cluster/leases/node-lease.ts";
import type { Config } from "../config/keys.ts";
import { openBootClock } from "../platform/bun/boot-clock.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import type { Timer } from "../ports/clock.ts";
import type { Address } from "../ports/datagrams.ts";
import { defaultLimits } from "../raft/options.ts";
import { type RaftTiming, raftTimingOf } from "../raft/timing.ts";
import { logger } from "../telemetry/log.ts";
import type { RaftTag } from "../wire/gossip-tags.ts";
import { Bootstrap } from "./joining/bootstrap.ts";
import type { EventLog } from "./events/event-log.ts";
import { LeaseEvents } from "./events/lease-events.ts";
import type { Foundation } from "./foundation.ts";
import type { Network } from "./network.ts";

/** The raft port is the gossip port and this, unless configured. */
const portStep = 1_000;
/** For giving leadership away before the thread ends. */
const transfer_ms = 1_000;
const roundTripEvery_ms = 10_000;

export interface NodeConsensus {
  readonly consensus: ConsensusThread;
  /** This node's lease, and where it leads the others'. */
  readonly leases: NodeLeases;
  /** Says what must be done before this node acts; until it is said, and done, the node holds no lease. */
  readonly beforeActing: (prepare: () => Promise<void>) => void;
  /** For the gossip tags. */
  readonly tag: () => RaftTag;
  /** Leadership goes to another voter, if this node has it and there is one. */
  handOver(): Promise<void>;
  stop(): Promise<void>;
}

export interface NodeConsensusOptions {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly network: Network;
  readonly events: EventLog;
  readonly refused: (source: string, reason: string) => void;
  /** The tag has changed: to be spread. */
  readonly tagged: (tag: RaftTag) => void;
  readonly crash: (error: Error) => void;
}

/** Throws what opening the log and binding the port throw. */
export async function startConsensus(options: NodeConsensusOptions): Promise<NodeConsensus> {
  const { config, foundation, network } = options;
  const found = foundation.directory.founding === true || foundedBefore(config, foundation);
  const parts = new Parts(options);
  const thread: { consensus?: ConsensusThread } = {};
  const leases = new NodeLeases({
    cell: newLeaseCell(),
    clock: systemClock,
    bootClock: openBootClock(),
    post: (ask) => thread.consensus?.askLease(ask),
    failed: (what, reason) => logger("lease").warn(`Could not ${what}: ${reason}`),
  });
  const prepares = Promise.withResolvers<() => Promise<void>>();
  leases.beforeHeld(async () => await (await prepares.promise)());
  const telling = new LeaseEvents({
    lease: leases,
    ttl_ms: config.failover.lease_ttl,
    events: options.events,
    clock: systemClock,
  });
  const consensus = await startThread(options, parts, leases, found);
  thread.consensus = consensus;
  if (found) foundation.directory.settleFounding();
  const { membership, peers } = network;
  const bootstrap = new Bootstrap({
    expect: config.coordination.cluster.bootstrap_expect,
    membership,
    peers,
    clock: systemClock,
    status: () => consensus.status(),
    found: () => consensus.found(),
    file: foundation.directory.file("bootstrap.promise"),
    note: (text) => logger("raft").info(text),
  });
  const stopWatching = watchOthers(consensus, network);
  parts.watch(consensus);
  network.onIdentity((identity) => consensus.setIdentity(identity));
  return {
    consensus,
    leases,
    beforeActing: (prepare) => prepares.resolve(prepare),
    tag: () => parts.tag,
    handOver: async () => {
      const { role, voters } = consensus.status();
      if (role !== "leader" || voters < 2) return;
      await consensus.transferLeadership(null, { timeout_ms: transfer_ms }).catch((error: unknown) => {
        logger("raft").warn(`Leaving without having given leadership away: ${reasonOf(error)}`);
      });
    },
    stop: async () => {
      bootstrap.stop();
      stopWatching();
      parts.close();
      telling.close();
      leases.close();
      await consensus.stop(0);
    },
  };
}

/** A directory of the time before consensus, of a node that began its cluster. */
function foundedBefore({ coordination }: Config, { directory }: Foundation): boolean {
  const { seeds } = coordination.cluster;
  return directory.founding === null && directory.clusterUuid !== null && seeds.length === 0;
}

class Parts {
  tag: RaftTag;
  #told: ConsensusStatus | undefined;
  /** It was told that no leader is known. */
  #leaderless = false;
  #roundTrips: Timer | undefined;

  constructor(readonly options: NodeConsensusOptions) {
    this.tag = { host: "", port: 1, identity: 0, role: options.config.node.role };
  }

  opened(local: Address, identity: number, rebuilt: string | null): void {
    const { config, events, tagged } = this.options;
    const given = config.raft.bind_addr?.host ?? "";
    const host = given === "0.0.0.0" || given === "::" ? "" : given;
    this.tag = { host, port: local.port, identity, role: config.node.role };
    tagged(this.tag);
    if (rebuilt === null) return;
    const text = `The Raft data was set aside, and this node takes part anew: ${rebuilt}`;
    logger("raft").warn(text);
    events.record("warn", "raft.rebuilt", text, { identity });
  }

  watch(consensus: ConsensusThread): void {
    this.#status(consensus.status());
    consensus.onStatus((status) => this.#status(status));
    this.#measure(consensus);
  }

  close(): void {
    this.#roundTrips?.cancel();
  }

  #measure(consensus: ConsensusThread): void {
    this.#roundTrips = systemClock.after(roundTripEvery_ms, () => this.#measure(consensus));
    const { membership } = this.options.network;
    let longest_ms = 0;
    for (const { node, role } of consensus.status().members) {
      if (role === "learner" || node === membership.self) continue;
      longest_ms = Math.max(longest_ms, membership.estimate_ms(node) ?? 0);
    }
    if (longest_ms > 0) consensus.setRoundTrip(longest_ms);
  }

  #status(status: ConsensusStatus): void {
    const before = this.#told;
    this.#told = status;
    const { events } = this.options;
    const { leader, term, trouble, quorum } = status;
    const isNew = leader !== before?.leader || term !== before.term;
    // One that is heard again is told of, too, where it was told that there is none.
    if (leader !== null && (isNew || (quorum && this.#leaderless))) {
      this.#leaderless = false;
      const text = `Node ${leader} leads in term ${term}`;
      logger("raft").info(text);
      events.record("info", "raft.leader", text, { node: leader, term });
    }
    if (before?.quorum === true && !quorum) {
      this.#leaderless = true;
      events.record("warn", "raft.no_quorum", "No leader with a quorum is known here", { term });
    }
    if (trouble !== null && trouble !== before?.trouble) {
      logger("raft").error(`This node takes no part in consensus: ${trouble}`);
      events.record("warn", "raft.trouble", `Consensus of this node: ${trouble}`, { reason: trouble });
    }
  }
}

/** On the port asked for; where none was asked for and the usual one is taken, on any. */
async function startThread(
  options: NodeConsensusOptions,
  parts: Parts,
  leases: NodeLeases,
  found: boolean,
): Promise<ConsensusThread> {
  const { config, network, refused, crash } = options;
  const gossip = network.peers.local;
  const usual = gossip.port + portStep <= 65_535 ? gossip.port + portStep : 0;
  const bind = config.raft.bind_addr ?? { host: gossip.host, port: usual };
  const start = (address: Address): Promise<ConsensusThread> =>
    ConsensusThread.start({
      open: openingOf(options, address, leases.cell, found),
      clock: systemClock,
      soon: (callback) => void setImmediate(callback),
      spawn: spawnRaftWorker,
      opened: (local, identity, rebuilt) => parts.opened(local, identity, rebuilt),
      refused,
      leaseTold: (message) => leases.told(message),
      failed: crash,
    });
  try {
    return await start(bind);
  } catch (error) {
    const taken = error instanceof CaxtonError && error.code === "port_in_use";
    if (!taken || config.raft.bind_addr !== null) throw error;
    logger("raft").warn(`${reasonOf(error)}: any free port is taken instead; raft.bind_addr names one`);
    return await start({ ...bind, port: 0 });
  }
}

function openingOf(
  { config, foundation, network }: NodeConsensusOptions,
  bind: Address,
  cell: SharedArrayBuffer,
  found: boolean,
): OpenConsensus {
  const { directory, self, cluster } = foundation;
  const { ca, certificate, key } = network.identity();
  const { lease_ttl: ttl_ms, clock_drift: drift } = config.failover;
  const { max_append_entries, snapshot_threshold, trailing_logs } = config.raft;
  const timing = timingOf(config);
  return {
    self,
    boot: directory.bootEpoch,
    cluster,
    logPath: directory.file("raft.db"),
    statePath: directory.file("control.db"),
    bind,
    identity: { ca, certificate, key },
    witness: config.node.role === "witness",
    found,
    timing,
    limits: { ...defaultLimits, appendEntries: max_append_entries, trailingEntries: trailing_logs },
    snapshotEvery_entries: snapshot_threshold,
    connect_ms: config.transport.connect_timeout,
    keepAlive_ms: Math.max(500, timing.election_ms),
    lease: { terms: { ttl_ms, drift }, cell },
    seed: new DataView(systemEntropy.bytes(4).buffer).getUint32(0),
  };
}

function timingOf({ raft, coordination }: Config): RaftTiming {
  const { profile } = coordination.cluster;
  const usual = raftTimingOf(profile === "auto" ? "lan" : profile);
  const heartbeat_ms = raft.heartbeat_interval ?? usual.heartbeat_ms;
  const election_ms = raft.election_timeout ?? usual.election_ms;
  if (election_ms < 2 * heartbeat_ms) {
    throw new CaxtonError(
      "invalid_config",
      `raft.election_timeout (${election_ms} ms) is less than two heartbeats of ${heartbeat_ms} ms: followers would ` +
        "hold elections against a healthy leader",
    );
  }
  return { heartbeat_ms, election_ms };
}

/** Addresses of raft threads, and hints that one of them is gone. Returns what ends it. */
function watchOthers(consensus: ConsensusThread, { membership, peers }: Network): () => void {
  const place = (member: Member): void => {
    if (member.id !== membership.self) consensus.setAddress(member.id, addressOf(member));
  };
  for (const member of membership.members()) place(member);
  peers.onGone((node: NodeId, boot) => consensus.hint(node, boot));
  return membership.subscribe((event) => {
    if (!("member" in event)) return;
    place(event.member);
    if (event.kind === "failed") consensus.hint(event.member.id, event.member.bootEpoch);
  });
}

function addressOf({ address, tags, status }: Member): Address | undefined {
  if (tags.raft === undefined || status === "left") return undefined;
  const { host, port } = tags.raft;
  return { host: host === "" ? address.host : host, port };
}
