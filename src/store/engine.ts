/**
 * The store on one database, synchronous: commits to the journal, brings the tables up from it,
 * answers reads. When to do which is the server's decision (server.ts).
 */
import { assert } from "../base/assert.ts";
import { CaxtonError } from "../base/errors.ts";
import { quote, type AgentName, type MessageId } from "../base/ids.ts";
import type { Database, Databases } from "../ports/database.ts";
import * as agents from "./agent-tables.ts";
import { addConversationMessages } from "./conversation-tables.ts";
import { addDeadLetters, takeDeadLetters } from "./dead-letter-table.ts";
import type { JournalBatch, JournalSlice } from "./journal.ts";
import { Journal } from "./journal.ts";
import { JournalEffects } from "./journal-effects.ts";
import {
  backlogLimit_bytes,
  backlogLimit_records,
  deadLetterRetention,
  quickCheckLimit_bytes,
  type Retention,
} from "./limits.ts";
import { storeMigrations } from "./migrations.ts";
import { checkIntegrity, checkSchema, migrate } from "./migrator.ts";
import * as kept from "./kept-agents.ts";
import { applyToOutbox, takeFromOutbox } from "./outbox-table.ts";
import type { DeadLetter, StoredAgent } from "./store.ts";
import { readTally } from "./tallies.ts";
import { messageIdOf } from "../wire/message.ts";

export interface EngineOptions {
  /** The store grows no larger: beyond, writes fail with `disk_full`. */
  readonly maximum_bytes?: number;
  /** Dead letters that are kept, the newest; 10,000 unless given. */
  readonly deadLetters_max?: number;
}

/**
 * Opens the store in `path`, made on first use. Throws `data_corrupt` or `version_mismatch`, with
 * what to do, and leaves such a file as it is.
 */
export function openEngine(databases: Databases, path: string, options: EngineOptions = {}): StoreEngine {
  try {
    if (databases.exists(path)) inspect(databases, path);
    const database = databases.open(path, options);
    try {
      migrate(database, storeMigrations);
      return new StoreEngine(database, options.deadLetters_max);
    } catch (thrown) {
      database.close();
      throw thrown;
    }
  } catch (thrown) {
    if (!(thrown instanceof CaxtonError) || thrown.code !== "data_corrupt") throw thrown;
    throw new CaxtonError(
      "data_corrupt",
      `Cannot open store ${quote(path)}, which was left as it is. ${thrown.message}. ` +
        "Move the file away and restore a backup, or start this node with an empty data directory",
      { cause: thrown },
    );
  }
}

/** Looks through a connection that cannot write. */
function inspect(databases: Databases, path: string): void {
  const database = databases.open(path, { readonly: true });
  try {
    if (sizeOf(database) <= quickCheckLimit_bytes) checkIntegrity(database, path);
    checkSchema(database, storeMigrations, path);
  } finally {
    database.close();
  }
}

function sizeOf(database: Database): number {
  const row = database
    .prepare("SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()")
    .get();
  return Number(row?.["size"]);
}

export class StoreEngine {
  readonly journal: Journal;

  readonly #deadLetters: Retention;

  constructor(
    readonly database: Database,
    deadLetters_max = deadLetterRetention.count,
  ) {
    this.#deadLetters = { ...deadLetterRetention, count: deadLetters_max };
    this.journal = new Journal(database);
  }

  /** Durable when it returns; throws and changes nothing otherwise. */
  append(batches: readonly JournalBatch[]): void {
    this.journal.append(batches);
  }

  get backlogFull(): boolean {
    const { records, bytes } = this.journal.backlog;
    return records > backlogLimit_records || bytes > backlogLimit_bytes;
  }

