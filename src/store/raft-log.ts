/**
 * The log and hard state of one Raft participant in a libSQL database: everything that the core was told is
 * persisted is on disk, whole, and read back only when its checksum says so. One writer, synchronous, on the
 * raft thread. What to do about damage is its opener's decision (cluster/raft-data.ts).
 */
import { assert } from "../base/assert.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { Database, Databases, SqlValue } from "../ports/database.ts";
import type { Configuration } from "../raft/configuration.ts";
import type { RaftEffect } from "../raft/effects.ts";
import {
  type Entry,
  entryOverhead_bytes,
  type HardState,
  type LogPosition,
  type LogView,
  type RaftStored,
} from "../raft/entry.ts";
import { quickCheckLimit_bytes } from "./limits.ts";
import { checkIntegrity, checkSchema, migrate } from "./migrator.ts";
import { RaftBoots, type RaftLogOwner } from "./raft-boots.ts";
import {
  baseRow,
  configurationOf,
  damaged,
  entryRow,
  type RaftBase,
  readBase,
  readEntry,
  readState,
  stateColumns,
  stateRow,
} from "./raft-log-rows.ts";
import { raftMigrations } from "./raft-migrations.ts";
import { TermRuns } from "./raft-terms.ts";
import { damageOfWriteAheadLog } from "./write-ahead-log.ts";

/** More than what a nearly full disk still takes. */
const probe_bytes = 64 * 1_024;
/** Rows verified, or removed after compaction, in one go. */
const slice_rows = 1_024;
/** Rows written by one statement where there are so many: a call costs as much as a row. */
const insertMany_rows = 16;
const insertOne = "INSERT INTO raft_log (position, term, kind, checksum, data) VALUES (?, ?, ?, ?, ?)";
const insertMany = insertOne + ", (?, ?, ?, ?, ?)".repeat(insertMany_rows - 1);

export type PersistEffect = Extract<RaftEffect, { kind: "persist" }>;
export type LogRecords = Omit<PersistEffect, "kind" | "id">;

const emptyState: HardState = { term: 0, vote: null, commit: 0 };

/**
 * Opens the log at `path`, made on first use; reads and checks all of it. Throws `data_corrupt` for damage,
 * `conflict` for another node's log, `version_mismatch` for one of a newer program; the file stays as it is.
 */
export function openRaftLog(databases: Databases, path: string, owner: RaftLogOwner): RaftLog {
  let database: Database | undefined;
  try {
    const leftover = databases.leftover?.(path);
    const lost = leftover === undefined ? null : damageOfWriteAheadLog(leftover);
    if (lost !== null) throw damaged(lost);
    if (databases.exists(path)) inspect(databases, path);
    database = databases.open(path);
    migrate(database, raftMigrations);
    const log = new RaftLog(database, new RaftBoots(database, path, owner));
    // What was not looked at for the others.
    void log.installing;
    return log;
  } catch (thrown) {
    database?.close();
    throw ofDamagedTables(thrown);
  }
}

/** Statements that do not fit the tables, of a schema whose version does: it is the file that is wrong. */
function ofDamagedTables(thrown: unknown): unknown {
  const cause = thrown instanceof CaxtonError ? thrown.cause : undefined;
  const fits = !(cause instanceof Error && "code" in cause && cause.code === "SQLITE_ERROR");
  return fits ? thrown : damaged(`its tables are not those that were made (${reasonOf(cause)})`);
}

/** Looks through a connection that cannot write. */
function inspect(databases: Databases, path: string): void {
  const database = databases.open(path, { readonly: true });
  try {
    const size = database
      .prepare("SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()")
      .get();
    if (Number(size?.["size"]) <= quickCheckLimit_bytes) checkIntegrity(database, path);
    checkSchema(database, raftMigrations, path);
  } finally {
    database.close();
  }
}

export class RaftLog implements LogView {
  readonly #terms: TermRuns;
  #hardState = emptyState;
  #base: LogPosition = { index: 0, term: 0 };
  #baseConfiguration: Configuration | null = null;
  #last: number;
  /** Rows up to the base are removed a slice at a time. */
  #untidy: boolean;

  constructor(
    readonly database: Database,
    readonly boots: RaftBoots,
  ) {
    const base = database.prepare("SELECT position, term, configuration, checksum FROM raft_base").get();
    if (base !== undefined) this.#setBase(readBase(base, "base"));
    const state = database.prepare(`SELECT ${stateColumns} FROM raft_state`).get();
    const { hardState, last } = state ? readState(state) : { hardState: emptyState, last: 0 };
    this.#hardState = hardState;
    this.#last = Math.max(last, this.#base.index);
    this.#terms = new TermRuns(this.#base);
    this.#untidy = base !== undefined;
    this.#verify();
  }

