/**
 * What goes into the Raft core and what comes out: plain data. `raft.stepAll(inputs, now_ms)` takes everything that
 * waits, in order of arrival, and gives one list of effects with at most one `persist`: one transaction a turn.
 *
 * Durability: a `send` with `after: n` leaves only when `persist` n (and those before it) is on disk; one with
 * `after: 0` may leave at once. All other effects are performed in order. A driver that completes each persist
 * before it goes on may simply perform the list in order. Each persist is answered by `persisted`.
 */
import type { Configuration, Member, RaftId } from "./configuration.ts";
import type { Entry, HardState, LogPosition } from "./entry.ts";
import type { RaftMessage, SnapshotMark } from "./messages.ts";
import type { RaftTiming } from "./timing.ts";

export type RaftInput =
  /** Only lets what is due happen. */
  | { readonly kind: "tick" }
  /** Authenticated: `from` really said it. */
  | { readonly kind: "message"; readonly from: RaftId; readonly message: RaftMessage }
  /** Persist `id` and all before it are on disk. */
  | { readonly kind: "persisted"; readonly id: number }
  /** A write failed: this participant gives leadership away as well as it can and takes no further part. */
  | { readonly kind: "storage-failed"; readonly reason: string }
  /** The state machine has applied everything up to `index`. */
  | { readonly kind: "applied"; readonly index: number }
  /** Applied up to `index` even after a loss of power: the log may be compacted to here. */
  | { readonly kind: "settled"; readonly index: number }
  /** Answered by `proposal` with the same `id`, which the driver never uses twice. */
  | { readonly kind: "propose"; readonly id: number; readonly data: Uint8Array }
  /** Answered by `read`. */
  | { readonly kind: "read"; readonly id: number }
  /** The members that there shall be; answered by `membership`. Only a leader does it. */
  | { readonly kind: "change-membership"; readonly id: number; readonly members: readonly Member[] }
  /** To the named voter, or the one that is furthest; answered by `transfer`. */
  | { readonly kind: "transfer"; readonly id: number; readonly to: RaftId | null }
  /** A sign, or proof, that this participant's process is gone or out of reach. Harmless when wrong. */
  | { readonly kind: "hint"; readonly peer: RaftId }
  | { readonly kind: "timing"; readonly timing: RaftTiming }
  /** The longest round trip to another voter, as measured. */
  | { readonly kind: "round-trip"; readonly roundTrip_ms: number }
  /** Answers `snapshot-open`. */
  | { readonly kind: "snapshot-opened"; readonly transfer: number; readonly position: LogPosition }
  /** Answers `snapshot-read`. */
  | {
      readonly kind: "snapshot-chunk";
      readonly transfer: number;
      readonly chunk: number;
      readonly bytes: Uint8Array;
      readonly final: boolean;
    }
  /** The snapshot that is sent cannot be opened or read. */
  | { readonly kind: "snapshot-failed"; readonly transfer: number; readonly reason: string }
  /** Answers `snapshot-take`; `wanted` is the chunk that is now next (the same one when it was not sound). */
  | { readonly kind: "snapshot-taken"; readonly mark: SnapshotMark; readonly wanted: number }
  /** Answers `snapshot-install`, and `snapshot-take` of what can never be good. Not installed: nothing was changed. */
  | { readonly kind: "snapshot-installed"; readonly mark: SnapshotMark; readonly installed: boolean }
  /** Compact to the settled index at once, as far as transfers allow. */
  | { readonly kind: "compact" };

export type RaftRole = "follower" | "pre-candidate" | "candidate" | "leader";

/** `accepted`: it stands at `position`; it is committed if and only if that very entry is applied. */
export type ProposalResult =
  | { readonly kind: "accepted"; readonly position: LogPosition }
  /** Nothing was appended anywhere. `no-leader` and `busy` may be tried again. */
  | {
      readonly kind: "refused";
      readonly reason: "no-leader" | "busy" | "too-large" | "transferring" | "stopped";
    }
  /** The leader never takes this command, as its driver says; nothing was appended. */
  | { readonly kind: "rejected"; readonly by: RaftId; readonly code: string; readonly detail: string }
  /** It was forwarded, and the leader changed before it answered. */
  | { readonly kind: "unknown" };

