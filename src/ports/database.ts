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

export interface Database {
  /** Several statements without parameters: migrations and pragmas. */
  execute(sql: string): void;
  /** Prepared once and kept; `sql` must be a constant of the program. */
  prepare(sql: string): Statement;
  /** `work` in BEGIN IMMEDIATE … COMMIT; rolled back when it throws. Not nested. */
  transaction<T>(work: () => T): T;
  close(): void;
}

export interface Databases {
  /** Opens or creates. Throws `CaxtonError`: `data_corrupt`, `disk_full`, `storage_failed`. */
  open(path: string, options?: { readonly readonly?: boolean }): Database;
}
