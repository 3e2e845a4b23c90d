/**
 * The bytes of Raft messages between nodes: `u8 version · u64 sender's identity · u64 receiver's identity · u8 kind ·
 * fields`. The node names are the stream's own, authenticated by its certificate: only the identities travel. Every
 * list, blob and number is bounded; what is not exactly a message is a `WireError` and changes nothing.
 */
import { unreachable } from "../base/assert.ts";
import { Reader, WireError, Writer } from "../wire/cursor.ts";
import { decodeConfiguration, encodeConfiguration } from "./configuration-codec.ts";
import type { Entry, EntryKind, LogPosition } from "./entry.ts";
import type { ForwardedProposal, ForwardResult, RaftMessage, SnapshotMark } from "./messages.ts";

const version = 1;

/** One entry's data: a command, with what its leader stamped on it. */
export const entryLimit_bytes = 4 * 1024 * 1024;
export const chunkLimit_bytes = 8 * 1024 * 1024;
const entriesLimit = 4_096;
const proposalsLimit = 8_192;
const configurationLimit_bytes = 256 * 1024;
const refusalCode_bytes = 64;
/** At most three bytes each. */
const refusalDetail_characters = 512;
/** index, term, kind and an empty blob's length. */
const leastEntry_bytes = 18;

/** The place of each kind in these lists is its byte, so the order never changes: new ones at the end. */
const messageKinds: readonly RaftMessage["kind"][] = [
  "vote",
  "vote-reply",
  "append",
  "appended",
  "refused",
  "heartbeat",
  "heartbeat-reply",
  "forward",
  "forward-reply",
  "read-index",
  "read-index-reply",
  "timeout-now",
  "snapshot",
  "snapshot-reply",
  "forward-refused",
];
const entryKinds: readonly EntryKind[] = ["command", "configuration", "noop", "stripped"];
const snapshotStates = ["receiving", "installed", "refused"] as const;

export interface RaftEnvelope {
  /** Raft identities: the boot epochs in which the logs of sender and receiver began. */
  readonly from: number;
  readonly to: number;
  readonly message: RaftMessage;
}

export function encodeRaftMessage({ from, to, message }: RaftEnvelope): Uint8Array {
  const writer = new Writer(64 + payloadOf(message));
  writer.u8(version).u64(from).u64(to).u8(messageKinds.indexOf(message.kind)).u64(message.term);
  writeFields(writer, message);
  return writer.view();
}

/** Throws `WireError`. Data are views of `bytes`. */
export function decodeRaftMessage(bytes: Uint8Array): RaftEnvelope {
  const reader = new Reader(bytes);
  const found = reader.u8();
  if (found !== version) throw new WireError(`raft message of version ${found}`);
  const [from, to] = [reader.u64(), reader.u64()];
  const kind = messageKinds[reader.u8()];
  if (kind === undefined) throw new WireError("unknown kind of raft message");
  const message = readFields(reader, kind, reader.u64());
  reader.finish();
  return { from, to, message };
}

/** A guess at the size, so that the buffer seldom grows. */
function payloadOf(message: RaftMessage): number {
  if (message.kind === "append")
    return message.entries.reduce((sum, { data }) => sum + data.length + leastEntry_bytes + 4, 0);
  if (message.kind === "forward")
    return message.proposals.reduce((sum, { data }) => sum + data.length + 12, 0);
  return message.kind === "snapshot" ? message.bytes.length + 256 : 32;
}

function writeFields(writer: Writer, message: RaftMessage): void {
  switch (message.kind) {
    case "vote":
      writePosition(writer.bool(message.pre).bool(message.transfer), message.last);
      break;
    case "vote-reply":
      writer.bool(message.pre).bool(message.granted);
      break;
    case "append":
      writePosition(writer, message.previous).u64(message.commit).varint(message.entries.length);
      for (const entry of message.entries) writeEntry(writer, entry);
      break;
    case "appended":
      writer.u64(message.match);
      break;
    case "refused":
      writePosition(writer.u64(message.previous), message.hint).u64(message.last);
      break;
    case "heartbeat":
      writer.u64(message.round).u64(message.commit);
      break;
    case "heartbeat-reply":
      writer.u64(message.round);
      break;
    case "forward":
      writer.varint(message.proposals.length);
      for (const { id, data } of message.proposals) writer.u64(id).blob(data);
      break;
    case "forward-reply":
      writer.varint(message.results.length);
      for (const { id, position } of message.results) {
        writer.u64(id).bool(position !== null);
        if (position !== null) writePosition(writer, position);
      }
      break;
    case "forward-refused":
      writer.u64(message.id).text(message.code).text(message.detail.slice(0, refusalDetail_characters));
      break;
    case "read-index":
      writer.u64(message.token);
      break;
    case "read-index-reply":
      writer.u64(message.token).bool(message.index !== null);
      if (message.index !== null) writer.u64(message.index);
      break;
    case "timeout-now":
      break;
    case "snapshot":
      writeMark(writer, message.mark);
      writer.u64(message.chunk).bool(message.final).blob(message.bytes);
      break;
    case "snapshot-reply":
      writePosition(writer.u64(message.transfer), message.position)
        .u8(snapshotStates.indexOf(message.state))
        .u64(message.wanted);
      break;
    default:
      unreachable(message);
  }
}

