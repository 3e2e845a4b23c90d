/**
 * One libSQL connection behind the `Database` port: the only code that touches the native addon.
 * Every bound value is converted in `bindable`, because the addon aborts the whole process on a
 * boolean or an object, cuts text at a NUL, and binds every number as REAL. What it reads is guarded-rows.ts's.
 */
import { closeSync, openSync } from "node:fs";
import Libsql from "libsql";
import { assert } from "../../base/assert.ts";
import type { ErrorCode } from "../../base/errors.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type {
  Database,
  HeldTransaction,
  SqlRow,
  SqlValue,
  Statement,
  TransactionMode,
} from "../../ports/database.ts";
import { type GuardedQuery, guardedQuery, type NativeColumn, plainColumns, readRow } from "./guarded-rows.ts";

/** Distinct statements of one connection; a program that exceeds it builds SQL from data. */
const statementsLimit = 512;

/** SQLite's own: no limit. */
const largestPageCount = 1_073_741_823;

type NativeRow = readonly unknown[];

/** The part of the addon's statement that is used, in raw mode: rows are arrays. */
interface NativeStatement {
  run(values: readonly unknown[]): { readonly changes: number };
  get(values: readonly unknown[]): NativeRow | undefined;
  all(values: readonly unknown[]): NativeRow[];
  /** Throws for a statement that returns no rows. */
  raw(on: boolean): NativeStatement;
  readonly reader: boolean;
  columns(): readonly NativeColumn[];
}

interface NativeDatabase {
  exec(sql: string): void;
  prepare(sql: string): NativeStatement;
  close(): void;
  readonly inTransaction: boolean;
}

/**
 * Makes the file of a new database, for its owner alone; SQLite gives its log the same rights. One that is there is
 * not touched, nor even opened: closing it would end this process's locks on it.
 */
export function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch {
    // It is there; or it cannot be made, which the engine says better.
  }
}

/** `location` is what the addon opens (a path, a `file:` URI or `:memory:`); `name` is for messages. */
export function connectLibsql(location: string, name: string, timeout_ms: number): LibsqlConnection {
  try {
    const native = new Libsql(location, { timeout: timeout_ms });
    return new LibsqlConnection(native as unknown as NativeDatabase, name);
  } catch (thrown) {
    throw databaseError(thrown, name);
  }
}

export class LibsqlConnection implements Database {
  readonly #native: NativeDatabase;
  readonly #statements = new Map<string, LibsqlStatement>();
  #open = true;
  #mode: Exclude<TransactionMode, "preview"> = "durable";

  constructor(
    native: NativeDatabase,
    /** For messages. */
    readonly name: string,
  ) {
    this.#native = native;
  }

