/**
 * Rows of one table that count and are not written yet. A statement costs as much as a row, and a row that changes again
 * is written once: so they go together, many a statement. Whoever looks into the table flushes first; knows no hash.
 */
import type { Database, SqlValue, Statement } from "../ports/database.ts";

/** Written by one statement where there are so many. */
const together_rows = 16;
/** So many, or so many bytes of them, are written at once. */
const unwritten_rows_max = 512;
const unwritten_bytes_max = 1024 * 1024;

export class RowBuffer {
  readonly #one: Statement;
  readonly #many: Statement;
  readonly #rows = new Map<SqlValue, readonly SqlValue[]>();
  #bytes = 0;

  /** `columns` in the order of the values, the key first. */
  constructor(database: Database, table: string, columns: readonly string[]) {
    const row = `(${columns.map(() => "?").join(", ")})`;
    const insert = `INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES ${row}`;
    this.#one = database.prepare(insert);
    this.#many = database.prepare(insert + `, ${row}`.repeat(together_rows - 1));
  }

  /** Whether the table may lack what counts for the key. */
  has(key: SqlValue): boolean {
    return this.#rows.size > 0 && this.#rows.has(key);
  }

  /** Throws what the database throws, as `flush` does; the row stays until it is written, or `clear`. */
  put(key: SqlValue, values: readonly SqlValue[], size_bytes: number): void {
    // Keys of bytes are equal without being the same.
    if (key instanceof Uint8Array) {
      this.#one.run(...values);
      return;
    }
    this.#rows.set(key, values);
    this.#bytes += size_bytes;
    if (this.#rows.size >= unwritten_rows_max || this.#bytes >= unwritten_bytes_max) this.flush();
  }

  /** One that fails half-way can be done again: a row that is written twice is the same. */
  flush(): void {
    if (this.#rows.size === 0) return;
    const rows = [...this.#rows.values()];
    let at = 0;
    for (; at + together_rows <= rows.length; at += together_rows)
      this.#many.run(...rows.slice(at, at + together_rows).flat());
    for (const values of rows.slice(at)) this.#one.run(...values);
    this.clear();
  }

  /** What they belong to was taken back. */
  clear(): void {
    this.#rows.clear();
    this.#bytes = 0;
  }
}