export type ReadResult =
  /** The state machine has applied `index`: query it now. */
  | { readonly kind: "ready"; readonly index: number }
  | { readonly kind: "refused"; readonly reason: "no-leader" | "busy" | "leader-changed" | "stopped" };

export type MembershipResult =
  /** The new configuration alone is committed. */
  | { readonly kind: "changed"; readonly index: number }
  | {
      readonly kind: "refused";
      readonly reason:
        | "not-leader"
        | "not-ready"
        | "pending"
        | "transferring"
        | "no-voters"
        | "too-many"
        | "role-change"
        | "not-caught-up"
        | "invalid";
    }
  /** Leadership ended meanwhile; it may yet happen. */
  | { readonly kind: "unknown" };

export type TransferResult =
  | { readonly kind: "transferred"; readonly to: RaftId }
  | { readonly kind: "refused"; readonly reason: "not-leader" | "no-target" | "lease-reads" }
  /** Nobody else was seen to lead in time; this participant goes on. */
  | { readonly kind: "timeout" };

export type RaftEffect =
  | { readonly kind: "send"; readonly to: RaftId; readonly message: RaftMessage; readonly after: number }
  /**
   * In one durable transaction: with `reset`, drop the whole log and put it at that base; then drop all entries from
   * `truncateFrom` on; then add `entries`; then write the hard state. `id` counts up by one.
   */
  | {
      readonly kind: "persist";
      readonly id: number;
      readonly hardState: HardState | null;
      readonly reset: { readonly base: LogPosition; readonly configuration: Configuration } | null;
      readonly truncateFrom: number | null;
      readonly entries: readonly Entry[];
    }
  /** Committed and durable here; the next ones come after `applied`. Includes noops and configurations. */
  | { readonly kind: "apply"; readonly entries: readonly Entry[] }
  /** Drop entries up to `base.index`; `configuration` counts there. Relaxed: may be lost in a crash. */
  | { readonly kind: "compact"; readonly base: LogPosition; readonly configuration: Configuration }
  | { readonly kind: "proposal"; readonly id: number; readonly result: ProposalResult }
  | { readonly kind: "read"; readonly id: number; readonly result: ReadResult }
  | { readonly kind: "membership"; readonly id: number; readonly result: MembershipResult }
  | { readonly kind: "transfer"; readonly id: number; readonly result: TransferResult }
  /** Role, term, leader, configuration, readiness or `stopped` changed: look at `raft.status`. */
  | { readonly kind: "status" }
  /** This log lacks what it had told its leader to have: it has stopped, may never vote again, and is to be made anew. */
  | { readonly kind: "log-lost"; readonly acknowledged: number; readonly last: number }
  /** Export the state machine as it is now (at least to the applied index) for `transfer`. One at a time. */
  | { readonly kind: "snapshot-open"; readonly transfer: number }
  | { readonly kind: "snapshot-read"; readonly transfer: number; readonly chunk: number }
  | { readonly kind: "snapshot-close"; readonly transfer: number }
  /** Chunk 0 begins anew and abandons what was being received before. */
  | {
      readonly kind: "snapshot-take";
      readonly mark: SnapshotMark;
      readonly chunk: number;
      readonly bytes: Uint8Array;
      readonly final: boolean;
    }
  /** What is being received is no longer wanted. */
  | { readonly kind: "snapshot-abandon" }
  /**
   * All chunks are taken: replace the state machine, and the log by an empty one at the mark's position and
   * configuration. It must be finished after a crash in between: note the mark durably first.
   */
  | { readonly kind: "snapshot-install"; readonly mark: SnapshotMark };
