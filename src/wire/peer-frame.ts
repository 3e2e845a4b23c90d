/**
 * The frames of a stream between two nodes, each `u32 length · u8 tag · fields · payload` (frame-splitter.ts
 * cuts them). The dialling node sends hello, data and requests; the other one answers with welcome and responses.
 */
import { unreachable } from "../base/assert.ts";
import type { ErrorCode } from "../base/errors.ts";
import { isErrorCode } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import { namePattern } from "../base/ids.ts";
import { Reader, WireError, type Writer } from "./cursor.ts";
import type { ProtocolRange } from "./protocol-version.ts";

/** What a connection is for; the index is the byte on the wire, so the order never changes. */
export const streamPurposes = ["gossip", "message", "bulk", "contact", "raft", "raft_bulk"] as const;
export type StreamPurpose = (typeof streamPurposes)[number];

/** Request and response bodies, whole; on the wire they travel in chunks. */
export const bodyLimit_bytes = 64 * 1024 * 1024;
export const bodyChunk_bytes = 64 * 1024;
/** Fields of a frame without its payload. */
export const frameFieldsLimit_bytes = 4 * 1024;
const detailLimit_bytes = 2_048;
const nameLimit_bytes = 64;

interface Greeting {
  readonly node: NodeId;
  readonly bootEpoch: number;
  readonly protocol: ProtocolRange;
}

