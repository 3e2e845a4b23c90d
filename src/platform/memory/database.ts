/**
 * In-memory databases with the engine and the rules of the real ones, for tests and simulation.
 * A "file" lives as long as the object that `memoryDatabases` returned: it can be closed and
 * opened again. Failures can be injected; crashes are the simulator's business.
 */
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type {
  Database,
  Databases,
  HeldTransaction,
  Statement,
  TransactionMode,
} from "../../ports/database.ts";
import { connectLibsql } from "../node/libsql-connection.ts";

export interface MemoryDatabases extends Databases {
  /** While set, the commit of every transaction on any file fails with it and changes nothing. */
  failCommits(error: CaxtonError | undefined): void;
  /** Frees the memory of all. */
  dispose(): void;
}

const page_bytes = 4_096;

export function memoryDatabases(): MemoryDatabases {
  const files = new Map<string, Database>();
  const held = new Map<string, HeldTransaction>();
  let failure: CaxtonError | undefined;
  return {
    exists: (path) => files.has(path),
    open: (path, options = {}) => {
      const kept = files.get(path);
      if (kept === undefined && options.readonly === true) {
        throw new CaxtonError("storage_failed", `Cannot open database ${quote(path)}: it does not exist`);
      }
      const file = kept ?? connectLibsql(":memory:", path, 0);
      files.set(path, file);
      // Whoever had it open before has crashed.
      held.get(path)?.rollback();
      const pages =
        options.maximum_bytes === undefined
          ? 2 ** 30
          : Math.max(1, Math.floor(options.maximum_bytes / page_bytes));
      file.execute("PRAGMA foreign_keys=ON");
      file.execute(`PRAGMA max_page_count=${pages}`);
      file.execute(`PRAGMA query_only=${options.readonly === true ? 1 : 0}`);
      const begun = (transaction: HeldTransaction): void => void held.set(path, transaction);
      return new MemoryDatabase(path, file, () => failure, begun);
    },
    view: (path) => {
      const file = files.get(path);
      if (file === undefined) {
        throw new CaxtonError("storage_failed", `Cannot open database ${quote(path)}: it does not exist`);
      }
      return copyDatabase(file, path);
    },
    failCommits: (error) => {
      failure = error;
    },
    dispose: () => {
      for (const file of files.values()) file.close();
      files.clear();
    },
  };
}

/** In memory one connection is all there is: a view is a copy, which is fine for what tests hold. */
export function copyDatabase(file: Database, path: string): Database {
  const copy = connectLibsql(":memory:", path, 0);
  const schema = file.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").all();
  for (const { sql } of schema) copy.execute(String(sql));
  for (const { name } of schema.filter(({ type }) => type === "table")) {
    for (const row of file.prepare(`SELECT * FROM ${String(name)}`).all()) {
      const columns = Object.keys(row);
      const marks = columns.map(() => "?").join(", ");
      copy
        .prepare(`INSERT INTO ${String(name)} (${columns.join(", ")}) VALUES (${marks})`)
        .run(...Object.values(row));
    }
  }
  copy.execute("PRAGMA query_only=1");
  return copy;
}

/** A handle on a kept database; closing it closes only the handle. */
class MemoryDatabase implements Database {
  readonly #path: string;
  readonly #file: Database;
  readonly #failure: () => CaxtonError | undefined;
  readonly #begun: (transaction: HeldTransaction) => void;
  #open = true;

  constructor(
    path: string,
    file: Database,
    failure: () => CaxtonError | undefined,
    begun: (transaction: HeldTransaction) => void,
  ) {
    this.#begun = begun;
    this.#path = path;
    this.#file = file;
    this.#failure = failure;
  }

  execute(sql: string): void {
    this.#inner().execute(sql);
  }

  prepare(sql: string): Statement {
    const statement = this.#inner().prepare(sql);
    return {
      run: (...values) => (this.#inner(), statement.run(...values)),
      get: (...values) => (this.#inner(), statement.get(...values)),
      all: (...values) => (this.#inner(), statement.all(...values)),
    };
  }

  transaction<T>(work: () => T, mode?: TransactionMode): T {
    return this.#inner().transaction(() => {
      const result = work();
      const failure = this.#failure();
      if (failure !== undefined) throw failure;
      return result;
    }, mode);
  }

  begin(): HeldTransaction {
    const held = this.#inner().begin();
    this.#begun(held);
    return {
      get open() {
        return held.open;
      },
      commit: () => {
        const failure = this.#failure();
        if (failure === undefined) return held.commit();
        held.rollback();
        throw failure;
      },
      rollback: () => held.rollback(),
    };
  }

  close(): void {
    this.#open = false;
  }

  #inner(): Database {
    if (!this.#open) throw new CaxtonError("storage_failed", `Database ${quote(this.#path)} is closed`);
    return this.#file;
  }
}
