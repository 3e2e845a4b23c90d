/**
 * A SQL database on one file (libSQL). Synchronous on purpose: the engine is, and it lives on a
 * thread that may block. One connection, one writer.
 */

export type SqlValue = null | number | bigint | string | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface Statement {
  run(...values: readonly SqlValue[]): { readonly changes: number };
  get(...values: readonly SqlValue[]): SqlRow | undefined;
  all(...values: readonly SqlValue[]): SqlRow[];
}

/**
 * `durable`: on disk when the transaction returns. `relaxed`: atomic and in order with the others,
 * but a loss of power may take it back until the next durable one; for what can be derived again.
 * `preview`: always taken back, and needs no room on the disk; for a look at what would be.
 */
export type TransactionMode = "durable" | "relaxed" | "preview";

export interface HeldTransaction {
  /** False when it has ended, also by the engine itself. */
  readonly open: boolean;
  /** Throws as `Database`, and then nothing of it is left. */
  commit(): void;
  /** Harmless when it has ended. */
  rollback(): void;
}

/**
 * Every method throws `CaxtonError`: `disk_full`, `data_corrupt`, `data_locked` (another process
 * holds the file), `storage_failed`; after a throw inside `transaction` nothing of it is left.
 * Integers come back as numbers and must be safe ones.
 */
export interface Database {
  /** Several statements without parameters: migrations and pragmas. */
  execute(sql: string): void;
  /** Prepared once and kept; `sql` must be a constant of the program. */
  prepare(sql: string): Statement;
  /** `work` in BEGIN IMMEDIATE … COMMIT; rolled back when it throws. Not nested. */
  transaction<T>(work: () => T, mode?: TransactionMode): T;
  /**
   * A relaxed transaction that stays open over many calls, so that pages which change again are written once.
   * No other may begin before it has ended. The engine may end it by itself when a write fails.
   */
  begin(): HeldTransaction;
  /** Harmless twice. Nothing works afterwards. */
  close(): void;
}

export interface DatabaseOptions {
  /** Changes nothing on disk but the index file of the write-ahead log; the file must exist. */
  readonly readonly?: boolean;
  /** Beyond this size writes fail with `disk_full`, as on a full disk. */
  readonly maximum_bytes?: number;
}

export interface Databases {
  /** Whether there is a non-empty database at `path`. */
  exists(path: string): boolean;
  /** Opens or creates. Throws `CaxtonError`: `data_corrupt`, `disk_full`, `storage_failed`. */
  open(path: string, options?: DatabaseOptions): Database;
  /**
   * What is committed at `path` as it is now, readonly, whatever is written meanwhile. It pins disk space:
   * close it soon. The database must exist. Throws as `open`.
   */
  view(path: string): Database;
  /**
   * The write-ahead log that a process which was killed left beside the file, undefined where there is none. To be read
   * before the file is opened. Absent where there are no files.
   */
  leftover?(path: string): Uint8Array | undefined;
}
