/**
 * Brings a database to the schema of this program: numbered SQL texts, each applied once, in a
 * transaction, with its checksum kept. A database of a newer program, with another history or
 * damaged, is refused before anything in it changes.
 */
import { createHash } from "node:crypto";
import { assert } from "../base/assert.ts";
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { Database } from "../ports/database.ts";

export interface Migration {
  /** `0001-node-store`: a number that rises by one from 1, and what it is about. */
  readonly name: string;
  readonly sql: string;
}

const createHistory = `CREATE TABLE IF NOT EXISTS migrations (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT`;

/** Throws `version_mismatch` or `data_corrupt` for a database that this program must not touch. Only reads. */
export function checkSchema(database: Database, migrations: readonly Migration[], name: string): void {
  const version = versionOf(database);
  if (version > migrations.length) {
    throw new CaxtonError(
      "version_mismatch",
      `Database ${quote(name)} has schema version ${version}, this program knows up to ${migrations.length}: ` +
        "start it with the newer version of caxton that wrote it",
    );
  }
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
  if (version === 0) {
    if (tables?.["count"] === 0) return;
    throw new CaxtonError(
      "data_corrupt",
      `Database ${quote(name)} was not made by caxton: move it away, or name another directory`,
    );
  }
  for (const row of database
    .prepare("SELECT version, name, checksum FROM migrations ORDER BY version")
    .all()) {
    const known = migrations[Number(row["version"]) - 1];
    if (known === undefined || row["checksum"] !== checksumOf(known.sql)) {
      throw new CaxtonError(
        "version_mismatch",
        `Database ${quote(name)} was made with another text of migration ${quote(String(row["name"]))}: ` +
          "start it with the version of caxton that wrote it",
      );
    }
  }
}

/** Applies what is missing. Call `checkSchema` before. */
export function migrate(database: Database, migrations: readonly Migration[]): void {
  for (const [index, migration] of migrations.entries()) {
    const version = index + 1;
    assert(
      Number(migration.name.slice(0, 4)) === version,
      `migration ${migration.name} has number ${version}`,
    );
    if (versionOf(database) >= version) continue;
    database.transaction(() => {
      database.execute(createHistory);
      database.execute(migration.sql);
      const insert = database.prepare("INSERT INTO migrations (version, name, checksum) VALUES (?, ?, ?)");
      insert.run(version, migration.name, checksumOf(migration.sql));
      database.execute(`PRAGMA user_version=${version}`);
    });
  }
}

/** Throws `data_corrupt` when the structure of the file is damaged. Reads all of it. */
export function checkIntegrity(database: Database, name: string): void {
  const row = database.prepare("SELECT quick_check AS found FROM pragma_quick_check(1)").get();
  const found = String(row?.["found"] ?? "no answer");
  if (found === "ok") return;
  throw new CaxtonError("data_corrupt", `Database ${quote(name)} is damaged: ${found}`);
}

function versionOf(database: Database): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

function checksumOf(sql: string): string {
  return createHash("sha256").update(sql).digest("hex");
}
