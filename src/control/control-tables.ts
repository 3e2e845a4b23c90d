/**
 * The control state's file: its schema, the one row that says how far it has come, the totals of its sections
 * and the marks. What the rows mean is `control-state.ts`'s.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { Database, Databases } from "../ports/database.ts";
import { type Migration, checkSchema, migrate } from "../store/migrator.ts";
import { sections } from "./command-table.ts";
import { marks_max } from "./limits.ts";
import { type Section, createIndexes, createTable, digest_bytes } from "./section.ts";

/** Everything beside the sections that decides how later commands act; the same on all replicas. */
export interface ControlHead {
  readonly index: number;
  readonly term: number;
  /** The leaders' time, and where in its leader's term it stands. */
  readonly clock_ms: number;
  readonly clockTerm: number;
  readonly clockElapsed_ms: number;
  readonly wall_ms: number;
  readonly revision: number;
  readonly swept_ms: number;
  /** SHA-256 (128 bits) over all entries, one after the other. */
  readonly chain: Uint8Array;
  readonly configuration: { readonly index: number; readonly data: Uint8Array } | null;
}

const base = `
CREATE TABLE head (
  id INTEGER PRIMARY KEY CHECK (id = 1), applied INTEGER NOT NULL, term INTEGER NOT NULL, settled INTEGER NOT NULL,
  clock_ms INTEGER NOT NULL, clock_term INTEGER NOT NULL, clock_elapsed_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
  revision INTEGER NOT NULL, swept_ms INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, zeroblob(16));
CREATE TABLE configuration (id INTEGER PRIMARY KEY CHECK (id = 1), log_index INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE totals (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE marks (log_index INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
`;

/** The tables of each migration are those of the sections that name it. */
const controlMigrations: readonly Migration[] = [
  { name: "0001-control", sql: base + tablesSince(1) },
  { name: "0002-assignments", sql: tablesSince(2) },
  { name: "0003-registrations", sql: tablesSince(3) },
];

function tablesSince(migration: number): string {
  return sections
    .filter(({ since }) => since === migration)
    .map((section) => `${createTable(section)}\n${createIndexes(section)}`)
    .join("\n");
}

/** Throws `data_corrupt`, `version_mismatch` (a newer program's file; left as it is), `storage_failed`. */
export function openControlDatabase(databases: Databases, path: string): Database {
  if (databases.exists(path)) {
    const look = databases.open(path, { readonly: true });
    try {
      checkSchema(look, controlMigrations, path);
    } finally {
      look.close();
    }
  }
  const database = databases.open(path);
  try {
    migrate(database, controlMigrations);
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

export function readHead(database: Database): ControlHead & { readonly settled: number } {
  const row = database.prepare("SELECT * FROM head WHERE id = 1").get();
  if (row === undefined) throw new CaxtonError("data_corrupt", "The control state has lost its head row");
  const number = (column: string): number => Number(row[column]);
  const configuration = database.prepare("SELECT log_index, data FROM configuration WHERE id = 1").get();
  return {
    index: number("applied"),
    term: number("term"),
    settled: number("settled"),
    clock_ms: number("clock_ms"),
    clockTerm: number("clock_term"),
    clockElapsed_ms: number("clock_elapsed_ms"),
    wall_ms: number("wall_ms"),
    revision: number("revision"),
    swept_ms: number("swept_ms"),
    chain: row["chain"] as Uint8Array,
    configuration:
      configuration === undefined
        ? null
        : { index: Number(configuration["log_index"]), data: configuration["data"] as Uint8Array },
  };
}

/** Inside a transaction. */
export function writeHead(database: Database, head: ControlHead): void {
  database
    .prepare(
      `UPDATE head SET applied = ?, term = ?, clock_ms = ?, clock_term = ?, clock_elapsed_ms = ?, wall_ms = ?,
       revision = ?, swept_ms = ?, chain = ? WHERE id = 1`,
    )
    .run(
      head.index,
      head.term,
      head.clock_ms,
      head.clockTerm,
      head.clockElapsed_ms,
      head.wall_ms,
      head.revision,
      head.swept_ms,
      head.chain,
    );
}

/** Inside a transaction. */
export function writeConfiguration(database: Database, configuration: ControlHead["configuration"]): void {
  if (configuration === null) {
    database.prepare("DELETE FROM configuration").run();
    return;
  }
  database
    .prepare("INSERT OR REPLACE INTO configuration (id, log_index, data) VALUES (1, ?, ?)")
    .run(configuration.index, configuration.data);
}

/** Inside a transaction that is to be durable. */
export function writeSettled(database: Database, index: number): void {
  database.prepare("UPDATE head SET settled = ? WHERE id = 1").run(index);
}

export function readTotals(database: Database, all: Iterable<Section>): void {
  const select = database.prepare("SELECT rows, bytes, digest FROM totals WHERE name = ?");
  for (const section of all) {
    const row = select.get(section.definition.name);
    section.restore({
      rows: Number(row?.["rows"] ?? 0),
      bytes: Number(row?.["bytes"] ?? 0),
      digest: (row?.["digest"] as Uint8Array | undefined) ?? new Uint8Array(digest_bytes),
    });
  }
}

/** Inside a transaction; of sections that changed. */
export function writeTotals(database: Database, all: Iterable<Section>): void {
  const replace = database.prepare(
    "INSERT OR REPLACE INTO totals (name, rows, bytes, digest) VALUES (?, ?, ?, ?)",
  );
  for (const section of all) {
    if (!section.changed) continue;
    replace.run(section.definition.name, section.rows, section.bytes, section.digest);
    section.changed = false;
  }
}

/** Inside a transaction. */
export function writeMark(database: Database, index: number, hash: Uint8Array): void {
  database.prepare("INSERT OR REPLACE INTO marks (log_index, hash) VALUES (?, ?)").run(index, hash);
  database
    .prepare(
      "DELETE FROM marks WHERE log_index NOT IN (SELECT log_index FROM marks ORDER BY log_index DESC LIMIT ?)",
    )
    .run(marks_max);
}

/** The hash at an index, if that was marked here; undefined for any other. */
export function readMark(database: Database, index: number): Uint8Array | undefined {
  const row = database.prepare("SELECT hash FROM marks WHERE log_index = ?").get(index);
  return row?.["hash"] as Uint8Array | undefined;
}

/** For messages. */
export function unknownSection(name: string): CaxtonError {
  return new CaxtonError("invalid_argument", `The control state has no section ${quote(name)}`);
}
