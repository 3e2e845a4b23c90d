/**
 * Journal records as bytes: each begins with its kind and carries its own lengths, so that the
 * encodings of two lists, put end to end, are the encoding of both. What is encoded here can
 * always be applied later: every bound is checked before a byte is written.
 */
import type { AgentName, MessageId } from "../base/ids.ts";
import { namePattern } from "../base/ids.ts";
import { unreachable } from "../base/assert.ts";
import type { Reader, Writer } from "./cursor.ts";
import { WireError } from "./cursor.ts";
import type { HandledRecord, JournalRecord } from "./journal-record.ts";
import { checkMessage, messageHeader_bytes, messageLimit_bytes, readUuid, writeUuid } from "./message.ts";

/** The agent state of one `saved` record. */
export const savedLimit_bytes = 16 * 1024 * 1024;
export const stateKeyLimit_bytes = 512;
export const stateValueLimit_bytes = 1024 * 1024;
/** State writes, sends or timers of one handled message. */
export const effectsLimit = 65_536;
const reasonLimit_bytes = 64;
/** A longer explanation of a dead letter is cut. */
const detailLimit_characters = 1_000;

const kindByte = { accepted: 1, handled: 2, outbox: 3, sent: 4, dead: 5, conversation: 6, saved: 7 } as const;
const uuid_bytes = 16;

/** Appends one record. Throws `WireError` for one that breaks a bound; the writer is then of no use. */
export function writeJournalRecord(writer: Writer, record: JournalRecord): void {
  writer.u8(kindByte[record.kind]);
  switch (record.kind) {
    case "accepted":
      writeAgent(writer, record.agent);
      writeMessage(writer, record.message);
      break;
    case "handled":
      writeHandled(writer, record);
      break;
    case "outbox":
    case "conversation":
      writeMessage(writer, record.message);
      break;
    case "sent":
      writeId(writer, record.message);
      break;
    case "dead":
      writer.text(bounded(record.reason, reasonLimit_bytes));
      writer.text(record.detail.slice(0, detailLimit_characters).toWellFormed());
      writeTime(writer, record.at_ms);
      writeMessage(writer, record.message);
      break;
    case "saved":
      writeAgent(writer, record.agent);
      writeBlob(writer, record.state, savedLimit_bytes, "saved state");
      break;
    default:
      unreachable(record);
  }
}

/** Reads one record; bytes in it are views of the reader's. Throws `WireError` for anything else. */
export function readJournalRecord(reader: Reader): JournalRecord {
  const kind = reader.u8();
  switch (kind) {
    case kindByte.accepted:
      return { kind: "accepted", agent: readAgent(reader), message: readMessage(reader) };
    case kindByte.handled:
      return readHandled(reader);
    case kindByte.outbox:
      return { kind: "outbox", message: readMessage(reader) };
    case kindByte.sent:
      return { kind: "sent", message: readId(reader) };
    case kindByte.dead:
      return {
        kind: "dead",
        reason: reader.text(reasonLimit_bytes),
        detail: reader.text(detailLimit_characters * 3),
        at_ms: readTime(reader),
        message: readMessage(reader),
      };
    case kindByte.conversation:
      return { kind: "conversation", message: readMessage(reader) };
    case kindByte.saved:
      return { kind: "saved", agent: readAgent(reader), state: reader.blob(savedLimit_bytes) };
    default:
      throw new WireError("unknown kind of journal record");
  }
}

function writeHandled(writer: Writer, record: HandledRecord): void {
  writeAgent(writer, record.agent);
  writer.bool(record.message !== null);
  if (record.message !== null) writeId(writer, record.message);
  writer.varint(countOf(record.state));
  for (const { key, value } of record.state) {
    writeBlob(writer, key, stateKeyLimit_bytes, "state key");
    writer.bool(value !== null);
    if (value !== null) writeBlob(writer, value, stateValueLimit_bytes, "state value");
  }
  writer.varint(countOf(record.sends));
  for (const send of record.sends) {
    writer.bool(send.local);
    writeMessage(writer, send.message);
  }
  writer.varint(countOf(record.timers));
  for (const timer of record.timers) {
    if (timer.id !== (timer.id | 0)) throw new WireError("timer id is not a 32-bit integer");
    writer.u32(timer.id >>> 0).bool(timer.due_ms !== null);
    if (timer.due_ms !== null) writeTime(writer, timer.due_ms);
  }
}