  /** Brings the tables forward by one bounded slice; false when there was nothing to do. */
  applySlice(): boolean {
    const effects = new JournalEffects();
    const slice = this.journal.read(effects);
    if (slice === undefined) return false;
    // Relaxed: what a power cut takes back is still in the journal, in the same order.
    this.database.transaction(() => this.#apply(effects, slice), "relaxed");
    this.journal.advanced(slice);
    return true;
  }

  /**
   * Gives `read` tables that contain the whole journal. With no room on the disk to bring them up,
   * this is done in memory and taken back, so that what was acknowledged stays readable.
   */
  preview<T>(read: () => T): T {
    const back = this.journal.mark();
    try {
      return this.database.transaction(() => {
        for (;;) {
          const effects = new JournalEffects();
          const slice = this.journal.read(effects);
          if (slice === undefined) return read();
          this.#apply(effects, slice);
          this.journal.advanced(slice);
        }
      }, "preview");
    } finally {
      back();
    }
  }

  /** All records of the agent must be applied. Its mail becomes dead letters in the same transaction. */
  removeAgent(name: AgentName, at_ms: number): void {
    assert(this.journal.applied(this.journal.last), "the journal is applied before an agent is removed");
    this.database.transaction(() => {
      const mail = agents.removeAgent(this.database, name);
      const detail = `Agent ${quote(name)} was removed before it handled the message`;
      addDeadLetters(
        this.database,
        mail.map((message) => ({ reason: "agent_removed", detail, at_ms, message })),
        this.#deadLetters,
      );
    });
  }

  putAside(aside: kept.Aside): void {
    assert(this.journal.applied(this.journal.last), "the journal is applied before it is put aside");
    const { name, owner, owner_epoch, at_ms } = aside;
    const detail = `Agent ${quote(name)} is node ${quote(owner)}'s since epoch ${owner_epoch}: what it had sent before was not delivered`;
    this.database.transaction(() => {
      const unsent = kept.putAside(this.database, aside);
      const letters = unsent.map((message) => ({ reason: "fenced", detail, at_ms, message }));
      addDeadLetters(this.database, letters, this.#deadLetters);
    });
  }

  takeIncoming(agent: StoredAgent, transfer: number): boolean {
    return this.database.transaction(() => kept.takeIncoming(this.database, agent, transfer));
  }

  /** Nothing of it becomes a dead letter: all of it is elsewhere. */
  removeMoved(name: AgentName): void {
    assert(this.journal.applied(this.journal.last), "the journal is applied before an agent is removed");
    this.database.transaction(() => agents.removeAgent(this.database, name));
  }

  /** State, timers and what is known as handled stay. */
  removeDoubtful(name: AgentName, at_ms: number): void {
    assert(this.journal.applied(this.journal.last), "the journal is applied before mail is judged by it");
    const detail =
      `This node came back with an old copy of its data, which agent ${quote(name)} goes on from: ` +
      "it may have handled this message since";
    this.database.transaction(() => {
      const unhandled = agents.takeInbox(this.database, name);
      const letters = unhandled.map((message) => ({ reason: "old_copy", detail, at_ms, message }));
      addDeadLetters(this.database, letters, this.#deadLetters);
    });
  }

  removeUnsent(ids: readonly MessageId[], at_ms: number): void {
    assert(this.journal.applied(this.journal.last), "the journal is applied before mail is judged by it");
    const detail =
      "This node came back with an old copy of its data: the message was in the outbox, and may have been delivered since";
    const doubted = new Set(ids);
    this.database.transaction(() => {
      const unsent = takeFromOutbox(this.database, (message) => doubted.has(messageIdOf(message)));
      const letters = unsent.map((message) => ({ reason: "old_copy", detail, at_ms, message }));
      addDeadLetters(this.database, letters, this.#deadLetters);
    });
  }

  takeDeadLetters(ids: readonly number[] | "all"): readonly DeadLetter[] {
    return this.database.transaction(() => takeDeadLetters(this.database, ids));
  }

  saveAgent(agent: StoredAgent): void {
    this.saveAgents([agent]);
  }

  /** All of them or none. */
  saveAgents(saved: readonly StoredAgent[]): void {
    this.database.transaction(() => {
      for (const agent of saved) agents.saveAgent(this.database, agent);
    });
  }

  /** What the tables hold; records that are not applied yet are in `backlog_records` only. */
  figures() {
    return {
      size_bytes: sizeOf(this.database),
      backlog_records: this.journal.backlog.records,
      deadLetters: readTally(this.database, "dead_letters").count,
      deadLettersDropped: readTally(this.database, "dead_letters_dropped").count,
      outbox: readTally(this.database, "outbox").count,
    };
  }

  close(): void {
    this.database.close();
  }

  #apply(effects: JournalEffects, slice: JournalSlice): void {
    for (const [name, agent] of effects.agents) agents.applyToAgent(this.database, name, agent);
    applyToOutbox(this.database, effects.outbox);
    addDeadLetters(this.database, effects.deadLetters, this.#deadLetters);
    addConversationMessages(this.database, effects.conversation);
    this.journal.advance(slice.end);
  }
}
