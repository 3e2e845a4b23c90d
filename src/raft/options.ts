/** What a core is made with: who it is, how fast, and the bounds of everything that it keeps. */
import { assert } from "../base/assert.ts";
import type { Configuration, RaftId } from "./configuration.ts";
import { encodeConfiguration } from "./configuration-codec.ts";
import type { Entry, HardState } from "./entry.ts";
import type { RaftTiming } from "./timing.ts";

export interface RaftLimits {
  /** Entries and bytes of one append message. */
  readonly appendEntries: number;
  readonly append_bytes: number;
  /** Append messages and bytes under way to one follower. */
  readonly inflightAppends: number;
  readonly inflight_bytes: number;
  /** A follower further behind what is committed is sent portions of so many entries, at a pace (`catch-up-pace.ts`). */
  readonly farEntries: number;
  readonly portionEntries: number;
  /** What a leader has proposed and not committed. */
  readonly uncommitted_bytes: number;
  /** A command. */
  readonly command_bytes: number;
  /** Forwarded proposals that wait for the leader's word. */
  readonly forwarded: number;
  /** Reads that wait. */
  readonly reads: number;
  /** Data of one `apply`. */
  readonly apply_bytes: number;
  /** Entries kept in memory beside those that are not on disk yet. */
  readonly cacheEntries: number;
  readonly cache_bytes: number;
  /** Entries that compaction leaves, so that a follower a little behind needs no snapshot. */
  readonly trailingEntries: number;
  /** Chunks of a snapshot under way. */
  readonly snapshotChunks: number;
  /** A transfer that takes longer is given up: it pins the log behind it. */
  readonly snapshot_ms: number;
}

export const defaultLimits: RaftLimits = {
  appendEntries: 1_024,
  append_bytes: 1_024 * 1_024,
  inflightAppends: 64,
  inflight_bytes: 8 * 1_024 * 1_024,
  farEntries: 2_048,
  portionEntries: 512,
  uncommitted_bytes: 64 * 1_024 * 1_024,
  command_bytes: 2 * 1_024 * 1_024,
  forwarded: 8_192,
  reads: 16_384,
  apply_bytes: 4 * 1_024 * 1_024,
  cacheEntries: 16_384,
  cache_bytes: 16 * 1_024 * 1_024,
  trailingEntries: 10_240,
  snapshotChunks: 4,
  snapshot_ms: 120_000,
};

export interface RaftOptions {
  readonly self: RaftId;
  /** This log holds no commands, ever: it can only be a witness's. */
  readonly witness: boolean;
  readonly timing: RaftTiming;
  /** Hints may start an election early. Excludes `leaseReads`. */
  readonly hints: boolean;
  /** Reads without a round of heartbeats while a quorum has lately answered. Excludes hints and leadership transfer. */
  readonly leaseReads: boolean;
  /** How much faster one clock may run than another: 0.01 is one percent. Shortens the leader's lease. */
  readonly clockDrift: number;
  readonly limits: RaftLimits;
  /** Of the core's own generator; different on each node and at each start. */
  readonly seed: number;
}

export function assertOptions({ hints, leaseReads, clockDrift, limits }: RaftOptions): void {
  assert(!(hints && leaseReads), "lease reads exist only without hints");
  assert(clockDrift >= 0 && clockDrift < 0.5, "clock drift is a share below a half");
  assert(limits.append_bytes <= limits.inflight_bytes, "one append fits into the window");
}

/** What the first participant of a cluster writes into its empty log, once, before its core starts. */
export function foundingRecords(configuration: Configuration): {
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
} {
  const data = encodeConfiguration(configuration);
  return {
    hardState: { term: 1, vote: null, commit: 1 },
    entries: [{ index: 1, term: 1, kind: "configuration", data }],
  };
}