  get last(): LogPosition {
    return { index: this.#last, term: this.#last === 0 ? 0 : this.term(this.#last) };
  }

  get base(): LogPosition {
    return this.#base;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  /** Nothing was ever written to it. */
  get isEmpty(): boolean {
    return this.#last === 0 && this.#hardState.term === 0;
  }

  /** What a core starts from. `applied` is the state machine's. */
  stored(applied: number): RaftStored {
    const configurations = this.#baseConfiguration
      ? [{ index: this.#base.index, configuration: this.#baseConfiguration }]
      : [];
    const rows = this.database
      .prepare(
        `SELECT position, term, kind, checksum, data FROM raft_log
         WHERE kind = 1 AND position > ? AND position <= ? ORDER BY position`,
      )
      .all(this.#base.index, this.#last);
    for (const row of rows) {
      const { index, data } = readEntry(row);
      configurations.push({ index, configuration: configurationOf(data) });
    }
    return { hardState: this.#hardState, base: this.#base, last: this.last, configurations, applied };
  }

  term(index: number): number {
    const term = index > this.#last ? undefined : this.#terms.at(index);
    if (term === undefined) throw damaged(`entry ${index} is not in it`);
    return term;
  }

  entries(from: number, to: number, limit_bytes: number): readonly Entry[] {
    assert(from > this.#base.index && to <= this.#last && from <= to, "the entries are in the log");
    const sizes = this.database
      .prepare(
        "SELECT length(data) AS size FROM raft_log WHERE position >= ? AND position <= ? ORDER BY position LIMIT ?",
      )
      .all(from, to, slice_rows);
    let count = 0;
    let bytes = 0;
    for (const { size } of sizes) {
      bytes += Number(size) + entryOverhead_bytes;
      if (count > 0 && bytes > limit_bytes) break;
      count++;
    }
    return this.#read(from, Math.max(1, count));
  }

  /** All of them, in order, in one durable transaction. Throws, and then nothing of it is written. */
  persist(all: readonly LogRecords[]): void {
    const undo = this.#mark();
    try {
      this.database.transaction(() => {
        for (const records of all) this.#write(records);
        this.#writeState();
      });
    } catch (thrown) {
      undo();
      throw thrown;
    }
  }

  /**
   * Drops what lies up to `base`, soon. Durable, like every commit of this file: only so is a torn transaction known to
   * be the last one, and damage before others for what it is.
   */
  compact(base: LogPosition, configuration: Configuration): void {
    if (base.index <= this.#base.index) return;
    this.database.transaction(() => this.#writeBase({ ...base, configuration }));
    this.#setBase({ ...base, configuration });
    this.#terms.compact(base);
    this.#untidy = true;
  }

  /** Removes some of what was compacted; false when nothing is left to do. For idle moments. */
  tidy(): boolean {
    if (!this.#untidy) return false;
    const { changes } = this.database.transaction(() =>
      this.database
        .prepare(
          "DELETE FROM raft_log WHERE position <= (SELECT min(?, min(position) + ?) FROM raft_log) AND position <= ?",
        )
        .run(this.#base.index, slice_rows, this.#base.index),
    );
    this.#untidy = changes > 0;
    return this.#untidy;
  }

  /** Durable word that the state machine is about to be replaced by what `mark` names. */
  beginInstall(mark: RaftBase): void {
    this.database.transaction(() => {
      this.database.prepare("DELETE FROM raft_install").run();
      this.database
        .prepare(
          "INSERT INTO raft_install (only, position, term, configuration, checksum) VALUES (1, ?, ?, ?, ?)",
        )
        .run(...baseRow(mark));
    });
  }

  /** What was begun and not ended; null otherwise. */
  get installing(): RaftBase | null {
    const row = this.database
      .prepare("SELECT position, term, configuration, checksum FROM raft_install")
      .get();
    return row === undefined ? null : readBase(row, "snapshot's mark");
  }

  /** The state machine has it: the log is an empty one at it. Or (`null`) it was given up. Durable. */
  endInstall(mark: RaftBase | null): void {
    const undo = this.#mark();
    try {
      this.database.transaction(() => {
        this.database.prepare("DELETE FROM raft_install").run();
        if (mark === null) return;
        this.#reset(mark, mark.configuration);
        this.#hardState = { ...this.#hardState, commit: Math.max(this.#hardState.commit, mark.index) };
        this.#writeState();
      });
    } catch (thrown) {
      undo();
      throw thrown;
    }
  }

  /** Reads these entries anew. Throws `data_corrupt`. */
  check(first: number, last: number): void {
    for (let from = first; from <= last; from += slice_rows)
      this.#read(from, Math.min(slice_rows, last - from + 1));
  }

  /** Looks at the structure of the file, of one that is not too large to be read between heartbeats. */
  checkFile(): void {
    if (this.size_bytes <= quickCheckLimit_bytes) checkIntegrity(this.database, "raft.db");
  }

  /** Whether the disk takes writes again after it was full. Throws what a write throws. */
  probe(): void {
    const { database } = this;
    database.transaction(() => {
      database.execute("CREATE TABLE IF NOT EXISTS raft_probe (data BLOB NOT NULL) STRICT");
      database.prepare("INSERT INTO raft_probe (data) VALUES (zeroblob(?))").run(probe_bytes);
    });
    database.transaction(() => database.execute("DROP TABLE raft_probe"));
  }

  get size_bytes(): number {
    const row = this.database
      .prepare("SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()")
      .get();
    return Number(row?.["size"]);
  }

  close(): void {
    this.database.close();
  }

  #write({ reset, truncateFrom, entries, hardState }: LogRecords): void {
    if (reset !== null) this.#reset(reset.base, reset.configuration);
    if (truncateFrom !== null) {
      assert(truncateFrom > this.#base.index, "a log is never cut below its base");
      this.database.prepare("DELETE FROM raft_log WHERE position >= ?").run(truncateFrom);
      this.#last = Math.min(this.#last, truncateFrom - 1);
      this.#terms.truncate(truncateFrom);
    }
    const many = this.database.prepare(insertMany);
    const one = this.database.prepare(insertOne);
    for (let at = 0; at < entries.length;) {
      const rows = entries.length - at >= insertMany_rows ? insertMany_rows : 1;
      const values: SqlValue[] = [];
      for (const entry of entries.slice(at, at + rows)) {
        assert(entry.index === this.#last + 1, "a log has no holes");
        for (const value of entryRow(entry)) values.push(value);
        this.#last = entry.index;
        this.#terms.append(entry);
      }
      (rows === 1 ? one : many).run(...values);
      at += rows;
    }
    if (hardState !== null) {
      assert(hardState.term >= this.#hardState.term, "the term never falls");
      this.#hardState = hardState;
    }
  }

  #writeState(): void {
    this.database
      .prepare(
        `INSERT INTO raft_state (only, term, vote, commit_index, last, checksum) VALUES (1, ?, ?, ?, ?, ?)
         ON CONFLICT (only) DO UPDATE SET term = excluded.term, vote = excluded.vote,
           commit_index = excluded.commit_index, last = excluded.last, checksum = excluded.checksum`,
      )
      .run(...stateRow(this.#hardState, this.#last));
  }

  #reset(base: LogPosition, configuration: Configuration): void {
    this.database.prepare("DELETE FROM raft_log").run();
    this.#writeBase({ ...base, configuration });
    this.#setBase({ ...base, configuration });
    this.#terms.reset(base);
    this.#last = base.index;
  }

  #writeBase(base: RaftBase): void {
    this.database
      .prepare(
        `INSERT INTO raft_base (only, position, term, configuration, checksum) VALUES (1, ?, ?, ?, ?)
         ON CONFLICT (only) DO UPDATE SET position = excluded.position, term = excluded.term,
           configuration = excluded.configuration, checksum = excluded.checksum`,
      )
      .run(...baseRow(base));
  }

  #setBase({ index, term, configuration }: RaftBase): void {
    this.#base = { index, term };
    this.#baseConfiguration = configuration;
  }

  #mark(): () => void {
    const [hardState, base, configuration, last] = [
      this.#hardState,
      this.#base,
      this.#baseConfiguration,
      this.#last,
    ];
    const terms = this.#terms.mark();
    return () => {
      this.#hardState = hardState;
      this.#base = base;
      this.#baseConfiguration = configuration;
      this.#last = last;
      terms();
    };
  }

  #read(from: number, count: number): Entry[] {
    const rows = this.database
      .prepare(
        `SELECT position, term, kind, checksum, data FROM raft_log
         WHERE position >= ? AND position < ? ORDER BY position`,
      )
      .all(from, from + count);
    if (rows.length !== count) throw damaged(`an entry from ${from} to ${from + count - 1} is missing`);
    return rows.map((row, i) => {
      const entry = readEntry(row);
      if (entry.index !== from + i) throw damaged(`entry ${from + i} is missing`);
      return entry;
    });
  }

  /** Reads everything once: each entry is there and sound, terms never fall, and the tail is where it was left. */
  #verify(): void {
    for (let from = this.#base.index + 1; from <= this.#last; from += slice_rows) {
      const count = Math.min(slice_rows, this.#last - from + 1);
      for (const entry of this.#read(from, count)) {
        if (entry.term < this.#terms.last) throw damaged(`the term falls at entry ${entry.index}`);
        this.#terms.append(entry);
      }
    }
    const beyond = this.database.prepare("SELECT max(position) AS last FROM raft_log").get()?.["last"];
    if (Number(beyond ?? 0) > this.#last) throw damaged(`entry ${String(beyond)} is beyond its end`);
    if (this.#hardState.term < this.#terms.last) throw damaged("its term is below that of its last entry");
    if (this.#hardState.commit > this.#last)
      throw damaged(`entry ${this.#hardState.commit} was committed and is missing`);
  }
}
