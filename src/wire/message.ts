/**
 * An agent's message as bytes: the one format that the ABI, the threads, the peer streams and the
 * journal share. A fixed 64-byte header, then ten ASCII fields in a fixed order, then opaque content.
 *
 * ```
 *  0 u8  version (1)        4 u32 total length, header included
 *  1 u8  performative       8 16 B message id (UUID)
 *  2 u8  priority          24 f64 created at, Unix ms     32 f64 reply by, Unix ms (0 = none)
 *  3 u8  delivery          40 u16 × 10 field lengths      60 u32 content length
 * 64     sender, receiver, conversation id, reply-with, in-reply-to, reply-to, protocol, language,
 *        ontology, trace context; then content
 * ```
 */
import type { MessageId } from "../base/ids.ts";
import { WireError } from "./cursor.ts";

export const messageVersion = 1;
export const messageHeader_bytes = 64;
/** Content is 1 byte to 10 MiB. */
export const contentLimit_bytes = 10 * 1024 * 1024;
/** Each of the ten fields: bounds the header part of a message to about 5 KiB. */
export const fieldLimit_bytes = 512;
export const messageLimit_bytes = messageHeader_bytes + 10 * fieldLimit_bytes + contentLimit_bytes;

/** FIPA ACL performatives; the index is the byte on the wire, so the order never changes. */
export const performatives = [
  "request",
  "inform",
  "query-if",
  "query-ref",
  "propose",
  "cfp",
  "accept-proposal",
  "reject-proposal",
  "agree",
  "refuse",
  "failure",
  "not-understood",
  "cancel",
  "subscribe",
  "confirm",
  "disconfirm",
] as const;
export type Performative = (typeof performatives)[number];

export const priorities = { low: 1, normal: 5, high: 8, critical: 10 } as const;
export type Priority = keyof typeof priorities;

/** The index is the byte on the wire. */
export const deliveries = ["at_most_once", "at_least_once", "exactly_once"] as const;
export type Delivery = (typeof deliveries)[number];

/** A decoded message. Absent text fields are empty strings, an absent `replyBy_ms` is 0. */
export interface Message {
  readonly messageId: MessageId;
  readonly performative: Performative;
  readonly priority: Priority;
  readonly delivery: Delivery;
  readonly createdAt_ms: number;
  readonly replyBy_ms: number;
  readonly sender: string;
  readonly receiver: string;
  readonly conversationId: string;
  readonly replyWith: string;
  readonly inReplyTo: string;
  readonly replyTo: string;
  readonly protocol: string;
  readonly language: string;
  readonly ontology: string;
  readonly traceContext: string;
  readonly content: Uint8Array;
}

/** What an ordinary message does not say. */
const unsaid = {
  priority: "normal",
  delivery: "at_least_once",
  replyBy_ms: 0,
  conversationId: "",
  replyWith: "",
  inReplyTo: "",
  replyTo: "",
  protocol: "",
  language: "",
  ontology: "",
  traceContext: "",
} as const satisfies Partial<Message>;

/** A message that says what is given, of ordinary priority, at least once, and nothing else. */
export function plainMessage(
  given: Omit<Message, keyof typeof unsaid> & Partial<Pick<Message, keyof typeof unsaid>>,
): Message {
  return { ...unsaid, ...given };
}

/** The text fields in wire order; the position is the index that `messageField` takes. */
export const messageFields = [
  "sender",
  "receiver",
  "conversationId",
  "replyWith",
  "inReplyTo",
  "replyTo",
  "protocol",
  "language",
  "ontology",
  "traceContext",
] as const;
type MessageField = (typeof messageFields)[number];

const priorityNames = new Map<number, Priority>(
  (Object.keys(priorities) as Priority[]).map((name) => [priorities[name], name]),
);
const dash = 0x2d;
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Throws `WireError` for a field that is too long or not printable ASCII: a caller's own bug or a hostile guest. */
export function encodeMessage(message: Message): Uint8Array<ArrayBuffer> {
  let total = messageHeader_bytes + message.content.length;
  for (const field of messageFields) total += message[field].length;
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  bytes[0] = messageVersion;
  bytes[1] = performatives.indexOf(message.performative);
  bytes[2] = priorities[message.priority];
  bytes[3] = deliveries.indexOf(message.delivery);
  view.setUint32(4, total, true);
  writeUuid(bytes, 8, message.messageId);
  view.setFloat64(24, message.createdAt_ms, true);
  view.setFloat64(32, message.replyBy_ms, true);
  let at = messageHeader_bytes;
  for (let i = 0; i < messageFields.length; i++) {
    const text = message[messageFields[i] as MessageField];
    if (text.length > fieldLimit_bytes)
      throw new WireError(`${messageFields[i]} longer than ${fieldLimit_bytes}`);
    view.setUint16(40 + 2 * i, text.length, true);
    for (let j = 0; j < text.length; j++) {
      const code = text.charCodeAt(j);
      if (code < 0x20 || code > 0x7e) throw new WireError(`${messageFields[i]} is not printable ASCII`);
      bytes[at++] = code;
    }
  }
  view.setUint32(60, message.content.length, true);
  bytes.set(message.content, at);
  return bytes;
}

