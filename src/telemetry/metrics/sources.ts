/**
 * What the metrics are read from when they are scraped: figures that the node's parts keep anyway, so
 * that nothing is counted twice. `node/` gives them; each shape is what its part's `stats()` returns.
 * An area that is left out is not shown; one that fails is left out of that scrape and logged.
 */
import type { HistogramFigures } from "./instrument.ts";

type Given<T> = () => T | Promise<T>;

export interface MetricSources {
  readonly cluster?: Given<ClusterFigures>;
  readonly gossip?: Given<GossipFigures>;
  readonly peers?: Given<PeersFigures>;
  readonly agents?: Given<AgentFigures>;
  readonly messages?: Given<MessageFigures>;
  readonly store?: Given<StoreFigures>;
  readonly consensus?: Given<ConsensusFigures>;
  readonly lease?: Given<LeaseFigures>;
  readonly partition?: Given<PartitionFigures>;
  readonly system?: Given<SystemFigures>;
}

/** Of node/partition/partition.ts. */
export interface PartitionFigures {
  readonly state: string;
  /** Writes that wait for a quorum. */
  readonly queued: number;
  /** Times that this node fell into a minority, and got out of it. */
  readonly lost: number;
  readonly healed: number;
  readonly rehearsals: number;
  /** Settled writes by what became of them, since the start. */
  readonly outcomes: Readonly<Record<string, number>>;
}

/** From `ConsensusStatus` and `ConsensusStats` of cluster/consensus/consensus.ts. */
export interface ConsensusFigures {
  readonly isLeader: boolean;
  readonly quorum: boolean;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly last: number;
  /** Entries that the slowest voter is behind the leader; of the leader only. */
  readonly lag_entries: number | null;
  readonly voters: number;
  readonly votersReached: number;
  readonly elections: number;
  readonly leaderChanges: number;
  readonly proposals: number;
  readonly proposalsFailed: number;
  readonly reads: number;
  readonly snapshotsSent: number;
  readonly snapshotsReceived: number;
  readonly refusedFrames: number;
  readonly logBytes: number;
  readonly persist_ms: readonly number[];
  readonly commit_ms: readonly number[];
}

/** From `LeaseStats` of cluster/leases/node-lease.ts. */
export interface LeaseFigures {
  readonly held: boolean;
  readonly losses: number;
  readonly without_ms: number;
  /** Agents here that wait for it. */
  readonly parked: number;
}

export interface ClusterFigures {
  /** Members known, the failed included, those that left not. */
  readonly nodes: number;
  readonly alive: number;
  readonly suspect: number;
  readonly failed: number;
  /** Agents in the directory, of every node. */
  readonly agents: number;
}

/** As `GossipStats` of cluster/membership.ts. */
export interface GossipFigures {
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly roundTrips_ms: readonly number[];
  readonly localHealth: number;
  readonly convergence_ms: readonly number[];
}

/** As `PeerNetworkStats` of cluster/peers/network.ts. */
export interface PeersFigures {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly connections: number;
  readonly queued_bytes: number;
  readonly refused: number;
  readonly closed: Readonly<Record<string, number>>;
}

/** As `AgentThreadsStats` of agents/thread-stats.ts. */
export interface AgentFigures {
  readonly threads: number;
  readonly agentsByStatus: Readonly<Record<string, number>>;
  readonly inbox: number;
  readonly inbox_bytes: number;
  readonly memory_bytes: number;
  readonly traps: number;
  readonly restarts: number;
  readonly handled: number;
  readonly fuel: number;
  readonly trapsByKind: Readonly<Record<string, number>>;
  readonly latency: HistogramFigures;
  readonly latency_p99_ms: number;
  readonly startup_ms: readonly number[];
}

/** As `Router.counters`, with its `pending` and the figures of its `remoteLatency`. */
export interface MessageFigures {
  readonly remoteLatency: HistogramFigures;
  readonly pending: number;
  readonly accepted: number;
  readonly remote: number;
  readonly retries: number;
  readonly deadLetters: number;
  readonly malformedFrames: number;
  readonly fenced: number;
  readonly staleEpochs: number;
  /** Of the directory: see `agents/assigned-routes.ts`. */
  readonly staleEntries: number;
}

/** As `StoreStats` of store/store.ts. */
export interface StoreFigures {
  readonly size_bytes: number;
  readonly commits: number;
  readonly journalRecords: number;
  readonly deadLetters: number;
  readonly outbox: number;
  readonly commit_ms: readonly number[];
}

export interface SystemFigures {
  /** 0 to 100 of all cores. */
  readonly cpu_percent: number;
  readonly memoryAvailable_bytes: number;
  /** Resident memory of the node's process. */
  readonly memory_bytes: number;
  readonly startedAt_ms: number;
}
