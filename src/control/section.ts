/**
 * One table of the control state, with its count, bytes and hash kept as it changes. Every write of a
 * feature goes through here, so that no change can be missing in the hash.
 *
 * The hash of a table is the exclusive or of its rows' hashes (SHA-256, 128 bits of it): it does not depend on
 * the order or the history of the changes, and can be computed anew from what lies on the disk.
 */
import { hash } from "node:crypto";
import { assert } from "../base/assert.ts";
import { CaxtonError } from "../base/errors.ts";
import { LruMap } from "../base/lru-map.ts";
import { compareUtf8 } from "../base/utf8-order.ts";
import type { Database, SqlRow, SqlValue, Statement } from "../ports/database.ts";
import { Writer } from "../wire/cursor.ts";
import { RowBuffer } from "./row-buffer.ts";

export type ColumnType = "integer" | "text" | "bytes";

export interface ColumnDefinition {
  readonly name: string;
  readonly type: ColumnType;
  /** Left out where only the other columns are looked at. */
  readonly large?: true;
}

export interface SectionDefinition {
  /** The table's name. */
  readonly name: string;
  /** The migration that makes it: a released one never changes, a new section gets the next number. */
  readonly since: number;
  readonly key: ColumnDefinition;
  readonly columns: readonly ColumnDefinition[];
  /** Nodes act upon it: they are told at once when it changed. */
  readonly watched?: true;
  /** Columns with an index, for expiry. */
  readonly indexed?: readonly string[];
}

/** What replaces a row; the section looks at it only for its bookkeeping. */
export interface RowMark {
  readonly digest: Uint8Array;
  readonly size: number;
}

export const digest_bytes = 16;
/** Rows of a section whose small columns are kept at hand: what was changed lately is changed again. */
const kept_max = 16_384;
/** Whole rows of a section that were read lately, and how large each may be. */
const read_max = 256;
const readRow_bytes = 16 * 1_024;
const sqlTypes = { integer: "INTEGER", text: "TEXT", bytes: "BLOB" } as const;

export function columnsOf(definition: SectionDefinition): readonly ColumnDefinition[] {
  return [definition.key, ...definition.columns];
}

/** The table as `name`, which is the section's own unless a snapshot is being received. */
export function createTable(definition: SectionDefinition, name = definition.name): string {
  const columns = columnsOf(definition).map(
    ({ name: column, type }) => `${column} ${sqlTypes[type]} NOT NULL`,
  );
  columns.push("size INTEGER NOT NULL", "digest BLOB NOT NULL", `PRIMARY KEY (${definition.key.name})`);
  return `CREATE TABLE ${name} (${columns.join(", ")}) STRICT, WITHOUT ROWID;`;
}

export function createIndexes({ name, indexed = [] }: SectionDefinition): string {
  return indexed.map((column) => `CREATE INDEX ${name}_by_${column} ON ${name} (${column});`).join("\n");
}

export class Section {
  readonly definition: SectionDefinition;
  readonly #database: Database;
  readonly #table: string;
  readonly #columns: readonly ColumnDefinition[];
  /** What selects all columns, and the small ones. */
  readonly #all: string;
  readonly #smallOnly: string;
  readonly #digest = new Uint8Array(digest_bytes);
  readonly #encoder = new Writer(1_024);
  readonly #small: readonly { readonly name: string; readonly at: number }[];
  /** As they are in the table, without large columns, the least recently used first. */
  readonly #kept = new Map<SqlValue, SqlRow & RowMark>();
  /** As they are in the table, whole: what many ask for is read once. */
  readonly #whole = new LruMap<SqlValue, SqlRow & RowMark>(read_max);
  readonly #get: Statement;
  readonly #peek: Statement;
  readonly #delete: Statement;
  readonly #unwritten: RowBuffer;
  rows = 0;
  bytes = 0;
  /** Rows written or deleted since this was opened, whatever became of the transaction. */
  writes = 0;
  /** Changed since `changed` was last set to false by whoever saves the totals. */
  changed = false;