interface Fault {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** `payload` and `bytes` are the rest of the frame. */
export type PeerFrame =
  | ({ readonly kind: "hello"; readonly purpose: StreamPurpose } & Greeting)
  | ({ readonly kind: "welcome" } & Greeting)
  /** Why the connection is about to be closed. */
  | ({ readonly kind: "goodbye" } & Fault)
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | { readonly kind: "data"; readonly payload: Uint8Array }
  /** The first chunk of a request; `total_bytes` is the whole body's. */
  | {
      readonly kind: "request";
      readonly id: number;
      readonly timeout_ms: number;
      readonly total_bytes: number;
      readonly method: string;
      readonly payload: Uint8Array;
    }
  | { readonly kind: "request_chunk"; readonly id: number; readonly payload: Uint8Array }
  /** The caller no longer waits. */
  | { readonly kind: "cancel"; readonly id: number }
  | {
      readonly kind: "response";
      readonly id: number;
      readonly total_bytes: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: "response_chunk"; readonly id: number; readonly payload: Uint8Array }
  | ({ readonly kind: "failure"; readonly id: number } & Fault);

const tags: Readonly<Record<PeerFrame["kind"], number>> = {
  hello: 1,
  welcome: 2,
  goodbye: 3,
  ping: 4,
  pong: 5,
  data: 6,
  request: 7,
  request_chunk: 8,
  cancel: 9,
  response: 10,
  response_chunk: 11,
  failure: 12,
};
const kinds = new Map(Object.entries(tags).map(([kind, tag]) => [tag, kind as PeerFrame["kind"]]));
const nothing = new Uint8Array(0);

/** The payload of a frame: what it carries after its fields. */
export function payloadOf(frame: PeerFrame): Uint8Array {
  return "payload" in frame ? frame.payload : nothing;
}

/** Writes length, tag and fields. The caller writes `payloadOf(frame)` right after. */
export function writeFrameHead(writer: Writer, frame: PeerFrame): void {
  const start = writer.reserve(4);
  writer.u8(tags[frame.kind]);
  writeFields(writer, frame);
  writer.patchU32(start, writer.length - start - 4 + payloadOf(frame).length);
}

function writeFields(writer: Writer, frame: PeerFrame): void {
  switch (frame.kind) {
    case "hello":
      writer.u8(streamPurposes.indexOf(frame.purpose));
      writeGreeting(writer, frame);
      break;
    case "welcome":
      writeGreeting(writer, frame);
      break;
    case "goodbye":
      writeFault(writer, frame);
      break;
    case "request":
      writer.u32(frame.id).u32(frame.timeout_ms).u32(frame.total_bytes).text(frame.method);
      break;
    case "response":
      writer.u32(frame.id).u32(frame.total_bytes);
      break;
    case "request_chunk":
    case "response_chunk":
    case "cancel":
      writer.u32(frame.id);
      break;
    case "failure":
      writer.u32(frame.id);
      writeFault(writer, frame);
      break;
    case "ping":
    case "pong":
    case "data":
      // No fields.
      break;
    default:
      unreachable(frame);
  }
}

/** Reads a frame's tag and body. Payloads are views. Throws `WireError` for anything that is not exactly a frame. */
export function readPeerFrame(tag: number, body: Uint8Array): PeerFrame {
  const kind = kinds.get(tag);
  if (kind === undefined) throw new WireError("unknown kind of frame");
  if (kind === "data") return { kind, payload: body };
  const reader = new Reader(body);
  const frame = readFields(kind, reader);
  reader.finish();
  return frame;
}

function readFields(kind: Exclude<PeerFrame["kind"], "data">, reader: Reader): PeerFrame {
  switch (kind) {
    case "hello": {
      const purpose = streamPurposes[reader.u8()];
      if (purpose === undefined) throw new WireError("unknown purpose");
      return { kind, purpose, ...readGreeting(reader) };
    }
    case "welcome":
      return { kind, ...readGreeting(reader) };
    case "goodbye":
      return { kind, ...readFault(reader) };
    case "ping":
    case "pong":
      return { kind };
    case "request": {
      const [id, timeout_ms, total_bytes] = [reader.u32(), reader.u32(), bodyLength(reader)];
      const method = reader.text(nameLimit_bytes);
      return { kind, id, timeout_ms, total_bytes, method, payload: chunk(reader, total_bytes) };
    }
    case "response": {
      const [id, total_bytes] = [reader.u32(), bodyLength(reader)];
      return { kind, id, total_bytes, payload: chunk(reader, total_bytes) };
    }
    case "request_chunk":
    case "response_chunk":
      return { kind, id: reader.u32(), payload: chunk(reader, bodyLimit_bytes) };
    case "cancel":
      return { kind, id: reader.u32() };
    case "failure":
      return { kind, id: reader.u32(), ...readFault(reader) };
    default:
      return unreachable(kind);
  }
}

function bodyLength(reader: Reader): number {
  const length = reader.u32();
  if (length > bodyLimit_bytes) throw new WireError("body too long");
  return length;
}

function chunk(reader: Reader, most: number): Uint8Array {
  if (reader.remaining > Math.min(most, bodyChunk_bytes)) throw new WireError("chunk too long");
  return reader.take(reader.remaining);
}

function writeGreeting(writer: Writer, greeting: Greeting): void {
  writer
    .u8(greeting.protocol.lowest)
    .u8(greeting.protocol.highest)
    .u64(greeting.bootEpoch)
    .text(greeting.node);
}

function readGreeting(reader: Reader): Greeting {
  const protocol = { lowest: reader.u8(), highest: reader.u8() };
  if (protocol.lowest > protocol.highest) throw new WireError("empty protocol range");
  const bootEpoch = reader.u64();
  const node = reader.text(nameLimit_bytes);
  if (!namePattern.test(node)) throw new WireError("not a node id");
  return { node: node as NodeId, bootEpoch, protocol };
}

function writeFault(writer: Writer, fault: Fault): void {
  // At most three bytes a UTF-16 unit.
  writer.text(fault.code).text(fault.detail.slice(0, Math.floor(detailLimit_bytes / 3)));
}

/** A code of a newer version becomes `internal`; its text stays. */
function readFault(reader: Reader): Fault {
  const code = reader.text(nameLimit_bytes);
  return { code: isErrorCode(code) ? code : "internal", detail: reader.text(detailLimit_bytes) };
}