/** Reads and checks the whole message. `content` is a view into `bytes`. */
export function decodeMessage(bytes: Uint8Array): Message {
  const end = checkMessage(bytes);
  if (end !== bytes.length) throw new WireError("trailing bytes after the message");
  const view = viewOf(bytes);
  const text = (index: number): string => messageField(bytes, index);
  return {
    messageId: readUuid(bytes, 8) as MessageId,
    performative: performatives[bytes[1] as number] as Performative,
    priority: priorityNames.get(bytes[2] as number) as Priority,
    delivery: deliveries[bytes[3] as number] as Delivery,
    createdAt_ms: view.getFloat64(24, true),
    replyBy_ms: view.getFloat64(32, true),
    sender: text(0),
    receiver: text(1),
    conversationId: text(2),
    replyWith: text(3),
    inReplyTo: text(4),
    replyTo: text(5),
    protocol: text(6),
    language: text(7),
    ontology: text(8),
    traceContext: text(9),
    content: bytes.subarray(end - view.getUint32(60, true), end),
  };
}

/** 1e15 as a float64, and -0. */
const timeLimit_high = 0x430c_6bf5;
const timeLimit_low = 0x2634_0000;
const minusZero_high = 0x8000_0000;

/**
 * Checks every bound and enumeration of the message that begins at offset 0 and returns its total
 * length, which is at most `bytes.length`. After it, `messageField` and the header may be read freely.
 */
export function checkMessage(bytes: Uint8Array): number {
  if (bytes.length < messageHeader_bytes) throw new WireError("message shorter than its header");
  if (bytes[0] !== messageVersion) throw new WireError("message of another version");
  if ((bytes[1] as number) >= performatives.length) throw new WireError("unknown performative");
  if (!priorityNames.has(bytes[2] as number)) throw new WireError("unknown priority");
  if ((bytes[3] as number) >= deliveries.length) throw new WireError("unknown delivery");
  // By bytes: making a DataView costs as much as all of these checks.
  const total = u32At(bytes, 4);
  const content = u32At(bytes, 60);
  if (total > bytes.length || total > messageLimit_bytes)
    throw new WireError("message longer than its bytes");
  if (content > contentLimit_bytes) throw new WireError("content too long");
  if (!isTimeAt(bytes, 24) || !isTimeAt(bytes, 32)) throw new WireError("time out of range");
  let at = messageHeader_bytes;
  for (let i = 0; i < messageFields.length; i++) {
    const length = u16At(bytes, 40 + 2 * i);
    if (length > fieldLimit_bytes || at + length > total) throw new WireError("field too long");
    for (const stop = at + length; at < stop; at++) {
      const code = bytes[at] as number;
      if (code < 0x20 || code > 0x7e) throw new WireError("field is not printable ASCII");
    }
  }
  if (at + content !== total) throw new WireError("lengths do not add up");
  return total;
}

/** One text field of a checked message, without decoding the rest. */
export function messageField(bytes: Uint8Array, index: number): string {
  let at = messageHeader_bytes;
  for (let i = 0; i < index; i++) at += u16At(bytes, 40 + 2 * i);
  return ascii(bytes, at, at + u16At(bytes, 40 + 2 * index));
}

/** The sender of a checked message. */
export function senderOf(bytes: Uint8Array): string {
  return messageField(bytes, 0);
}

/** The receiver of a checked message. */
export function receiverOf(bytes: Uint8Array): string {
  return messageField(bytes, 1);
}

/** The message id of a checked message. */
export function messageIdOf(bytes: Uint8Array): MessageId {
  return readUuid(bytes, 8) as MessageId;
}

/** Gives an encoded message another id, in place. */
export function writeMessageId(bytes: Uint8Array, id: MessageId): void {
  writeUuid(bytes, 8, id);
}

/** The reply-by time of a checked message, Unix ms; 0 when it has none. */
export function replyByOf(bytes: Uint8Array): number {
  return viewOf(bytes).getFloat64(32, true);
}

/** Content of a checked message, as a view. */
export function contentOf(bytes: Uint8Array): Uint8Array {
  const view = viewOf(bytes);
  const total = view.getUint32(4, true);
  return bytes.subarray(total - view.getUint32(60, true), total);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

function u32At(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at) | (u16At(bytes, at + 2) << 16)) >>> 0;
}

/** Whether the little-endian float64 is at least 0 and below 1e15: numbers that are not negative sort as their bits do. */
function isTimeAt(bytes: Uint8Array, at: number): boolean {
  const high = u32At(bytes, at + 4);
  if (high < timeLimit_high) return true;
  const low = u32At(bytes, at);
  return (high === timeLimit_high && low < timeLimit_low) || (high === minusZero_high && low === 0);
}

function ascii(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}

/** Writes a canonical UUID as its 16 bytes. */
export function writeUuid(bytes: Uint8Array, at: number, uuid: string): void {
  let digit = 0;
  for (let i = 0; i < 16; i++) {
    if (uuid.charCodeAt(digit) === dash) digit++;
    bytes[at + i] = (nibble(uuid.charCodeAt(digit)) << 4) | nibble(uuid.charCodeAt(digit + 1));
    digit += 2;
  }
}

/** The value of a hexadecimal digit: letters are 9 above their low bits. */
function nibble(code: number): number {
  return (code & 15) + (code > 0x40 ? 9 : 0);
}

/** The canonical text of 16 bytes. */
export function readUuid(bytes: Uint8Array, at: number): string {
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += hex[bytes[at + i] as number];
  }
  return text;
}
