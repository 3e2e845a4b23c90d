/** Metrics of consensus as this node takes part in it. */
import { type Instrument, labelled, quantiles_seconds } from "./instrument.ts";
import type { ConsensusFigures } from "./sources.ts";

export const consensusTable: readonly Instrument<ConsensusFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_raft_is_leader",
    help: "1 while this node leads",
    read: (f) => (f.isLeader ? 1 : 0),
  },
  {
    kind: "gauge",
    name: "caxton_raft_quorum",
    help: "1 while a leader with a quorum is known here",
    read: (f) => (f.quorum ? 1 : 0),
  },
  { kind: "gauge", name: "caxton_raft_term", help: "The current term", read: (f) => f.term },
  {
    kind: "gauge",
    name: "caxton_raft_index",
    help: "Entries of the log: written, committed and applied here",
    read: (f) => labelled("state", { last: f.last, committed: f.commit, applied: f.applied }),
  },
  {
    kind: "gauge",
    name: "caxton_raft_apply_lag_entries",
    help: "Committed entries that are not applied here yet",
    read: (f) => f.commit - f.applied,
  },
  {
    kind: "gauge",
    name: "caxton_raft_commit_lag_entries",
    help: "Entries that the slowest voter is behind this leader",
    read: (f) => f.lag_entries,
  },
  {
    kind: "gauge",
    name: "caxton_raft_voters",
    help: "Voters, and those in contact with this node",
    read: (f) => labelled("state", { all: f.voters, reached: f.votersReached }),
  },
  {
    kind: "counter",
    name: "caxton_raft_elections_total",
    help: "Elections that this node began",
    read: (f) => f.elections,
  },
  {
    kind: "counter",
    name: "caxton_raft_leader_changes_total",
    help: "New leaders that this node heard of",
    read: (f) => f.leaderChanges,
  },
  {
    kind: "counter",
    name: "caxton_raft_proposals_total",
    help: "Commands proposed through this node",
    read: (f) => labelled("outcome", { committed: f.proposals, failed: f.proposalsFailed }),
  },
  {
    kind: "counter",
    name: "caxton_raft_reads_total",
    help: "Reads answered by this node",
    read: (f) => f.reads,
  },
  {
    kind: "counter",
    name: "caxton_raft_snapshots_total",
    help: "Snapshots of the control state",
    read: (f) => labelled("direction", { sent: f.snapshotsSent, received: f.snapshotsReceived }),
  },
  {
    kind: "counter",
    name: "caxton_raft_refused_frames_total",
    help: "Frames that were malformed or for another participant",
    read: (f) => f.refusedFrames,
  },
  {
    kind: "gauge",
    name: "caxton_raft_log_bytes",
    help: "Size of the log on disk",
    read: (f) => f.logBytes,
  },
  {
    kind: "gauge",
    name: "caxton_raft_fsync_seconds",
    help: "Recent durable writes of the log",
    read: (f) => quantiles_seconds(f.persist_ms),
  },
  {
    kind: "gauge",
    name: "caxton_raft_commit_seconds",
    help: "Recent commands proposed here, until their outcome",
    read: (f) => quantiles_seconds(f.commit_ms),
  },
];