function readHandled(reader: Reader): HandledRecord {
  const agent = readAgent(reader);
  const message = reader.bool() ? readId(reader) : null;
  const state = Array.from({ length: reader.count(effectsLimit, 2) }, () => ({
    key: reader.blob(stateKeyLimit_bytes),
    value: reader.bool() ? reader.blob(stateValueLimit_bytes) : null,
  }));
  const sends = Array.from({ length: reader.count(effectsLimit, messageHeader_bytes) }, () => ({
    local: reader.bool(),
    message: readMessage(reader),
  }));
  const timers = Array.from({ length: reader.count(effectsLimit, 5) }, () => ({
    id: reader.u32() | 0,
    due_ms: reader.bool() ? readTime(reader) : null,
  }));
  return { kind: "handled", agent, message, state, sends, timers };
}

function countOf(list: readonly unknown[]): number {
  if (list.length > effectsLimit)
    throw new WireError(`${list.length} effects of one message, at most ${effectsLimit}`);
  return list.length;
}

function writeAgent(writer: Writer, agent: AgentName): void {
  if (!namePattern.test(agent)) throw new WireError("agent name out of its alphabet");
  writer.text(agent);
}

function readAgent(reader: Reader): AgentName {
  const name = reader.text(64);
  if (!namePattern.test(name)) throw new WireError("agent name out of its alphabet");
  return name as AgentName;
}

/** Checked whole, because what is in the journal must be applied without fail. */
function writeMessage(writer: Writer, message: Uint8Array): void {
  if (checkMessage(message) !== message.length) throw new WireError("trailing bytes after the message");
  writer.blob(message);
}

/** Here its frame is enough: it was checked before it was written, and the entry has a checksum. */
function readMessage(reader: Reader): Uint8Array {
  const message = reader.blob(messageLimit_bytes);
  checkFrame(message);
  return message;
}

function checkFrame(message: Uint8Array): void {
  if (message.length < messageHeader_bytes || message.length > messageLimit_bytes) {
    throw new WireError(`message of ${message.length} bytes`);
  }
  const b4 = message[4] as number;
  const total =
    (b4 | ((message[5] as number) << 8) | ((message[6] as number) << 16)) + (message[7] as number) * 2 ** 24;
  if (total !== message.length) throw new WireError("message length is not what its header says");
}

function writeId(writer: Writer, id: MessageId): void {
  const bytes = new Uint8Array(uuid_bytes);
  writeUuid(bytes, 0, id);
  writer.raw(bytes);
}

function readId(reader: Reader): MessageId {
  return readUuid(reader.take(uuid_bytes), 0) as MessageId;
}

function writeBlob(writer: Writer, bytes: Uint8Array, limit: number, what: string): void {
  if (bytes.length > limit) throw new WireError(`${what} of ${bytes.length} bytes, at most ${limit}`);
  writer.blob(bytes);
}

function bounded(text: string, limit: number): string {
  if (text.length > limit || !/^[ -~]*$/.test(text))
    throw new WireError(`reason is not ASCII of at most ${limit} characters`);
  return text;
}

function writeTime(writer: Writer, at_ms: number): void {
  if (!isTime(at_ms)) throw new WireError("time out of range");
  writer.f64(at_ms);
}

function readTime(reader: Reader): number {
  const at_ms = reader.f64();
  if (!isTime(at_ms)) throw new WireError("time out of range");
  return at_ms;
}

function isTime(at_ms: number): boolean {
  return at_ms >= 0 && at_ms < 1e15;
}
