/**
 * What consensus replicates, as its driver sees it: a state that changes only by committed entries,
 * in their order, the same on every replica. `ControlState` implements it on libSQL; it lives on the
 * raft thread, is synchronous, and knows no time, no randomness and no network of its own.
 */

/** A committed entry. `data` of a configuration is its encoding; of a noop it is empty. */
export interface CommittedEntry {
  readonly index: number;
  readonly term: number;
  readonly kind: "command" | "configuration" | "noop";
  readonly data: Uint8Array;
}

export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/** What a leader adds to a command that it proposes, so that all replicas see one time. */
export interface LeaderStamp {
  /** Time since this leader's term of leadership began, on its monotonic clock: what expiries count by. */
  readonly elapsed_ms: number;
  /** Unix time of the leader, for people to read; nothing is decided by it. */
  readonly wall_ms: number;
}

export interface StateHash {
  readonly index: number;
  /** 32 hexadecimal digits, equal on all replicas at one index. */
  readonly root: string;
  readonly sections: readonly { readonly name: string; readonly rows: number; readonly hash: string }[];
}

/** The state met something that it does not know or that contradicts it, and applies nothing further. */
export interface Halt {
  /** The entry that was not applied. */
  readonly index: number;
  readonly reason: string;
}

export interface ReplicatedState {
  /** The last entry whose effects are visible; after a crash it may be an older one, never below `settled`. */
  readonly applied: LogPosition;
  /** The index that even a loss of power cannot take back: the log may be compacted up to here. */
  readonly settled: number;
  /** The newest configuration among the applied entries, with its index; null before the first. */
  readonly configuration: { readonly index: number; readonly data: Uint8Array } | null;
  readonly halted: Halt | null;
  readonly hash: StateHash;

  /**
   * The entry's data for a command that a client sent, checked and stamped; for the leader, before it proposes.
   * Throws `CaxtonError`: `invalid_argument` (malformed), `version_mismatch` (unknown here), `payload_too_large`.
   */
  stamp(command: Uint8Array, stamp: LeaderStamp): Uint8Array;

  /**
   * Applies entries that follow `applied` without a gap, in one transaction with the applied index, which may be left
   * open: see `commit`. Gives an outcome for each (empty for what is no command); fewer than entries only when it
   * halted on the way, and none once it is halted. Throws `CaxtonError` (`disk_full`, `storage_failed`,
   * `data_corrupt`): nothing of the call is applied then, and it may be tried again.
   */
  apply(entries: readonly CommittedEntry[]): readonly Uint8Array[];

  /** Whether `commit` has something to do. */
  readonly uncommitted: boolean;

  /** Writes what was applied, as after a crash it would have to be applied again. Throws as `apply`; try it again. */
  commit(): void;

  /** Makes everything applied durable and returns its index. Throws as `apply`. */
  settle(): number;

  /** Read only, of the state at `applied`. Throws `CaxtonError` for a query that is malformed or unknown, and as `apply`. */
  query(query: Uint8Array): Uint8Array;

  /**
   * A consistent copy of the state as it is now; `apply` may go on while it is read. It pins disk
   * space until it is closed: one at a time, and its user sets a deadline.
   */
  exportSnapshot(): SnapshotExport;

  /**
   * Prepares to replace everything with a snapshot. The state stays as it is, and usable, until
   * `finish`. A second call abandons the first.
   */
  importSnapshot(): SnapshotImport;

  close(): void;
}

export interface SnapshotExport {
  readonly position: LogPosition;
  readonly configuration: { readonly index: number; readonly data: Uint8Array } | null;
  /**
   * Chunk `number`, from 0, at most `snapshotChunk_bytes` (one row larger than that alone); any chunk again, or
   * the next one. `last` says that there is none after it. Bytes carry their own number and checksum.
   */
  chunk(number: number): { readonly bytes: Uint8Array; readonly last: boolean };
  /** Harmless twice. */
  close(): void;
}

export interface SnapshotImport {
  /** The number of the chunk that is wanted next. */
  readonly wanted: number;
  /**
   * Takes the wanted chunk; one that was taken before changes nothing. Throws `data_corrupt` for a wrong checksum,
   * order or content (the chunk may be sent again), `version_mismatch` for a snapshot of a newer program.
   */
  add(bytes: Uint8Array): { readonly complete: boolean };
  /** Replaces the state in one durable transaction; `applied` and `settled` are the snapshot's then. */
  finish(): LogPosition;
  /** Drops what was received. Harmless twice and after `finish`. */
  abandon(): void;
}
