/**
 * Text out of files that may be damaged: asked for as its bytes and decoded here, since the addon aborts the whole
 * process on text that is no UTF-8. Not for what this process has just written.
 */
import { CaxtonError } from "../base/errors.ts";
import type { SqlValue } from "../ports/database.ts";
import { decodeUtf8, WireError } from "../wire/cursor.ts";

/** For a list of columns to select: the column under its own name, as bytes. */
export function textBytes(column: string): string {
  return `CAST(${column} AS BLOB) AS ${column}`;
}

/** What `textBytes` selected. Throws `data_corrupt`; `what` is for the message. */
export function textOf(value: SqlValue | undefined, what: string): string {
  try {
    if (value instanceof Uint8Array) return decodeUtf8(value);
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown;
  }
  throw new CaxtonError("data_corrupt", `Damaged: ${what} is no text`);
}