  constructor(database: Database, definition: SectionDefinition, table = definition.name) {
    this.definition = definition;
    this.#database = database;
    this.#table = table;
    this.#columns = columnsOf(definition);
    this.#small = this.#columns.flatMap(({ name, large }, at) => (large === true ? [] : [{ name, at }]));
    this.#all = selected(this.#columns);
    this.#smallOnly = selected(this.#columns.filter(({ large }) => large !== true));
    const key = definition.key.name;
    this.#get = database.prepare(`SELECT ${this.#all} FROM ${table} WHERE ${key} = ?`);
    this.#peek = database.prepare(`SELECT ${this.#smallOnly} FROM ${table} WHERE ${key} = ?`);
    const names = [...this.#columns.map(({ name }) => name), "size", "digest"];
    this.#unwritten = new RowBuffer(database, table, names);
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE ${key} = ?`);
  }

  /** Totals as they were saved. */
  restore(totals: { readonly rows: number; readonly bytes: number; readonly digest: Uint8Array }): void {
    assert(totals.digest.length === digest_bytes, "a section's digest has 16 bytes");
    this.rows = totals.rows;
    this.bytes = totals.bytes;
    this.#digest.set(totals.digest);
    this.#kept.clear();
    this.#whole.clear();
    this.#unwritten.clear();
    this.changed = false;
  }

  /** A copy. */
  get digest(): Uint8Array {
    return this.#digest.slice();
  }

  get(key: SqlValue): (SqlRow & RowMark) | undefined {
    const known = this.#whole.get(key);
    if (known !== undefined) return known;
    if (this.#unwritten.has(key)) this.flush();
    const row = this.#get.get(key) as (SqlRow & RowMark) | undefined;
    // Keys of bytes are equal without being the same.
    const isSmall = row !== undefined && row.size <= readRow_bytes && !(key instanceof Uint8Array);
    if (isSmall) this.#whole.set(key, row);
    return row;
  }

  /** Without large columns. */
  peek(key: SqlValue): (SqlRow & RowMark) | undefined {
    let known = this.#kept.get(key);
    if (known === undefined) {
      if (this.#unwritten.has(key)) this.flush();
      known = this.#peek.get(key) as (SqlRow & RowMark) | undefined;
    }
    if (known !== undefined) this.#keep(key, known);
    return known;
  }

  /**
   * `before` is what `get` or `peek` gave for the key; `values` all columns in order, the key first, which stay as they
   * are. The row counts from now on, and lies in its table after `flush` or the next look that would miss it.
   */
  put(before: RowMark | undefined, values: readonly SqlValue[]): void {
    this.#whole.delete(values[0] as SqlValue);
    const encoded = this.encode(values);
    const digest = digestOf(encoded);
    this.#unwritten.put(values[0] as SqlValue, [...values, encoded.length, digest], encoded.length);
    if (before !== undefined) this.#count(before, -1);
    const mark = { digest, size: encoded.length };
    this.#count(mark, 1);
    const row: Record<string, SqlValue> = { ...mark };
    for (const { name, at } of this.#small) row[name] = ownOf(values[at] as SqlValue);
    this.#keep(values[0] as SqlValue, row as SqlRow & RowMark);
  }

  delete(before: RowMark, key: SqlValue): void {
    if (this.#unwritten.has(key)) this.flush();
    const { changes } = this.#delete.run(key);
    assert(changes === 1, `a row that was there is deleted from ${this.#table}`);
    this.#whole.delete(key);
    this.#kept.delete(key);
    this.#count(before, -1);
  }

  /** Before the transaction ends. */
  flush(): void {
    this.#unwritten.flush();
  }

  /**
   * Rows in order after a key (null: from the first), all columns unless `small`. Throws `data_corrupt` where they do
   * not ascend: who goes from the last of them to the next would never come to an end.
   */
  walk(after: SqlValue, limit: number, small = false): readonly (SqlRow & RowMark)[] {
    this.flush();
    const key = this.definition.key.name;
    const select = `SELECT ${small ? this.#smallOnly : this.#all} FROM ${this.#table}`;
    const rows =
      after === null
        ? this.#database.prepare(`${select} ORDER BY ${key} LIMIT ?`).all(limit)
        : this.#database.prepare(`${select} WHERE ${key} > ? ORDER BY ${key} LIMIT ?`).all(after, limit);
    let before = after;
    for (const row of rows) {
      const at = row[key] as SqlValue;
      if (before !== null && !ascends(before, at)) {
        throw new CaxtonError(
          "data_corrupt",
          `The keys of ${this.#table} in the control state do not ascend`,
        );
      }
      before = at;
    }
    return rows as (SqlRow & RowMark)[];
  }

  /** As `walk`, whole rows, while together they stay within `limit_bytes`; at least one. */
  walkWithin(after: SqlValue, limit: number, limit_bytes: number): readonly (SqlRow & RowMark)[] {
    if (!this.#columns.some(({ large }) => large === true)) return this.walk(after, limit);
    let count = 0;
    let bytes = 0;
    for (const { size } of this.walk(after, limit, true)) {
      bytes += size;
      if (count > 0 && bytes > limit_bytes) break;
      count++;
    }
    return count === 0 ? [] : this.walk(after, count);
  }

  /** Whole rows whose indexed `column` is above `value`, the lowest first. */
  above(column: string, value: number, limit: number): readonly (SqlRow & RowMark)[] {
    this.flush();
    const rows = this.#database
      .prepare(`SELECT ${this.#all} FROM ${this.#table} WHERE ${column} > ? ORDER BY ${column} LIMIT ?`)
      .all(value, limit);
    return rows as (SqlRow & RowMark)[];
  }

  /** Keys whose indexed `column` is at most `limit_value`, the lowest first. */
  upTo(column: string, limit_value: number, limit: number): readonly SqlValue[] {
    this.flush();
    const { name } = this.definition.key;
    return this.#database
      .prepare(`SELECT ${name} FROM ${this.#table} WHERE ${column} <= ? ORDER BY ${column}, ${name} LIMIT ?`)
      .all(limit_value, limit)
      .map((row) => row[name] as SqlValue);
  }

  /** The canonical bytes of a row, in a buffer that the next call reuses. Throws for a value of another type. */
  encode(values: readonly SqlValue[]): Uint8Array {
    assert(values.length === this.#columns.length, `${this.#columns.length} columns in ${this.#table}`);
    const writer = this.#encoder;
    writer.reset();
    for (let i = 0; i < values.length; i++) {
      const column = this.#columns[i] as ColumnDefinition;
      const value = values[i];
      if (column.type === "integer" && typeof value === "number") writer.u64(value);
      else if (column.type === "text" && typeof value === "string") writer.text(value);
      else if (column.type === "bytes" && value instanceof Uint8Array) writer.blob(value);
      else throw new TypeError(`${this.#table}.${column.name} takes ${column.type}`);
    }
    return writer.view();
  }

  #keep(key: SqlValue, row: SqlRow & RowMark): void {
    // Keys of bytes are equal without being the same.
    if (key instanceof Uint8Array) return;
    this.#kept.delete(key);
    this.#kept.set(key, row);
    if (this.#kept.size <= kept_max) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      break;
    }
  }

  #count(row: RowMark, sign: 1 | -1): void {
    this.rows += sign;
    this.bytes += sign * row.size;
    xorInto(this.#digest, row.digest);
    this.changed = true;
    this.writes++;
  }
}

/** Whether `after` follows `before` in the order of the table. */
function ascends(before: SqlValue, after: SqlValue): boolean {
  if (typeof before === "string" && typeof after === "string") return compareUtf8(before, after) < 0;
  if (before instanceof Uint8Array && after instanceof Uint8Array) return Buffer.compare(before, after) < 0;
  return typeof before === "number" && typeof after === "number" && before < after;
}

function selected(columns: readonly ColumnDefinition[]): string {
  return [...columns.map(({ name }) => name), "size", "digest"].join(", ");
}

/** Rises with every change that nodes act upon. */
export function writesOfWatched(sections: Iterable<Section>): number {
  let writes = 0;
  for (const section of sections) if (section.definition.watched === true) writes += section.writes;
  return writes;
}

/** Bytes may be a part of something larger, which is not to stay in memory for them. */
function ownOf(value: SqlValue): SqlValue {
  return value instanceof Uint8Array ? value.slice() : value;
}

export function digestOf(bytes: Uint8Array): Uint8Array {
  const whole = hash("sha256", bytes, "buffer");
  // A view of so small an array costs more than the copy, and keeps all of it.
  const digest = new Uint8Array(digest_bytes);
  for (let i = 0; i < digest_bytes; i++) digest[i] = whole[i] as number;
  return digest;
}

export function xorInto(target: Uint8Array, digest: Uint8Array): void {
  for (let i = 0; i < digest_bytes; i++) target[i] = (target[i] as number) ^ (digest[i] as number);
}
