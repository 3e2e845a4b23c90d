/** Bounds of the control state. They are part of its rules: all replicas refuse at the same point. */

export const kvKeys_max = 1_000_000;
export const kvBytes_max = 1024 * 1024 * 1024;
export const settings_max = 1_000;
export const locks_max = 100_000;
/** A lock that ran out so long ago is forgotten. */
export const lockRemains_ms = 600_000;

export const sessions_max = 4_096;
/** Commands of one session that are executed and not known to be answered. */
export const sessionWindow_max = 1_024;
/** A session that was idle for so long ends. */
export const sessionIdle_ms = 600_000;
/** When all places are taken, a session that was idle for so long makes room. */
export const sessionIdleUnderPressure_ms = 60_000;

export const idempotencyRecords_max = 200_000;
export const idempotencyKept_ms = 24 * 3_600_000;
/** When all places are taken, records older than this make room; younger ones never do. */
export const idempotencyKeptUnderPressure_ms = 600_000;

/** Expired things are looked for this often in the leaders' time, so many at once. */
export const sweepInterval_ms = 1_000;
export const sweep_max = 1_000;

/** Entries applied in one transaction, and their bytes: a commit blocks the raft thread for a moment. */
export const heldEntries_max = 1_024;
export const heldEntries_bytes = 4 * 1024 * 1024;

/** Hashes that are kept for comparison, newest first. */
export const marks_max = 64;
export const snapshotChunk_bytes = 256 * 1024;