  execute(sql: string): void {
    this.guard(() => this.#native.exec(sql));
  }

  prepare(sql: string): Statement {
    const kept = this.#statements.get(sql);
    if (kept !== undefined) return kept;
    assert(this.#statements.size < statementsLimit, `at most ${statementsLimit} statements a connection`);
    const statement = this.guard(() => {
      const prepared = this.#native.prepare(sql);
      if (!prepared.reader) return new LibsqlStatement(this, prepared, sql, []);
      const names = prepared.columns();
      const guarded = guardedQuery(sql, names);
      const native = guarded === undefined ? prepared : this.#native.prepare(guarded.sql);
      const columns = guarded?.columns ?? plainColumns(names);
      return new LibsqlStatement(this, native.raw(true), sql, columns);
    });
    this.#statements.set(sql, statement);
    return statement;
  }

  transaction<T>(work: () => T, mode: TransactionMode = "durable"): T {
    assert(!this.#isBusy, "transactions are not nested");
    if (mode === "preview") return this.#preview(work);
    this.#begin(mode);
    try {
      const result = work();
      this.execute("COMMIT");
      return result;
    } catch (thrown) {
      this.#rollback();
      throw thrown;
    }
  }

  begin(): HeldTransaction {
    assert(!this.#isBusy, "transactions are not nested");
    this.#begin("relaxed");
    const isOpen = (): boolean => this.#isBusy;
    return {
      get open() {
        return isOpen();
      },
      commit: () => {
        try {
          this.execute("COMMIT");
        } catch (thrown) {
          this.#rollback();
          throw thrown;
        }
      },
      rollback: () => this.#rollback(),
    };
  }

  #begin(mode: "durable" | "relaxed"): void {
    if (mode !== this.#mode) {
      this.execute(mode === "durable" ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
      this.#mode = mode;
    }
    this.execute("BEGIN IMMEDIATE");
  }

  /** Without spilling, the pages that change stay in memory, and rolling back writes nothing. */
  #preview<T>(work: () => T): T {
    const pages = Number(this.prepare("PRAGMA max_page_count").get()?.["max_page_count"]);
    this.execute(`PRAGMA cache_spill=OFF; PRAGMA max_page_count=${largestPageCount}`);
    try {
      this.execute("BEGIN IMMEDIATE");
      try {
        return work();
      } finally {
        this.#rollback();
      }
    } finally {
      this.execute(`PRAGMA cache_spill=ON; PRAGMA max_page_count=${pages}`);
    }
  }

  close(): void {
    if (!this.#open) return;
    // A prepared statement keeps the file open until it is collected: the log is emptied by hand.
    this.#statements.clear();
    this.#open = false;
    try {
      this.#native.close();
    } catch (thrown) {
      throw databaseError(thrown, this.name);
    }
  }

  /** The addon aborts the process when a closed database is asked. */
  get #isBusy(): boolean {
    return this.#open && this.#native.inTransaction;
  }

  /** Runs a call of the addon; whatever it throws comes out as a `CaxtonError`. */
  guard<T>(work: () => T): T {
    if (!this.#open) throw new CaxtonError("storage_failed", `Database ${quote(this.name)} is closed`);
    try {
      return work();
    } catch (thrown) {
      throw databaseError(thrown, this.name);
    }
  }

  /** The engine has rolled back by itself after some errors; that one is fine, any other is not. */
  #rollback(): void {
    if (this.#isBusy) this.execute("ROLLBACK");
  }
}

class LibsqlStatement implements Statement {
  readonly #connection: LibsqlConnection;
  readonly #native: NativeStatement;
  readonly #parameters: number;
  readonly #sql: string;
  readonly #columns: GuardedQuery["columns"];

  constructor(
    connection: LibsqlConnection,
    native: NativeStatement,
    sql: string,
    columns: GuardedQuery["columns"],
  ) {
    this.#connection = connection;
    this.#native = native;
    this.#sql = sql;
    this.#columns = columns;
    this.#parameters = sql.split("?").length - 1;
  }

  run(...values: readonly SqlValue[]): { readonly changes: number } {
    const bound = this.#bind(values);
    return this.#connection.guard(() => this.#native.run(bound));
  }

  get(...values: readonly SqlValue[]): SqlRow | undefined {
    const bound = this.#bind(values);
    const row = this.#connection.guard(() => this.#native.get(bound));
    return row === undefined ? undefined : readRow(row, this.#columns, this.#connection.name);
  }

  all(...values: readonly SqlValue[]): SqlRow[] {
    const bound = this.#bind(values);
    const rows = this.#connection.guard(() => this.#native.all(bound));
    return rows.map((row) => readRow(row, this.#columns, this.#connection.name));
  }

  /** The addon would silently take too few or too many values. */
  #bind(values: readonly SqlValue[]): unknown[] {
    assert(values.length === this.#parameters, `${this.#parameters} values for: ${this.#sql}`);
    return values.map(bindable);
  }
}

function bindable(value: SqlValue): unknown {
  if (value === null || typeof value === "bigint") return value;
  if (typeof value === "number") {
    // Where a row of before was damaged, what is reckoned from it is no number.
    if (!Number.isFinite(value))
      throw new CaxtonError("data_corrupt", "What is to be written is no number: its source is damaged");
    return Number.isSafeInteger(value) ? BigInt(value) : value;
  }
  if (typeof value === "string") {
    assert(!value.includes("\0"), "text in SQL has no NUL");
    return value;
  }
  assert(value instanceof Uint8Array, "a value in SQL is null, a number, text or bytes");
  return value;
}

const codeOfResult: Readonly<Record<string, ErrorCode>> = {
  SQLITE_FULL: "disk_full",
  SQLITE_CORRUPT: "data_corrupt",
  SQLITE_NOTADB: "data_corrupt",
  SQLITE_BUSY: "data_locked",
};

/** Maps what the addon throws; anything of our own passes unchanged. */
export function databaseError(thrown: unknown, name: string): unknown {
  if (thrown instanceof CaxtonError || !(thrown instanceof Error)) return thrown;
  const result = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
  const base = result.split("_").slice(0, 2).join("_");
  const noSpace = /ENOSPC|No space left/i.test(thrown.message);
  const code = noSpace ? "disk_full" : (codeOfResult[base] ?? "storage_failed");
  const reason = result === "" ? reasonOf(thrown) : `${reasonOf(thrown)} (${result})`;
  return new CaxtonError(code, `Database ${quote(name)}: ${reason}`, { cause: thrown });
}
