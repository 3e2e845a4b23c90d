/**
 * WebAssembly modules by the SHA-256 of their bytes, each stored once. In the database rather
 * than in files: one thing to back up, one rule of durability, and the same in memory. The hash is
 * checked when a module comes in and again whenever one goes out.
 */
import { createHash } from "node:crypto";
import { CaxtonError } from "../base/errors.ts";
import type { ModuleHash } from "../base/ids.ts";
import type { Database } from "../ports/database.ts";
import { bytesOf } from "./agent-tables.ts";
import { moduleLimit_bytes } from "./limits.ts";

export interface StoredModule {
  readonly hash: ModuleHash;
  readonly size_bytes: number;
}

/** Refuses bytes that do not have that hash. A module that is there is replaced only when it is damaged. */
export function putModule(database: Database, hash: ModuleHash, bytes: Uint8Array): void {
  if (bytes.length > moduleLimit_bytes) {
    throw new CaxtonError(
      "payload_too_large",
      `Module of ${bytes.length} bytes, at most ${moduleLimit_bytes}`,
    );
  }
  const actual = sha256(bytes);
  if (actual !== hash)
    throw new CaxtonError(
      "invalid_module",
      `Module ${hash} does not match its bytes: they hash to ${actual}`,
    );
  const stored = database.prepare("SELECT bytes FROM modules WHERE hash = ?").get(hash);
  if (stored !== undefined && sha256(bytesOf(stored["bytes"])) === hash) return;
  database.transaction(() =>
    database
      .prepare("INSERT OR REPLACE INTO modules (hash, size, bytes) VALUES (?, ?, ?)")
      .run(hash, bytes.length, bytes),
  );
}

/** Undefined when there is none. Throws `data_corrupt` rather than give bytes that do not match. */
export function getModule(database: Database, hash: ModuleHash): Uint8Array | undefined {
  const row = database.prepare("SELECT bytes FROM modules WHERE hash = ?").get(hash);
  if (row === undefined) return undefined;
  const bytes = bytesOf(row["bytes"]);
  if (sha256(bytes) === hash) return bytes;
  throw new CaxtonError("data_corrupt", `Module ${hash} is damaged in the store: deploy it again`);
}

export function listModules(database: Database): readonly StoredModule[] {
  const rows = database.prepare("SELECT hash, size FROM modules ORDER BY hash").all();
  return rows.map((row) => ({ hash: String(row["hash"]) as ModuleHash, size_bytes: Number(row["size"]) }));
}

export function removeModule(database: Database, hash: ModuleHash): void {
  database.transaction(() => database.prepare("DELETE FROM modules WHERE hash = ?").run(hash));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
