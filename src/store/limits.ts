/** The bounds of the store, each by name. What an agent may keep (state, timers) is bounded where agents run. */
import { messageLimit_bytes } from "../wire/message.ts";

const mebibyte = 1024 * 1024;

/** One `append`: a handled message with several of the largest sends. */
export const batchLimit_bytes = 4 * messageLimit_bytes;
/** Journals that ended on this node and are kept for inspection; the oldest go first. */
export const keptJournals_max = 1_000;
/** Appends of one client that are not yet answered; beyond, `append` rejects with `queue_full`. */
export const clientAppendsLimit = 16_384;
export const clientAppendsLimit_bytes = 64 * mebibyte;
/** Other requests of one client that are not yet answered. */
export const clientRequestsLimit = 16_384;
/** Appends of all clients that wait for one commit. */
export const queueLimit_bytes = 256 * mebibyte;
/** Agents' records saved in one transaction. */
export const saveGroupLimit = 1_024;
/** One commit, unless a single append is larger. */
export const groupLimit_bytes = 16 * mebibyte;

/**
 * Applied in one transaction; what a commit may have to wait for. Rows are what takes the time: many
 * records that undo one another (mail that came and was handled) make a slice of few rows.
 */
export const sliceLimit_rows = 4_096;
export const sliceLimit_records = 16_384;
export const sliceLimit_bytes = 8 * mebibyte;
/**
 * From here on idle moments are used at once; below, after `quiet_ms` without a commit. As much as a
 * slice takes: the more records come together, the fewer rows are left of each.
 */
export const eagerBacklog_records = 16_384;
export const eagerBacklog_bytes = 8 * mebibyte;
export const quiet_ms = 200;
/** The journal never grows beyond this by more than a commit: applying then comes first. */
export const backlogLimit_records = 65_536;
export const backlogLimit_bytes = 64 * mebibyte;

/** What a table of messages keeps. */
export interface Retention {
  readonly count: number;
  readonly bytes: number;
}
/** The oldest are dropped and counted; the last one stays, whatever its size. */
export const deadLetterRetention: Retention = { count: 10_000, bytes: 64 * mebibyte };
/** Messages kept for listings; the oldest go first. */
export const conversationRetention: Retention = { count: 100_000, bytes: 256_000_000 };
/** Names listed of one conversation. */
export const participantsLimit = 64;
/** Ids of handled messages an agent, for de-duplication. */
export const handledLimit = 4_096;
/** Ids in one row of them: a bound on what a slice rewrites. */
export const handledRow_ids = 128;

export const moduleLimit_bytes = 64 * mebibyte;
export const metaKeyLimit = 256;
export const metaValueLimit_bytes = mebibyte;
/** Items of one page, whatever was asked for, and the bytes after which a page ends early. */
export const pageLimit = 1_000;
export const pageLimit_bytes = 32 * mebibyte;
/** Outbox messages of one answer; the client asks until it has all. */
export const outboxPage_bytes = 8 * mebibyte;
/** Commit times kept for the statistics. */
export const commitTimesLimit = 512;

/** A larger file is not checked as a whole at the start, which would take seconds. */
export const quickCheckLimit_bytes = 64 * mebibyte;
