/**
 * Consensus as the rest of a node sees it: one replicated state machine, decided by a quorum of voters.
 * Authority, not knowledge: an answer here is what the cluster agreed on. The raft thread does the work;
 * `ConsensusThread` (consensus-thread.ts) is the implementation. Commands and queries are bytes here:
 * control/ gives them their meaning.
 */
import type { NodeId } from "../../base/ids.ts";
import type { LogInspection } from "./log-inspection.ts";
import type { Halt, StateHash } from "../../control/replicated-state.ts";
import type { Address } from "../../ports/datagrams.ts";

/** Bounds of what one `propose` and one `read` may carry. */
export const commandLimit_bytes = 1024 * 1024 + 8 * 1024;
export const queryLimit_bytes = 64 * 1024;

export interface Committed {
  readonly index: number;
  readonly term: number;
  /** What the state machine answered when it applied the command. */
  readonly outcome: Uint8Array;
}

export interface ReadAnswer {
  readonly bytes: Uint8Array;
  /** The answer contains every command up to here. */
  readonly appliedIndex: number;
}

/** `local` asks no one: possibly old, and marked by its index. */
export type Consistency = "linearizable" | "local";

export type ConsensusRole = "follower" | "pre-candidate" | "candidate" | "leader";
export type MemberRole = "voter" | "learner" | "witness";

export interface ConsensusMember {
  readonly node: NodeId;
  readonly role: MemberRole;
  /** Voters of less than the highest priority wait longer before they campaign. */
  readonly priority: number;
  /** The raft identity: the boot epoch in which the member's log began. */
  readonly identity: number;
  /** The boot in which that node greeted this one's raft thread, with a log that is not outdated; null: it has not. */
  readonly boot: number | null;
  /** Whether this node's raft thread has a working stream to it (true for itself). */
  readonly contact: boolean;
  /** The highest index that the leader knows to be on its disk; null on any other node than the leader. */
  readonly match: number | null;
  /** Near enough to the end of the log to become a voter, as the leader sees it. */
  readonly caughtUp: boolean;
}

export interface ConsensusStatus {
  readonly self: NodeId;
  readonly role: ConsensusRole;
  /** This node's part in the configuration; null while it has none. */
  readonly standing: MemberRole | null;
  /** Own raft identity; 0 until the thread has opened its log. */
  readonly identity: number;
  readonly leader: NodeId | null;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly last: number;
  /** Up to here the log was replaced by a snapshot. */
  readonly compacted: number;
  readonly members: readonly ConsensusMember[];
  /** A configuration change is under way. */
  readonly joint: boolean;
  /** Leads and has committed an entry of its own term: it answers reads and changes of members. */
  readonly ready: boolean;
  /** This node leads with a quorum in contact, or has heard of such a leader within an election time-out. */
  readonly quorum: boolean;
  /** Nodes with a vote in contact, this one included where it is one, and how many there are. */
  readonly votersReached: number;
  readonly voters: number;
  /** Why this node takes no part any more (`disk failed: …`, `unknown command …`); null when all is well. */
  readonly trouble: string | null;
  /** Rises whenever something was applied here that nodes act upon: assignments, settings. */
  readonly watched: number;
}

export interface MemberChange {
  readonly node: NodeId;
  /** Null removes it. */
  readonly role: MemberRole | null;
  /** Raft identity of the member that is added, from its gossip tags; left out where it is a member already. */
  readonly identity?: number;
  /** As it was, or 1, when left out. */
  readonly priority?: number;
}

/** The rolling hash of a node's state machine, for comparison between nodes. */
export interface StateCheck {
  readonly node: NodeId;
  readonly state: StateHash;
  readonly halted: Halt | null;
}

export interface ConsensusStats {
  readonly elections: number;
  readonly leaderChanges: number;
  readonly proposals: number;
  readonly proposalsFailed: number;
  readonly reads: number;
  readonly snapshotsSent: number;
  readonly snapshotsReceived: number;
  /** Frames of strangers, malformed ones and such of another identity. */
  readonly refusedFrames: number;
  readonly logBytes: number;
  /** Durable transactions of the log, ms: most recent 512. */
  readonly persist_ms: readonly number[];
  /** From proposal to outcome at the leader, ms: most recent 512. */
  readonly commit_ms: readonly number[];
}

export interface Consensus {
  readonly self: NodeId;
  /**
   * Forwarded to the leader from any node; waits for one to be elected within the time-out. Throws `CaxtonError`:
   * `payload_too_large`; `no_quorum` (nothing was proposed: a retry is safe); `outcome_unknown` (it may yet be, or
   * have been, committed: retry only with the same session and sequence); `unavailable` while stopping; and
   * whatever the state machine refuses a command with before it is proposed.
   */
  propose(command: Uint8Array, options: { readonly timeout_ms: number }): Promise<Committed>;
  /** Linearizable: by read-index through the leader, then answered by this node's own state. Throws as `propose`, without `outcome_unknown`. */
  read(
    query: Uint8Array,
    options: { readonly consistency: Consistency; readonly timeout_ms: number },
  ): Promise<ReadAnswer>;
  /** As last told by the thread: indices may be 50 ms old, everything else is told as it changes. */
  status(): ConsensusStatus;
  /** At each change of leader, term, standing, members, quorum or trouble; not at each index. */
  onStatus(handler: (status: ConsensusStatus) => void): () => void;
  /** To the named voter, or the one that is furthest. Resolves with the new leader. Throws `no_quorum`, `conflict`, `timeout`. */
  transferLeadership(to: NodeId | null, options: { readonly timeout_ms: number }): Promise<NodeId>;
  /** All of `changes` as one joint change; resolves when the new configuration alone is committed. Only at the leader. */
  changeMembership(
    changes: readonly MemberChange[],
    options: { readonly timeout_ms: number },
  ): Promise<{ readonly index: number }>;
  /** Hash at this node's applied index. */
  check(options: { readonly timeout_ms: number }): Promise<StateCheck>;
  /** Reads a slice of this node's log anew, from an entry on; from 0 the file as well. */
  inspect(from: number, options: { readonly timeout_ms: number }): Promise<LogInspection>;
  /** Snapshots and compacts the log now, as far as rules allow. Resolves with the index it is compacted to. */
  compact(options: { readonly timeout_ms: number }): Promise<number>;
  /** A sign, or proof, that a node's process of that boot epoch (null: whichever) is gone. Harmless when wrong. */
  hint(node: NodeId, bootEpoch: number | null): void;
  /** Where a node's raft thread listens; the membership tells. */
  setAddress(node: NodeId, address: Address | undefined): void;
  stats(): Promise<ConsensusStats>;
  /** Gives leadership away first when this node has it, within the deadline, then ends the thread. */
  stop(deadline_ms: number): Promise<void>;
}
