/**
 * Client sessions: a command that is sent again, because its answer was lost, gets the outcome of the
 * first time and changes nothing (Ongaro, dissertation, section 6.3). Held in memory, written at the end of a batch.
 */
import { assert } from "../base/assert.ts";
import { Reader, Writer } from "../wire/cursor.ts";
import { sessionIdleUnderPressure_ms, sessionIdle_ms, sessionWindow_max, sessions_max } from "./limits.ts";
import type { Section, SectionDefinition } from "./section.ts";

export const sessionSection: SectionDefinition = {
  name: "sessions",
  since: 1,
  key: { name: "id", type: "integer" },
  columns: [
    { name: "used_ms", type: "integer" },
    { name: "floor", type: "integer" },
    { name: "outcomes", type: "bytes", large: true },
  ],
};

export interface Session {
  readonly id: number;
  used_ms: number;
  /** Below, all commands are known to be answered. */
  floor: number;
  readonly outcomes: Map<number, Uint8Array>;
}

const outcomeLimit_bytes = 8 * 1024;

export class Sessions {
  readonly #section: Section;
  readonly #sessions = new Map<number, Session>();
  readonly #changed = new Set<number>();

  constructor(section: Section) {
    this.#section = section;
  }

  /** Reads them anew from the database. */
  load(): void {
    this.#sessions.clear();
    this.#changed.clear();
    for (const row of this.#section.walk(null, sessions_max)) {
      const id = Number(row["id"]);
      const outcomes = readOutcomes(row["outcomes"] as Uint8Array);
      this.#sessions.set(id, { id, used_ms: Number(row["used_ms"]), floor: Number(row["floor"]), outcomes });
    }
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** False when all places are taken by sessions that are in use. */
  open(id: number, now_ms: number): boolean {
    if (this.#sessions.size >= sessions_max && !this.#makeRoom(now_ms)) return false;
    this.#sessions.set(id, { id, used_ms: now_ms, floor: 0, outcomes: new Map() });
    this.#changed.add(id);
    return true;
  }

  close(id: number): boolean {
    const closed = this.#sessions.delete(id);
    if (closed) this.#changed.add(id);
    return closed;
  }

  get(id: number): Session | undefined {
    return this.#sessions.get(id);
  }

  /** Keeps an outcome, and forgets those that the client says it has. */
  record(session: Session, sequence: number, outcome: Uint8Array, floor: number, now_ms: number): void {
    assert(outcome.length <= outcomeLimit_bytes, "outcomes are small");
    session.outcomes.set(sequence, outcome);
    if (floor > session.floor) {
      session.floor = floor;
      for (const answered of session.outcomes.keys()) if (answered < floor) session.outcomes.delete(answered);
    }
    session.used_ms = now_ms;
    this.#changed.add(session.id);
  }

  full(session: Session): boolean {
    return session.outcomes.size >= sessionWindow_max;
  }

  sweep(now_ms: number): void {
    this.#end(now_ms - sessionIdle_ms);
  }

  /** Writes what changed; before a hash is taken and at the end of a transaction. */
  flush(): void {
    for (const id of this.#changed) {
      const before = this.#section.peek(id);
      const session = this.#sessions.get(id);
      if (session !== undefined) {
        const { used_ms, floor, outcomes } = session;
        this.#section.put(before, [id, used_ms, floor, writeOutcomes(outcomes)]);
      } else if (before !== undefined) this.#section.delete(before, id);
    }
    this.#changed.clear();
  }

  #makeRoom(now_ms: number): boolean {
    this.#end(now_ms - sessionIdleUnderPressure_ms);
    return this.#sessions.size < sessions_max;
  }

  #end(usedBefore_ms: number): void {
    for (const { id, used_ms } of this.#sessions.values()) if (used_ms < usedBefore_ms) this.close(id);
  }
}

/** In the order in which they were executed, which is the same on all replicas. */
function writeOutcomes(outcomes: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const writer = new Writer(16 + outcomes.size * 32).varint(outcomes.size);
  for (const [sequence, outcome] of outcomes) {
    writer.u64(sequence).blob(outcome);
  }
  return writer.finish();
}

function readOutcomes(bytes: Uint8Array): Map<number, Uint8Array> {
  const reader = new Reader(bytes);
  const count = reader.count(sessionWindow_max, 9);
  const outcomes = new Map<number, Uint8Array>();
  for (let i = 0; i < count; i++) outcomes.set(reader.u64(), reader.blob(outcomeLimit_bytes).slice());
  reader.finish();
  return outcomes;
}
