/** All that a durable agent is, as bytes: what one node hands to another when the agent moves. */
import type { MessageId } from "../base/ids.ts";
import { Reader, WireError, Writer } from "./cursor.ts";
import { readUuid, writeUuid } from "./message.ts";

const format = 2;
/** It could not tell a saved state of no bytes from none. */
const earlierFormat = 1;
/** With some room for what stands around it, below what one request of a peer may carry. */
export const agentJournalLimit_bytes = 60 * 1024 * 1024;
const itemLimit_bytes = 16 * 1024 * 1024;
const itemsLimit = 4_000_000;
const id_bytes = 16;
/** A message begins with what says whose it is: shorter ones are none. */
const messageHead_bytes = 24;

export interface AgentJournal {
  readonly inbox: readonly Uint8Array[];
  readonly state: readonly (readonly [Uint8Array, Uint8Array])[];
  readonly timers: readonly { readonly id: number; readonly due_ms: number }[];
  readonly handled: readonly MessageId[];
  readonly saved: Uint8Array | undefined;
}

export function encodeAgentJournal({ inbox, state, timers, handled, saved }: AgentJournal): Uint8Array {
  const writer = new Writer(4_096).u8(format).varint(inbox.length);
  for (const message of inbox) writer.blob(message);
  writer.varint(state.length);
  for (const [key, value] of state) writer.blob(key).blob(value);
  writer.varint(timers.length);
  for (const { id, due_ms } of timers) writer.u32(id >>> 0).f64(due_ms);
  writer.varint(handled.length);
  const raw = new Uint8Array(id_bytes);
  for (const id of handled) {
    writeUuid(raw, 0, id);
    writer.raw(raw);
  }
  if (saved !== undefined) writer.blob(saved);
  return writer.finish();
}

/** Throws `WireError`. The parts are copies. */
export function decodeAgentJournal(bytes: Uint8Array): AgentJournal {
  const reader = new Reader(bytes);
  const found = reader.u8();
  if (found !== format && found !== earlierFormat)
    throw new WireError("unknown format of an agent's journal");
  const blob = (): Uint8Array => reader.blob(itemLimit_bytes).slice();
  const inbox = Array.from({ length: reader.count(itemsLimit) }, blob);
  if (inbox.some(({ length }) => length < messageHead_bytes)) throw new WireError("mail that is no message");
  const state = Array.from({ length: reader.count(itemsLimit, 2) }, () => [blob(), blob()] as const);
  const timers = Array.from({ length: reader.count(itemsLimit, 12) }, () => ({
    id: reader.u32() | 0,
    due_ms: reader.f64(),
  }));
  const handled = Array.from(
    { length: reader.count(itemsLimit, id_bytes) },
    () => readUuid(reader.take(id_bytes), 0) as MessageId,
  );
  const rest = reader.remaining === 0 ? undefined : blob();
  reader.finish();
  const saved = found === earlierFormat && rest?.length === 0 ? undefined : rest;
  return { inbox, state, timers, handled, saved };
}
