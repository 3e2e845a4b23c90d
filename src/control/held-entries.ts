/**
 * The transaction that entries are applied in, left open over many calls, so that what every batch changes is written
 * once for all of them. What is applied and not committed lies in the log, too, and is kept here as well: when the
 * transaction is lost to a failed write, it is applied again before anything else happens. Knows no command.
 */
import type { Database, HeldTransaction } from "../ports/database.ts";
import { heldEntries_bytes, heldEntries_max } from "./limits.ts";
import type { CommittedEntry, LogPosition } from "./replicated-state.ts";

export interface HeldEntriesOptions {
  readonly database: Database;
  /** Writes what is kept in memory, into the open transaction. */
  readonly save: () => void;
  /** Reads anew what is committed. */
  readonly reload: () => void;
  readonly apply: (entries: readonly CommittedEntry[]) => void;
}

export class HeldEntries {
  readonly #options: HeldEntriesOptions;
  #transaction: HeldTransaction | null = null;
  /** Applied and not committed. */
  #entries: CommittedEntry[] = [];
  #bytes = 0;

  constructor(options: HeldEntriesOptions) {
    this.#options = options;
  }

  /** Whether there is something to commit. */
  get waiting(): boolean {
    return this.#entries.length > 0;
  }

  /** The last of those that `restore` will apply again; undefined when none are. */
  get lost(): LogPosition | undefined {
    return this.#transaction === null ? this.#entries.at(-1) : undefined;
  }

  /**
   * `work` applies some of `entries` and returns an outcome for each of those. Throws what it or the database throws:
   * nothing of the call is applied then.
   */
  run<T>(entries: readonly CommittedEntry[], work: () => readonly T[]): readonly T[] {
    this.restore();
    try {
      this.#transaction ??= this.#options.database.begin();
      const outcomes = work();
      const done = entries.slice(0, outcomes.length);
      const bytes = done.reduce((sum, { data }) => sum + data.length, this.#bytes);
      if (this.#entries.length + done.length >= heldEntries_max || bytes >= heldEntries_bytes) this.#commit();
      else {
        for (const entry of done) this.#entries.push(entry);
        this.#bytes = bytes;
      }
      return outcomes;
    } catch (thrown) {
      this.#lose();
      throw thrown;
    }
  }

  /** Throws as `run`; everything that was applied is so again after the next call that does not throw. */
  commit(): void {
    this.restore();
    if (this.#transaction === null) return;
    try {
      this.#commit();
    } catch (thrown) {
      this.#lose();
      throw thrown;
    }
  }

  /** To be called before the state is looked at: a lost transaction is done again. Throws as `run`. */
  restore(): void {
    if (this.#transaction?.open === false) this.#lose();
    if (this.#transaction !== null || this.#entries.length === 0) return;
    try {
      this.#transaction = this.#options.database.begin();
      this.#options.apply(this.#entries);
    } catch (thrown) {
      this.#lose();
      throw thrown;
    }
  }

  /** The database for transactions of others: what is applied is committed before each. */
  between(): Database {
    const { database } = this.#options;
    return {
      execute: (sql) => database.execute(sql),
      prepare: (sql) => database.prepare(sql),
      begin: () => database.begin(),
      transaction: (work, mode) => {
        this.commit();
        return database.transaction(work, mode);
      },
      close: () => database.close(),
    };
  }

  /** Takes back what is not committed, for good. */
  drop(): void {
    this.#transaction?.rollback();
    this.#transaction = null;
    this.#entries = [];
    this.#bytes = 0;
  }

  #commit(): void {
    this.#options.save();
    this.#transaction?.commit();
    this.#transaction = null;
    this.#entries = [];
    this.#bytes = 0;
  }

  #lose(): void {
    this.#transaction?.rollback();
    this.#transaction = null;
    this.#options.reload();
  }
}
