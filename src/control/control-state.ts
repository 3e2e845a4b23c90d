/**
 * The control state machine: committed entries in, outcomes out, everything in one libSQL file with the
 * applied index in the same transaction. Deterministic: time and ids come with the commands. What the
 * commands do is in `features/`; this file is what all of them share.
 */
import { assert, unreachable } from "../base/assert.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { Database, Databases } from "../ports/database.ts";
import {
  type ControlCommand,
  type ControlOutcome,
  type StampedCommand,
  commandLimit_bytes,
  decodeControlCommand,
  decodeControlQuery,
  decodeStampedCommand,
  encodeOutcome,
  outcome,
  stampCommand,
} from "../wire/control-command.ts";
import { encodeControlHash } from "../wire/control-hash.ts";
import { WireError, Writer } from "../wire/cursor.ts";
import { hashOf } from "./control-hash.ts";
import {
  type ControlHead,
  openControlDatabase,
  readHead,
  readTotals,
  writeConfiguration,
  writeHead,
  writeMark,
  writeSettled,
  writeTotals,
} from "./control-tables.ts";
import { batchCommand } from "./batch-command.ts";
import { CommandTable, features, sections, unknownCommand } from "./command-table.ts";
import { controlContext } from "./control-context.ts";
import type { ControlContext } from "./feature.ts";
import { HeldEntries } from "./held-entries.ts";
import { IdempotencyRecords, idempotencySection, recordId, requestDigest } from "./idempotency.ts";
import { sweepInterval_ms } from "./limits.ts";
import { OldestProgram } from "./oldest-program.ts";
import type {
  CommittedEntry,
  Halt,
  LeaderStamp,
  LogPosition,
  ReplicatedState,
  SnapshotExport,
  SnapshotImport,
  StateHash,
} from "./replicated-state.ts";
import { Section, type SectionDefinition, digestOf, writesOfWatched } from "./section.ts";
import { Sessions, sessionSection } from "./sessions.ts";
import { hashQueries } from "./state-queries.ts";
import { sessionCommands } from "./session-commands.ts";
import { openSnapshotExport } from "./snapshot-export.ts";
import { StagedSnapshot } from "./snapshot-import.ts";

/** A command that was read and waits for the state. */
type Execute = (context: ControlContext) => ControlOutcome;

const empty = new Uint8Array(0);

