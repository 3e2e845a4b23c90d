/**
 * Rows of a file that may be damaged. The addon aborts the whole process on text that is no UTF-8, and one flipped bit
 * in a row's header makes text of any value: so no value is ever read as text. A query is wrapped in another that
 * casts each of its columns, and text comes as bytes, which are decoded here. What a statement returns of its own
 * writing (RETURNING), and pragmas, are not wrapped: they may give no text, nor bytes, that lay in the file before.
 */
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type { SqlRow, SqlValue } from "../../ports/database.ts";
import { decodeUtf8, WireError } from "../../wire/cursor.ts";

export interface NativeColumn {
  readonly name: string;
  /** Where it is from, and as what it is declared there; null of an expression. */
  readonly table?: string | null;
  readonly type?: string | null;
}

/** How a column comes: as it is; as bytes that are text; or in two, of which the second says whether the first is text. */
type Reading = "plain" | "text" | "told";

interface GuardedColumn {
  readonly name: string;
  /** With its table, for messages. */
  readonly title: string;
  readonly reading: Reading;
}

export interface GuardedQuery {
  /** Takes the same values, and gives the same rows in the same order. */
  readonly sql: string;
  readonly columns: readonly GuardedColumn[];
}

/** What is to be asked in place of `sql`, whose columns these are; undefined of what is no query. */
export function guardedQuery(sql: string, native: readonly NativeColumn[]): GuardedQuery | undefined {
  if (!/^\s*(?:SELECT|WITH)\b/i.test(sql)) return undefined;
  const columns: GuardedColumn[] = [];
  const selected: string[] = [];
  for (const [i, column] of native.entries()) {
    const { reading, expression } = guarded(`c${i}`, column.type?.toUpperCase());
    columns.push(readAs(column, reading));
    selected.push(expression);
  }
  const names = native.map((_, i) => `c${i}`).join(", ");
  return { sql: `WITH guarded (${names}) AS (${sql}\n) SELECT ${selected.join(", ")} FROM guarded`, columns };
}

/** The columns of what is not wrapped. */
export function plainColumns(native: readonly NativeColumn[]): readonly GuardedColumn[] {
  return native.map((column) => readAs(column, "plain"));
}

function readAs({ name, table }: NativeColumn, reading: Reading): GuardedColumn {
  return { name, title: table ? `${table}.${name}` : name, reading };
}

/** Tables are strict: what a cast would change is of another type than its column only where the file is damaged. */
function guarded(column: string, type: string | undefined): { reading: Reading; expression: string } {
  switch (type) {
    case "TEXT":
      return { reading: "text", expression: `CAST(${column} AS BLOB)` };
    case "BLOB":
    case "INTEGER":
    case "REAL":
      return { reading: "plain", expression: `CAST(${column} AS ${type})` };
    default: {
      const safe = `CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END`;
      return { reading: "told", expression: `${safe}, typeof(${column}) = 'text'` };
    }
  }
}

/** Throws `data_corrupt`; `database` is for the message. */
export function readRow(
  native: readonly unknown[],
  columns: readonly GuardedColumn[],
  database: string,
): SqlRow {
  const row: Record<string, SqlValue> = {};
  let at = 0;
  for (const { name, title, reading } of columns) {
    const value = native[at++];
    const isText = reading === "text" || (reading === "told" && native[at++] === 1);
    row[name] = isText && value instanceof Uint8Array ? decoded(value, title, database) : readable(value);
  }
  return row;
}

function decoded(bytes: Uint8Array, title: string, database: string): string {
  try {
    return decodeUtf8(bytes);
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown;
    throw new CaxtonError("data_corrupt", `Database ${quote(database)} is damaged: ${title} is no text`);
  }
}

function readable(value: unknown): SqlValue {
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value as SqlValue;
}
