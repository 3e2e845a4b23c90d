/** Messages that could not be delivered, each with its reason, for people to look at, replay or purge. */
import type { Database, SqlRow } from "../ports/database.ts";
import { bytesOf } from "./agent-tables.ts";
import type { NewDeadLetter } from "./journal-effects.ts";
import { pageLimit_bytes, type Retention } from "./limits.ts";
import { boundedLimit, formatCursor, parseCursor } from "./page-cursor.ts";
import type { DeadLetter, Page } from "./store.ts";
import { addToTally } from "./tallies.ts";

const listing = "dead-letters";

/** Inside a transaction. The oldest beyond the limits are dropped and counted. */
export function addDeadLetters(
  database: Database,
  letters: readonly NewDeadLetter[],
  retention: Retention,
): void {
  if (letters.length === 0) return;
  let bytes = 0;
  const insert = database.prepare(
    "INSERT INTO dead_letters (reason, detail, at_ms, message) VALUES (?, ?, ?, ?)",
  );
  for (const letter of letters) {
    insert.run(letter.reason, letter.detail.replaceAll("\0", ""), letter.at_ms, letter.message);
    bytes += letter.message.length;
  }
  let held = addToTally(database, "dead_letters", letters.length, bytes);
  const drop = database.prepare(
    `DELETE FROM dead_letters WHERE id = (SELECT min(id) FROM dead_letters)
     RETURNING length(message) AS size`,
  );
  while (held.count > retention.count || (held.bytes > retention.bytes && held.count > 1)) {
    const size = Number(drop.get()?.["size"]);
    held = addToTally(database, "dead_letters", -1, -size);
    addToTally(database, "dead_letters_dropped", 1, size);
  }
}

/** Newest first. */
export function listDeadLetters(database: Database, limit: number, cursor: string | null): Page<DeadLetter> {
  const before = parseCursor(listing, cursor) ?? Number.MAX_SAFE_INTEGER;
  const count = boundedLimit(limit);
  const items: DeadLetter[] = [];
  const next = database.prepare("SELECT * FROM dead_letters WHERE id < ? ORDER BY id DESC LIMIT 1");
  let last = before;
  for (let bytes = 0; items.length < count && bytes < pageLimit_bytes;) {
    const row = next.get(last);
    if (row === undefined) return { items, next: null };
    const letter = letterOf(row);
    items.push(letter);
    last = letter.id;
    bytes += letter.message.length;
  }
  return { items, next: next.get(last) === undefined ? null : formatCursor(listing, last) };
}

/** Inside a transaction. Oldest first. */
export function takeDeadLetters(database: Database, ids: readonly number[] | "all"): readonly DeadLetter[] {
  const taken: DeadLetter[] = [];
  if (ids === "all") {
    taken.push(...database.prepare("SELECT * FROM dead_letters ORDER BY id").all().map(letterOf));
    database.prepare("DELETE FROM dead_letters").run();
  } else {
    const look = database.prepare("SELECT * FROM dead_letters WHERE id = ?");
    const remove = database.prepare("DELETE FROM dead_letters WHERE id = ?");
    for (const id of [...new Set(ids)].sort((a, b) => a - b)) {
      const row = look.get(id);
      if (row === undefined) continue;
      taken.push(letterOf(row));
      remove.run(id);
    }
  }
  addToTally(
    database,
    "dead_letters",
    -taken.length,
    -taken.reduce((sum, letter) => sum + letter.message.length, 0),
  );
  return taken;
}

function letterOf(row: SqlRow): DeadLetter {
  return {
    id: Number(row["id"]),
    reason: String(row["reason"]),
    detail: String(row["detail"]),
    at_ms: Number(row["at_ms"]),
    message: bytesOf(row["message"]),
  };
}
