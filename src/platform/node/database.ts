/**
 * libSQL databases on files (the `libsql` package; Bun, Deno and Node alike). Durable by
 * write-ahead log and synchronous=FULL; sizes of cache and log are bounded.
 *
 * Nothing in this process may open a database's file but the engine, not even to read it: closing it
 * would drop the process's POSIX locks on it, and another process that closes the database would then
 * take the log away from under this one. Copies are made by the engine (`VACUUM INTO`) or elsewhere.
 */
import { readFileSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type {
  Database,
  DatabaseOptions,
  Databases,
  HeldTransaction,
  Statement,
  TransactionMode,
} from "../../ports/database.ts";
import { connectLibsql, makePrivate } from "./libsql-connection.ts";

/** How long a statement waits for another process that holds the file. */
const busyTimeout_ms = 3_000;
const page_bytes = 4_096;
const cache_kib = 16 * 1_024;
/** The log is copied into the file from here on, 16 MiB, and cut back to at most four times that. */
const checkpoint_pages = 4_096;
const logLimit_bytes = 64 * 1024 * 1024;
/** Below this much free space a failed write is reported as a full disk, whatever the engine called it. */
const freeFloor_bytes = 256 * 1024;

export function openDatabases(): Databases {
  return { exists, open, view, leftover };
}

function leftover(path: string): Uint8Array | undefined {
  const log = `${resolve(path)}-wal`;
  return exists(log) ? readFileSync(log) : undefined;
}

function exists(path: string): boolean {
  try {
    return statSync(path).size > 0;
  } catch {
    return false;
  }
}

function open(path: string, options: DatabaseOptions = {}): Database {
  // Absolute, so that no path is ever taken for a URL or for the name of an in-memory database.
  const file = resolve(path);
  refuseDirectory(file);
  if (options.readonly === true && !exists(file)) {
    throw new CaxtonError("storage_failed", `Cannot open database ${quote(path)}: it does not exist`);
  }
  const location = options.readonly === true ? `${pathToFileURL(file).href}?mode=ro` : file;
  if (options.readonly !== true) makePrivate(file);
  const readonly = options.readonly === true;
  const connection = new FileDatabase(file, connectLibsql(location, path, busyTimeout_ms), readonly);
  try {
    connection.execute(`PRAGMA cache_size=-${cache_kib}; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY`);
    // The addon takes the names of columns for text, too, and ends the process where they are none.
    connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema").all();
    if (options.readonly === true) return connection;
    connection.execute(`
      PRAGMA page_size=${page_bytes};
      PRAGMA journal_mode=WAL;
      PRAGMA synchronous=FULL;
      PRAGMA wal_autocheckpoint=${checkpoint_pages};
      PRAGMA journal_size_limit=${logLimit_bytes}`);
    const limit_bytes = options.maximum_bytes;
    if (limit_bytes !== undefined) {
      connection.execute(`PRAGMA max_page_count=${Math.max(1, Math.floor(limit_bytes / page_bytes))}`);
    }
    return connection;
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
}

/** A connection of its own, inside a read transaction that begins with the first look. */
function view(path: string): Database {
  const database = open(path, { readonly: true });
  try {
    database.execute("BEGIN");
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return endedAtClose(database);
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

/** The connection lives until its statements are collected: what it sees is let go of at once. */
function endedAtClose(view: Database): Database {
  let open = true;
  return {
    execute: (sql) => view.execute(sql),
    prepare: (sql) => view.prepare(sql),
    transaction: (work, mode) => view.transaction(work, mode),
    begin: () => view.begin(),
    close: () => {
      if (open) view.execute("ROLLBACK");
      open = false;
      view.close();
    },
  };
}

/** The engine's own message for a directory names only a number. */
function refuseDirectory(file: string): void {
  if (!(statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false)) return;
  throw new CaxtonError("storage_failed", `Database ${quote(file)} is a directory`);
}

/**
 * Adds what only a file has: a full disk told from other failures, and the log emptied by its writer at the end. Who
 * only reads leaves the log alone: to empty it would wait, with its whole thread, for a transaction of the writer.
 */
class FileDatabase implements Database {
  readonly #file: string;
  readonly #inner: Database;
  readonly #readonly: boolean;
  #closed = false;

  constructor(file: string, inner: Database, readonly: boolean) {
    this.#file = file;
    this.#inner = inner;
    this.#readonly = readonly;
  }

  execute(sql: string): void {
    this.#watch(() => this.#inner.execute(sql));
  }

  prepare(sql: string): Statement {
    return this.#inner.prepare(sql);
  }

  transaction<T>(work: () => T, mode?: TransactionMode): T {
    return this.#watch(() => this.#inner.transaction(work, mode));
  }

  begin(): HeldTransaction {
    const held = this.#watch(() => this.#inner.begin());
    return {
      get open() {
        return held.open;
      },
      commit: () => this.#watch(() => held.commit()),
      rollback: () => held.rollback(),
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (!this.#readonly) this.#inner.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // The log stays and is read at the next open; nothing is lost by that.
    }
    this.#inner.close();
  }

  /** A full disk shows as an I/O error where the engine grows its log's index or syncs. */
  #watch<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      if (
        thrown instanceof CaxtonError &&
        thrown.code === "storage_failed" &&
        freeSpace_bytes(this.#file) < freeFloor_bytes
      ) {
        throw new CaxtonError("disk_full", thrown.message, { cause: thrown });
      }
      throw thrown;
    }
  }
}

function freeSpace_bytes(file: string): number {
  try {
    const stats = statfsSync(dirname(file));
    return stats.bavail * stats.bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