function readFields(reader: Reader, kind: RaftMessage["kind"], term: number): RaftMessage {
  switch (kind) {
    case "vote": {
      const [pre, transfer] = [reader.bool(), reader.bool()];
      return { kind, term, pre, transfer, last: readPosition(reader) };
    }
    case "vote-reply":
      return { kind, term, pre: reader.bool(), granted: reader.bool() };
    case "append":
      return readAppend(reader, term);
    case "appended":
      return { kind, term, match: reader.u64() };
    case "refused":
      return { kind, term, previous: reader.u64(), hint: readPosition(reader), last: reader.u64() };
    case "heartbeat":
      return { kind, term, round: reader.u64(), commit: reader.u64() };
    case "heartbeat-reply":
      return { kind, term, round: reader.u64() };
    case "forward":
      return { kind, term, proposals: list(reader, proposalsLimit, 9, readProposal) };
    case "forward-reply":
      return { kind, term, results: list(reader, proposalsLimit, 9, readResult) };
    case "forward-refused": {
      const [id, code] = [reader.u64(), reader.text(refusalCode_bytes)];
      return { kind, term, id, code, detail: reader.text(3 * refusalDetail_characters) };
    }
    case "read-index":
      return { kind, term, token: reader.u64() };
    case "read-index-reply":
      return { kind, term, token: reader.u64(), index: reader.bool() ? reader.u64() : null };
    case "timeout-now":
      return { kind, term };
    case "snapshot": {
      const [mark, chunk, final] = [readMark(reader), reader.u64(), reader.bool()];
      return { kind, term, mark, chunk, final, bytes: reader.blob(chunkLimit_bytes) };
    }
    case "snapshot-reply": {
      const [transfer, position] = [reader.u64(), readPosition(reader)];
      const state = snapshotStates[reader.u8()];
      if (state === undefined) throw new WireError("unknown state of a snapshot");
      return { kind, term, transfer, position, state, wanted: reader.u64() };
    }
    default:
      return unreachable(kind);
  }
}

function readAppend(reader: Reader, term: number): RaftMessage {
  const previous = readPosition(reader);
  const commit = reader.u64();
  const entries = list(reader, entriesLimit, leastEntry_bytes, readEntry);
  let before = previous;
  for (const entry of entries) {
    if (entry.index !== before.index + 1 || entry.term < before.term || entry.term > term)
      throw new WireError("entries are not in order");
    before = entry;
  }
  return { kind: "append", term, previous, commit, entries };
}

function writeEntry(writer: Writer, { index, term, kind, data }: Entry): void {
  writer.u64(index).u64(term).u8(entryKinds.indexOf(kind)).blob(data);
}

function readEntry(reader: Reader): Entry {
  const [index, term] = [reader.u64(), reader.u64()];
  const kind = entryKinds[reader.u8()];
  if (kind === undefined) throw new WireError("unknown kind of entry");
  const data = reader.blob(entryLimit_bytes);
  // A configuration that cannot be read must never reach a log.
  if (kind === "configuration") decodeConfiguration(data);
  return { index, term, kind, data };
}

function readProposal(reader: Reader): ForwardedProposal {
  return { id: reader.u64(), data: reader.blob(entryLimit_bytes) };
}

function readResult(reader: Reader): ForwardResult {
  return { id: reader.u64(), position: reader.bool() ? readPosition(reader) : null };
}

function writeMark(writer: Writer, { transfer, position, configuration }: SnapshotMark): void {
  writePosition(writer.u64(transfer), position).blob(encodeConfiguration(configuration));
}

function readMark(reader: Reader): SnapshotMark {
  const [transfer, position] = [reader.u64(), readPosition(reader)];
  return { transfer, position, configuration: decodeConfiguration(reader.blob(configurationLimit_bytes)) };
}

function writePosition(writer: Writer, { index, term }: LogPosition): Writer {
  return writer.u64(index).u64(term);
}

function readPosition(reader: Reader): LogPosition {
  return { index: reader.u64(), term: reader.u64() };
}

function list<T>(reader: Reader, limit: number, itemBytes: number, read: (reader: Reader) => T): T[] {
  const items: T[] = [];
  for (let left = reader.count(limit, itemBytes); left > 0; left--) items.push(read(reader));
  return items;
}
