/**
 * Messages kept for people to read, by conversation. Not part of delivery: the oldest go when
 * there are too many, and a conversation goes with its last message.
 */
import { tokenPattern } from "../base/ids.ts";
import type { Database } from "../ports/database.ts";
import { messageField, messageIdOf } from "../wire/message.ts";
import { bytesOf, idBytes } from "./agent-tables.ts";
import { conversationRetention, pageLimit_bytes, participantsLimit, type Retention } from "./limits.ts";
import { boundedLimit, formatCursor, parseCursor } from "./page-cursor.ts";
import type { ConversationSummary, Page } from "./store.ts";
import { addToTally, type Tally } from "./tallies.ts";

/** Positions in `messageFields`. */
const field = { sender: 0, receiver: 1, conversation: 2, protocol: 6 } as const;
const createdAt_offset = 24;

/** Inside the transaction of a slice. A message whose id is there already changes nothing. */
export function addConversationMessages(
  database: Database,
  messages: readonly Uint8Array[],
  retention: Retention = conversationRetention,
): void {
  if (messages.length === 0) return;
  const known = database.prepare("SELECT 1 AS known FROM conversation_messages WHERE message_id = ?");
  const insert = database.prepare(
    "INSERT INTO conversation_messages (conversation, message_id, message) VALUES (?, ?, ?)",
  );
  let count = 0;
  let bytes = 0;
  for (const message of messages) {
    const id = idBytes(messageIdOf(message));
    if (known.get(id) !== undefined) continue;
    insert.run(conversationOf(database, message), id, message);
    count++;
    bytes += message.length;
  }
  const held = addToTally(database, "conversation_messages", count, bytes);
  trim(database, held, retention);
}

/** The number of the message's conversation, which is begun or brought up to date; null when it names none. */
function conversationOf(database: Database, message: Uint8Array): number | null {
  const id = messageField(message, field.conversation);
  if (id === "") return null;
  const at_ms = new DataView(message.buffer, message.byteOffset).getFloat64(createdAt_offset, true);
  const row = database
    .prepare(
      `INSERT INTO conversations (id, messages, protocol, first_ms, last_ms) VALUES (?, 1, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET messages = messages + 1, last_ms = max(last_ms, excluded.last_ms),
         protocol = CASE protocol WHEN '' THEN excluded.protocol ELSE protocol END
       RETURNING number`,
    )
    .get(id, messageField(message, field.protocol), at_ms, at_ms);
  const number = Number(row?.["number"]);
  const join = database.prepare(
    `INSERT INTO conversation_participants (conversation, name)
     SELECT ?, ? WHERE (SELECT count(*) FROM conversation_participants WHERE conversation = ?) < ${participantsLimit}
     ON CONFLICT DO NOTHING`,
  );
  for (const index of [field.sender, field.receiver]) {
    const name = messageField(message, index);
    if (name !== "") join.run(number, name, number);
  }
  return number;
}

function trim(database: Database, held: Tally, retention: Retention): void {
  const drop = database.prepare(
    `DELETE FROM conversation_messages WHERE sequence = (SELECT min(sequence) FROM conversation_messages)
     RETURNING CAST(conversation AS INTEGER) AS conversation, length(message) AS size`,
  );
  const shorten = database.prepare("UPDATE conversations SET messages = messages - 1 WHERE number = ?");
  const end = database.prepare("DELETE FROM conversations WHERE number = ? AND messages <= 0");
  let dropped = 0;
  let dropped_bytes = 0;
  while (held.count - dropped > retention.count || held.bytes - dropped_bytes > retention.bytes) {
    const row = drop.get();
    if (row === undefined) break;
    dropped++;
    dropped_bytes += Number(row["size"]);
    const conversation = row["conversation"];
    if (conversation === null || conversation === undefined) continue;
    shorten.run(conversation);
    end.run(conversation);
  }
  addToTally(database, "conversation_messages", -dropped, -dropped_bytes);
}

/** The conversation that began last comes first. */
export function listConversations(
  database: Database,
  limit: number,
  cursor: string | null,
): Page<ConversationSummary> {
  const before = parseCursor("conversations", cursor) ?? Number.MAX_SAFE_INTEGER;
  const count = boundedLimit(limit);
  const rows = database
    .prepare("SELECT * FROM conversations WHERE number < ? ORDER BY number DESC LIMIT ?")
    .all(before, count + 1);
  const names = database.prepare(
    "SELECT name FROM conversation_participants WHERE conversation = ? ORDER BY name",
  );
  const shown = rows.slice(0, count);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => ({
      id: String(row["id"]),
      messages: Number(row["messages"]),
      participants: names.all(Number(row["number"])).map((participant) => String(participant["name"])),
      protocol: String(row["protocol"]),
      firstAt_ms: Number(row["first_ms"]),
      lastAt_ms: Number(row["last_ms"]),
    })),
    next:
      rows.length > count && last !== undefined
        ? formatCursor("conversations", Number(last["number"]))
        : null,
  };
}

/** Of one conversation in the order in which they were recorded; of all, newest first. */
export function listMessages(
  database: Database,
  conversation: string | null,
  limit: number,
  cursor: string | null,
): Page<Uint8Array> {
  if (conversation !== null && !tokenPattern.test(conversation)) return { items: [], next: null };
  const listing = conversation === null ? "messages" : "conversation";
  const start = parseCursor(listing, cursor);
  const count = boundedLimit(limit);
  const items: Uint8Array[] = [];
  let last = start ?? (conversation === null ? Number.MAX_SAFE_INTEGER : 0);
  let next = nextMessage(database, conversation, last);
  for (let bytes = 0; next !== undefined && items.length < count && bytes < pageLimit_bytes;) {
    const message = bytesOf(next["message"]);
    items.push(message);
    bytes += message.length;
    last = Number(next["sequence"]);
    next = nextMessage(database, conversation, last);
  }
  return { items, next: next === undefined ? null : formatCursor(listing, last) };
}

function nextMessage(database: Database, conversation: string | null, last: number) {
  if (conversation === null) {
    return database
      .prepare(
        "SELECT sequence, message FROM conversation_messages WHERE sequence < ? ORDER BY sequence DESC LIMIT 1",
      )
      .get(last);
  }
  return database
    .prepare(
      `SELECT sequence, message FROM conversation_messages
       WHERE conversation = (SELECT number FROM conversations WHERE id = ?) AND sequence > ? ORDER BY sequence LIMIT 1`,
    )
    .get(conversation, last);
}
