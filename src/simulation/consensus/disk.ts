/**
 * The disk of a simulated node that runs the whole of consensus: the real engine in memory, and what a disk does to
 * it. Relaxed transactions are there and not yet safe: a crash takes back some of the last ones, in their order.
 * Transactions take time, hang, fail, find no room; between their steps the process may end.
 */
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import { copyDatabase } from "../../platform/memory/database.ts";
import { connectLibsql } from "../../platform/node/libsql-connection.ts";
import type {
  Database,
  Databases,
  HeldTransaction,
  Statement,
  TransactionMode,
} from "../../ports/database.ts";

/** What the process that uses the disk is to it. */
export interface DiskUser {
  /** May end the process: throws then, and at every later call. */
  mayCrash(): void;
  /** The calling thread waits. */
  takes(duration_ms: number): void;
}

export interface DiskNature {
  readonly durable_ms: number;
  readonly relaxed_ms: number;
}

interface File {
  readonly connection: Database;
  /** Relaxed transactions since the last durable one: each is a savepoint that was not released. */
  relaxed: number;
  /** One that stays open over many calls: a savepoint on top. */
  held: boolean;
}

export class ConsensusDisk {
  readonly #files = new Map<string, File>();
  /** Each durable transaction takes so much longer, once. */
  hang_ms = 0;
  /** Every commit fails with it. */
  failure: CaxtonError | null = null;
  commits = 0;
  /** Relaxed transactions that crashes took back. */
  lost = 0;

  constructor(private readonly nature: DiskNature) {}

  databases(user: DiskUser): Databases {
    return {
      exists: (path) => this.#files.has(path),
      open: (path) => {
        user.mayCrash();
        return new DiskDatabase(this, this.#file(path), user);
      },
      view: (path) => {
        user.mayCrash();
        return copyDatabase(this.#file(path).connection, path);
      },
    };
  }

  /** The process is gone: of what was not safe yet a beginning is left. */
  crash(prng: Prng): void {
    for (const file of this.#files.values()) {
      takeBack(file);
      const kept = prng.below(file.relaxed + 1);
      this.lost += file.relaxed - kept;
      if (kept < file.relaxed) file.connection.execute(`ROLLBACK TO s${kept}`);
      release(file);
    }
  }

  dispose(): void {
    for (const { connection } of this.#files.values()) connection.close();
    this.#files.clear();
  }

  transaction<T>(file: File, user: DiskUser, work: () => T, mode: TransactionMode): T {
    user.mayCrash();
    const { connection } = file;
    const name = `s${file.relaxed}`;
    connection.execute(`SAVEPOINT ${name}`);
    let result: T;
    try {
      result = work();
      user.takes(mode === "durable" ? this.nature.durable_ms + this.#hang() : this.nature.relaxed_ms);
      user.mayCrash();
      if (this.failure !== null) throw this.failure;
    } catch (thrown) {
      connection.execute(`ROLLBACK TO ${name}; RELEASE ${name}`);
      throw thrown;
    }
    if (mode === "preview") connection.execute(`ROLLBACK TO ${name}; RELEASE ${name}`);
    else {
      this.commits++;
      file.relaxed++;
      if (mode === "durable") release(file);
      user.mayCrash();
    }
    return result;
  }

  begin(file: File, user: DiskUser): HeldTransaction {
    user.mayCrash();
    file.connection.execute(`SAVEPOINT s${file.relaxed}`);
    file.held = true;
    return {
      get open() {
        return file.held;
      },
      commit: () => {
        user.takes(this.nature.relaxed_ms);
        user.mayCrash();
        if (this.failure !== null) {
          takeBack(file);
          throw this.failure;
        }
        this.commits++;
        file.relaxed++;
        file.held = false;
        user.mayCrash();
      },
      rollback: () => takeBack(file),
    };
  }

  /** A write inside of a transaction that is held: where it fails, the engine has ended the transaction. */
  writes(file: File, user: DiskUser): void {
    user.mayCrash();
    if (this.failure === null) return;
    takeBack(file);
    throw this.failure;
  }

  #hang(): number {
    const hang_ms = this.hang_ms;
    this.hang_ms = 0;
    return hang_ms;
  }

  #file(path: string): File {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = { connection: connectLibsql(":memory:", path, 0), relaxed: 0, held: false };
      file.connection.execute("PRAGMA foreign_keys=ON");
      this.#files.set(path, file);
    }
    return file;
  }
}

function takeBack(file: File): void {
  if (!file.held) return;
  file.held = false;
  file.connection.execute(`ROLLBACK TO s${file.relaxed}; RELEASE s${file.relaxed}`);
}

function release(file: File): void {
  if (file.relaxed > 0) file.connection.execute("RELEASE s0");
  file.relaxed = 0;
}

/** One process's handle: what it does outside of a transaction is one of its own. */
class DiskDatabase implements Database {
  #inside = false;
  #open = true;

  constructor(
    private readonly disk: ConsensusDisk,
    private readonly file: File,
    private readonly user: DiskUser,
  ) {}

  execute(sql: string): void {
    this.#alone(sql, () => this.#inner().execute(sql));
  }

  prepare(sql: string): Statement {
    const statement = this.#inner().prepare(sql);
    return {
      run: (...values) => this.#alone(sql, () => statement.run(...values)),
      get: (...values) => (this.#inner(), statement.get(...values)),
      all: (...values) => (this.#inner(), statement.all(...values)),
    };
  }

  transaction<T>(work: () => T, mode: TransactionMode = "durable"): T {
    this.#inner();
    this.#inside = true;
    try {
      return this.disk.transaction(this.file, this.user, work, mode);
    } finally {
      this.#inside = false;
    }
  }

  begin(): HeldTransaction {
    this.#inner();
    return this.disk.begin(this.file, this.user);
  }

  close(): void {
    this.#open = false;
  }

  #alone<T>(sql: string, work: () => T): T {
    if (this.#inside || sql.startsWith("PRAGMA")) return work();
    if (this.file.held) {
      this.disk.writes(this.file, this.user);
      return work();
    }
    return this.transaction(work);
  }

  #inner(): Database {
    if (!this.#open) throw new CaxtonError("storage_failed", `A ${quote("simulated")} database is closed`);
    return this.file.connection;
  }
}
