/** How many rows, and bytes of messages, a bounded table holds: read once, changed with the table, in its transaction. */
import type { Database } from "../ports/database.ts";

export type TallyName = "dead_letters" | "dead_letters_dropped" | "conversation_messages" | "outbox";

export interface Tally {
  readonly count: number;
  readonly bytes: number;
}

export function readTally(database: Database, name: TallyName): Tally {
  const row = database.prepare("SELECT count, bytes FROM tallies WHERE name = ?").get(name);
  return { count: Number(row?.["count"] ?? 0), bytes: Number(row?.["bytes"] ?? 0) };
}

/** Adds, or with negative numbers takes away; returns the new tally. */
export function addToTally(database: Database, name: TallyName, count: number, bytes: number): Tally {
  if (count === 0 && bytes === 0) return readTally(database, name);
  const row = database
    .prepare(
      `INSERT INTO tallies (name, count, bytes) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET count = count + excluded.count, bytes = bytes + excluded.bytes
       RETURNING count, bytes`,
    )
    .get(name, count, bytes);
  return { count: Number(row?.["count"]), bytes: Number(row?.["bytes"]) };
}
