/** Small named values that the node remembers. */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { Database } from "../ports/database.ts";
import { bytesOf } from "./agent-tables.ts";
import { metaKeyLimit, metaValueLimit_bytes } from "./limits.ts";

export function getMeta(database: Database, key: string): Uint8Array | undefined {
  const row = database.prepare("SELECT value FROM meta WHERE key = ?").get(key);
  return row === undefined ? undefined : bytesOf(row["value"]);
}

export function putMeta(database: Database, key: string, value: Uint8Array): void {
  if (!/^[!-~]+$/.test(key) || key.length > metaKeyLimit || value.length > metaValueLimit_bytes) {
    throw new CaxtonError(
      "invalid_argument",
      `Value ${quote(key)} of ${value.length} bytes is beyond the limits of the store`,
    );
  }
  database.transaction(() =>
    database
      .prepare(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      )
      .run(key, value),
  );
}
