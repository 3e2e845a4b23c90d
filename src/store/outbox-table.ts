/** Messages that this node promised to deliver to agents elsewhere, oldest first. */
import { CaxtonError } from "../base/errors.ts";
import type { Database } from "../ports/database.ts";
import { bytesOf, idBytes } from "./agent-tables.ts";
import type { QueueEffects } from "./journal-effects.ts";
import { outboxPage_bytes } from "./limits.ts";
import { addToTally } from "./tallies.ts";

export interface OutboxPage {
  readonly messages: readonly Uint8Array[];
  /** Ask again with it as `after`; null at the end. */
  readonly last: number | null;
}

/** Inside the transaction of a slice. */
export function applyToOutbox(database: Database, effects: QueueEffects): void {
  let count = 0;
  let bytes = 0;
  const remove = database.prepare(
    "DELETE FROM outbox WHERE message_id = ? RETURNING length(message) AS size",
  );
  for (const id of effects.removed) {
    const gone = remove.get(idBytes(id));
    if (gone === undefined) continue;
    count--;
    bytes -= Number(gone["size"]);
  }
  const add = database.prepare(
    "INSERT INTO outbox (message_id, message) VALUES (?, ?) ON CONFLICT DO NOTHING",
  );
  for (const [id, message] of effects.added) {
    if (add.run(idBytes(id), message).changes === 0) continue;
    count++;
    bytes += message.length;
  }
  addToTally(database, "outbox", count, bytes);
}

/** The messages after row `after`, as many as one answer may hold. Throws `data_corrupt` where rows do not ascend. */
export function readOutbox(database: Database, after: number): OutboxPage {
  const messages: Uint8Array[] = [];
  const next = database.prepare(
    "SELECT sequence, message FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT 64",
  );
  let last = after;
  let bytes = 0;
  for (;;) {
    const rows = next.all(last);
    for (const row of rows) {
      const message = bytesOf(row["message"]);
      const at = Number(row["sequence"]);
      // Who went on from a row that lies before would never come to an end.
      if (!(at > last)) throw new CaxtonError("data_corrupt", "The outbox in the store is out of order");
      messages.push(message);
      last = at;
      bytes += message.length;
      if (bytes >= outboxPage_bytes) return { messages, last };
    }
    if (rows.length < 64) return { messages, last: null };
  }
}

/** Inside a transaction: those messages leave the outbox. */
export function takeFromOutbox(
  database: Database,
  takes: (message: Uint8Array) => boolean,
): readonly Uint8Array[] {
  const taken: Uint8Array[] = [];
  let bytes = 0;
  const remove = database.prepare("DELETE FROM outbox WHERE sequence = ?");
  for (const row of database.prepare("SELECT sequence, message FROM outbox ORDER BY sequence").all()) {
    const message = bytesOf(row["message"]);
    if (!takes(message)) continue;
    remove.run(Number(row["sequence"]));
    taken.push(message);
    bytes += message.length;
  }
  addToTally(database, "outbox", -taken.length, -bytes);
  return taken;
}