/** Opens the state in `path`, made on first use. Throws `data_corrupt`, `version_mismatch`, `storage_failed`. */
export function openControlState(databases: Databases, path: string): ControlState {
  const database = openControlDatabase(databases, path);
  try {
    return new ControlState(databases, path, database);
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

export class ControlState implements ReplicatedState {
  readonly #databases: Databases;
  readonly #path: string;
  readonly #database: Database;
  readonly #sections = new Map<SectionDefinition, Section>();
  readonly #sessions: Sessions;
  readonly #records: IdempotencyRecords;
  readonly #table: CommandTable;
  readonly #context: ControlContext;
  readonly #oldest: OldestProgram;
  readonly #held: HeldEntries;
  readonly #chainInput = new Writer(1_024);
  #head: { -readonly [K in keyof ControlHead]: ControlHead[K] };
  #settled: number;
  #configurationChanged = false;
  #principal = "";
  #markWanted = false;
  #reloads = 0;
  #halted: Halt | null = null;
  #import: StagedSnapshot | null = null;

  constructor(databases: Databases, path: string, database: Database) {
    this.#databases = databases;
    this.#path = path;
    this.#database = database;
    for (const definition of sections) this.#sections.set(definition, new Section(database, definition));
    this.#sessions = new Sessions(this.#section(sessionSection));
    this.#records = new IdempotencyRecords(this.#section(idempotencySection));
    const own = sessionCommands(this.#sessions, () => {
      this.#markWanted = true;
    });
    const batch = batchCommand(
      (kind, version) => this.#table.command(kind, version),
      (execute, command) => this.#keyed(execute, command),
    );
    this.#table = new CommandTable(
      [...own, batch, ...features.flatMap(({ commands }) => commands)],
      [
        ...hashQueries(database, { hash: () => this.hash, sections: () => this.#written() }),
        ...features.flatMap(({ queries }) => queries),
      ],
    );
    this.#context = controlContext({
      section: (definition) => this.#section(definition),
      head: () => this.#head,
      principal: () => this.#principal,
    });
    this.#oldest = new OldestProgram(this.#context, () => this.#reloads);
    this.#held = new HeldEntries({
      database,
      save: () => this.#save(),
      reload: () => this.#reload(),
      apply: (entries) => this.#applyAll(entries),
    });
    StagedSnapshot.clear(database);
    const { settled, ...head } = readHead(database);
    this.#head = head;
    this.#settled = settled;
    this.#reload();
  }

  get applied(): LogPosition {
    const { index, term } = this.#held.lost ?? this.#head;
    return { index, term };
  }

  get settled(): number {
    return this.#settled;
  }

  get configuration(): ControlHead["configuration"] {
    return this.#head.configuration;
  }

  get halted(): Halt | null {
    return this.#halted;
  }

  get hash(): StateHash {
    this.#held.restore();
    return hashOf(this.#head, this.#written());
  }

  get watched(): number {
    return this.#reloads + writesOfWatched(this.#sections.values());
  }

  stamp(command: Uint8Array, { elapsed_ms, wall_ms }: LeaderStamp): Uint8Array {
    if (command.length > commandLimit_bytes) {
      throw new CaxtonError("payload_too_large", `A control command has at most ${commandLimit_bytes} bytes`);
    }
    try {
      const decoded = decodeControlCommand(command);
      const known = this.#table.command(decoded.kind, decoded.version);
      if (known === undefined) throw unknownCommand(decoded);
      this.#oldest.demand(known);
      known.prepare(decoded.body);
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      const detail = `Malformed control command: ${thrown.message}`;
      throw new CaxtonError("invalid_argument", detail, { cause: thrown });
    }
    return stampCommand(command, Math.max(0, Math.floor(elapsed_ms)), Math.max(0, Math.floor(wall_ms)));
  }

  apply(entries: readonly CommittedEntry[]): readonly Uint8Array[] {
    if (this.#halted !== null || entries.length === 0) return [];
    try {
      return this.#held.run(entries, () => this.#applyAll(entries));
    } catch (thrown) {
      this.#halted = null;
      throw thrown;
    }
  }

  get uncommitted(): boolean {
    return this.#held.waiting;
  }

  commit(): void {
    this.#held.commit();
  }

  settle(): number {
    this.#held.commit();
    if (this.#settled === this.#head.index) return this.#settled;
    const index = this.#head.index;
    this.#database.transaction(() => writeSettled(this.#database, index), "durable");
    this.#settled = index;
    return index;
  }

  query(query: Uint8Array): Uint8Array {
    this.#held.restore();
    try {
      const { kind, body } = decodeControlQuery(query);
      return this.#table.query(kind).run(this.#context, body);
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      throw new CaxtonError("invalid_argument", `Malformed control query: ${thrown.message}`, {
        cause: thrown,
      });
    }
  }

  exportSnapshot(): SnapshotExport {
    this.#held.commit();
    return openSnapshotExport(this.#databases, this.#path);
  }

  importSnapshot(): SnapshotImport {
    this.#import?.abandon();
    this.#import = new StagedSnapshot(this.#held.between(), (head) => {
      this.#halted = null;
      this.#settled = head.index;
      this.#reload();
    });
    return this.#import;
  }

  close(): void {
    try {
      this.#held.commit();
    } catch {
      // What is not written stands in the log, and is applied again.
      this.#held.drop();
    }
    this.#database.close();
  }

  #section(definition: SectionDefinition): Section {
    const section = this.#sections.get(definition);
    assert(section !== undefined, `section ${definition.name} is in the command table`);
    return section;
  }

  /** What the database holds is what counts: after a transaction that failed, and after an import. */
  #reload(): void {
    const { settled: _, ...head } = readHead(this.#database);
    this.#head = head;
    this.#configurationChanged = false;
    this.#markWanted = false;
    readTotals(this.#database, this.#sections.values());
    this.#reloads++;
    this.#sessions.load();
  }

  #save(): void {
    this.#sessions.flush();
    for (const section of this.#sections.values()) section.flush();
    writeTotals(this.#database, this.#sections.values());
    writeHead(this.#database, this.#head);
    if (this.#configurationChanged) writeConfiguration(this.#database, this.#head.configuration);
    this.#configurationChanged = false;
  }

  /** The sections with everything in their tables. */
  #written(): readonly Section[] {
    this.#sessions.flush();
    return [...this.#sections.values()];
  }

  /** Outcomes up to where it halts. */
  #applyAll(entries: readonly CommittedEntry[]): readonly Uint8Array[] {
    const outcomes: Uint8Array[] = [];
    for (const entry of entries) {
      assert(entry.index === this.#head.index + 1, "entries are applied without a gap");
      const result = this.#applyEntry(entry);
      if (!(result instanceof Uint8Array)) {
        this.#halted = result;
        break;
      }
      outcomes.push(result);
    }
    return outcomes;
  }

  /** The outcome, or why it cannot be applied; nothing has changed then. */
  #applyEntry(entry: CommittedEntry): Uint8Array | Halt {
    const { index, term, kind, data } = entry;
    let stamped: StampedCommand | null = null;
    let execute: Execute | null = null;
    switch (kind) {
      case "command":
        try {
          stamped = decodeStampedCommand(data);
          const known = this.#table.command(stamped.command.kind, stamped.command.version);
          if (known === undefined) return { index, reason: unknownCommand(stamped.command).message };
          execute = known.prepare(stamped.command.body);
        } catch (thrown) {
          if (!(thrown instanceof WireError)) throw thrown;
          return { index, reason: `Entry ${index} is no control command: ${reasonOf(thrown)}` };
        }
        break;
      case "noop":
      case "configuration":
        break;
      default:
        return unreachable(kind);
    }
    this.#advance(entry);
    if (kind === "configuration") {
      this.#head.configuration = { index, data: data.slice() };
      this.#configurationChanged = true;
    }
    if (term !== this.#head.clockTerm) {
      this.#head.clockTerm = term;
      this.#head.clockElapsed_ms = 0;
    }
    if (stamped === null || execute === null) return empty;
    const result = this.#command(execute, stamped);
    if (this.#markWanted) this.#mark();
    return result;
  }

  #advance({ index, term, kind, data }: CommittedEntry): void {
    const input = this.#chainInput;
    input.reset();
    input.raw(this.#head.chain).u64(index).u64(term).text(kind).raw(data);
    this.#head.chain = digestOf(input.view());
    this.#head.index = index;
    this.#head.term = term;
  }

  #command(execute: Execute, { elapsed_ms, wall_ms, command }: StampedCommand): Uint8Array {
    const head = this.#head;
    head.clock_ms += Math.max(0, elapsed_ms - head.clockElapsed_ms);
    head.clockElapsed_ms = Math.max(head.clockElapsed_ms, elapsed_ms);
    head.wall_ms = wall_ms;
    if (head.clock_ms - head.swept_ms >= sweepInterval_ms) this.#sweep();
    const { session: mark } = command;
    if (mark === null) return this.#keyed(execute, command);
    const session = this.#sessions.get(mark.session);
    if (session === undefined) return encodeOutcome(outcome("session_unknown"));
    const before = session.outcomes.get(mark.sequence);
    if (before !== undefined) return before;
    if (mark.sequence < session.floor) return encodeOutcome(outcome("sequence_forgotten", session.floor));
    if (this.#sessions.full(session)) return encodeOutcome(outcome("limit", session.outcomes.size));
    const result = this.#keyed(execute, command);
    // Closed by its own command.
    if (this.#sessions.get(mark.session) === session) {
      this.#sessions.record(
        session,
        mark.sequence,
        result,
        Math.min(mark.floor, mark.sequence),
        head.clock_ms,
      );
    }
    return result;
  }

  #keyed(execute: Execute, command: Omit<ControlCommand, "session">): Uint8Array {
    const { idempotencyKey, principal, kind, version, body } = command;
    if (idempotencyKey === null) return encodeOutcome(this.#execute(execute, principal));
    const id = recordId(principal, idempotencyKey);
    const request = requestDigest(kind, version, body);
    const before = this.#records.find(id, request);
    if (before === "other") return encodeOutcome(outcome("key_reused"));
    if (before !== undefined) return before;
    if (!this.#records.makeRoom(this.#head.clock_ms)) return encodeOutcome(outcome("limit"));
    const result = encodeOutcome(this.#execute(execute, principal));
    this.#records.record(id, request, result, this.#head.clock_ms);
    return result;
  }

  #execute(execute: Execute, principal: string): ControlOutcome {
    this.#principal = principal;
    return execute(this.#context);
  }

  #sweep(): void {
    this.#head.swept_ms = this.#head.clock_ms;
    this.#sessions.sweep(this.#head.clock_ms);
    this.#records.sweep(this.#head.clock_ms);
    for (const feature of features) feature.sweep?.(this.#context);
  }

  #mark(): void {
    this.#markWanted = false;
    writeMark(this.#database, this.#head.index, encodeControlHash(this.hash));
  }
}
