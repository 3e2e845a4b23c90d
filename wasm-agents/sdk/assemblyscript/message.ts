// A message as it lies in memory: the 64-byte header, ten ASCII fields, the content. Reading takes
// slices of the received bytes; writing fills one buffer that the host copies during `send`.
import { hostSend } from "./host";

const header_bytes = 64;
const fieldCount = 10;

// Positions of the fields, in wire order (0 is the sender, which the host fills).
const RECEIVER = 1;
const CONVERSATION_ID = 2;
const REPLY_WITH = 3;
const IN_REPLY_TO = 4;
const REPLY_TO = 5;
const PROTOCOL = 6;
const LANGUAGE = 7;
const ONTOLOGY = 8;

const NORMAL_PRIORITY: u8 = 5;
const AT_LEAST_ONCE: u8 = 1;

/** The performatives; the position is the byte on the wire. */
const performatives: StaticArray<string> = [
  "request", "inform", "query-if", "query-ref", "propose", "cfp", "accept-proposal", "reject-proposal",
  "agree", "refuse", "failure", "not-understood", "cancel", "subscribe", "confirm", "disconfirm",
];

const hexDigits: StaticArray<u8> = [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102];

/** The fields of the message being written: where each is and how long. */
const fieldAt = new StaticArray<usize>(fieldCount);
const fieldLength = new StaticArray<i32>(fieldCount);
/** Keeps encoded strings alive while `fieldAt` points into them. */
const fieldKeep = new StaticArray<ArrayBuffer | null>(fieldCount);

/** A received message. It owns its bytes, so it may be kept after the handler returned. */
export class Message {
  constructor(private bytes: ArrayBuffer) {}

  get performative(): string {
    return performatives[load<u8>(changetype<usize>(this.bytes), 1)];
  }

  /** 1 low, 5 normal, 8 high, 10 critical. */
  get priority(): i32 {
    return load<u8>(changetype<usize>(this.bytes), 2);
  }

  /** The message id, a UUID. */
  get id(): string {
    return String.UTF8.decode(uuidText(changetype<usize>(this.bytes) + 8));
  }

  /** Unix milliseconds. */
  get createdAt_ms(): f64 {
    return load<f64>(changetype<usize>(this.bytes), 24);
  }

  /** Unix milliseconds; 0 when the sender set no deadline. */
  get replyBy_ms(): f64 {
    return load<f64>(changetype<usize>(this.bytes), 32);
  }

  get sender(): string { return this.field(0); }
  get receiver(): string { return this.field(RECEIVER); }
  get conversationId(): string { return this.field(CONVERSATION_ID); }
  get replyWith(): string { return this.field(REPLY_WITH); }
  get inReplyTo(): string { return this.field(IN_REPLY_TO); }
  get replyTo(): string { return this.field(REPLY_TO); }
  get protocol(): string { return this.field(PROTOCOL); }
  get language(): string { return this.field(LANGUAGE); }
  get ontology(): string { return this.field(ONTOLOGY); }

  /** The content, as a view of the received bytes. */
  get content(): Uint8Array {
    const length = load<i32>(changetype<usize>(this.bytes), 60);
    return Uint8Array.wrap(this.bytes, this.bytes.byteLength - length, length);
  }

  /** The content read as UTF-8. */
  get text(): string {
    const length = load<i32>(changetype<usize>(this.bytes), 60);
    return String.UTF8.decodeUnsafe(changetype<usize>(this.bytes) + this.bytes.byteLength - length, length);
  }

  /**
   * Answers to `reply_to`, or else to the sender, in the same conversation, protocol, language and ontology;
   * `in_reply_to` is the message's `reply_with`, or else its id. `content` is a string or a Uint8Array.
   */
  reply<T>(performative: string, content: T): i32 {
    const base = changetype<usize>(this.bytes);
    clearFields();
    this.copyField(this.fieldLength(REPLY_TO) > 0 ? REPLY_TO : 0, RECEIVER);
    this.copyField(CONVERSATION_ID, CONVERSATION_ID);
    if (this.fieldLength(REPLY_WITH) > 0) this.copyField(REPLY_WITH, IN_REPLY_TO);
    else setField(IN_REPLY_TO, uuidText(base + 8));
    this.copyField(PROTOCOL, PROTOCOL);
    this.copyField(LANGUAGE, LANGUAGE);
    this.copyField(ONTOLOGY, ONTOLOGY);
    const delivery = load<u8>(base, 3);
    return sendContent(performative, load<u8>(base, 2), delivery < AT_LEAST_ONCE ? delivery : AT_LEAST_ONCE, 0, content);
  }

  private fieldLength(index: i32): i32 {
    return load<u16>(changetype<usize>(this.bytes) + 40 + 2 * index);
  }

  private fieldStart(index: i32): usize {
    const base = changetype<usize>(this.bytes);
    let at = base + header_bytes;
    for (let i = 0; i < index; i++) at += load<u16>(base + 40 + 2 * i);
    return at;
  }

  private field(index: i32): string {
    return String.UTF8.decodeUnsafe(this.fieldStart(index), this.fieldLength(index));
  }

  private copyField(from: i32, to: i32): void {
    fieldAt[to] = this.fieldStart(from);
    fieldLength[to] = this.fieldLength(from);
  }
}

/** A message to be sent, when `send(receiver, performative, content)` does not say enough. */
export class Outgoing {
  conversationId: string = "";
  replyWith: string = "";
  inReplyTo: string = "";
  replyTo: string = "";
  protocol: string = "";
  language: string = "";
  ontology: string = "";
  /** 1 low, 5 normal, 8 high, 10 critical. */
  priority: u8 = NORMAL_PRIORITY;
  /** 0 at most once, 1 at least once, 2 exactly once. */
  delivery: u8 = AT_LEAST_ONCE;
  /** Unix milliseconds; 0 for no deadline. */
  replyBy_ms: f64 = 0;

  constructor(public receiver: string, public performative: string) {}

  /** Queues it; it leaves when the handler returns. `content` is a string or a Uint8Array. */
  send<T>(content: T): i32 {
    clearFields();
    setText(RECEIVER, this.receiver);
    setText(CONVERSATION_ID, this.conversationId);
    setText(REPLY_WITH, this.replyWith);
    setText(IN_REPLY_TO, this.inReplyTo);
    setText(REPLY_TO, this.replyTo);
    setText(PROTOCOL, this.protocol);
    setText(LANGUAGE, this.language);
    setText(ONTOLOGY, this.ontology);
    return sendContent(this.performative, this.priority, this.delivery, this.replyBy_ms, content);
  }
}

function sendContent<T>(performative: string, priority: u8, delivery: u8, replyBy_ms: f64, content: T): i32 {
  if (isString(content)) {
    const encoded = String.UTF8.encode(changetype<string>(content));
    return encodeAndSend(performative, priority, delivery, replyBy_ms, changetype<usize>(encoded), encoded.byteLength);
  }
  if (content instanceof Uint8Array) {
    return encodeAndSend(performative, priority, delivery, replyBy_ms, content.dataStart, content.byteLength);
  }
  ERROR("content is a string or a Uint8Array");
  return -1;
}

function encodeAndSend(
  performative: string, priority: u8, delivery: u8, replyBy_ms: f64, content: usize, contentLength: i32,
): i32 {
  const code = performatives.indexOf(performative);
  if (code < 0) return -1;
  let total = header_bytes + contentLength;
  for (let i = 0; i < fieldCount; i++) total += fieldLength[i];
  const bytes = new ArrayBuffer(total);
  const base = changetype<usize>(bytes);
  store<u8>(base, 1);
  store<u8>(base, <u8>code, 1);
  store<u8>(base, priority, 2);
  store<u8>(base, delivery, 3);
  store<i32>(base, total, 4);
  store<f64>(base, replyBy_ms, 32);
  let at = base + header_bytes;
  for (let i = 0; i < fieldCount; i++) {
    store<u16>(base + 40 + 2 * i, <u16>fieldLength[i]);
    memory.copy(at, fieldAt[i], fieldLength[i]);
    at += fieldLength[i];
  }
  store<i32>(base, contentLength, 60);
  memory.copy(at, content, contentLength);
  const result = hostSend(base, total);
  clearFields();
  return result;
}

function clearFields(): void {
  for (let i = 0; i < fieldCount; i++) {
    fieldAt[i] = 0;
    fieldLength[i] = 0;
    fieldKeep[i] = null;
  }
}

function setText(index: i32, text: string): void {
  if (text.length > 0) setField(index, String.UTF8.encode(text));
}

function setField(index: i32, bytes: ArrayBuffer): void {
  fieldKeep[index] = bytes;
  fieldAt[index] = changetype<usize>(bytes);
  fieldLength[index] = bytes.byteLength;
}

/** The 36 ASCII characters of the UUID whose 16 bytes begin at `at`. */
function uuidText(at: usize): ArrayBuffer {
  const text = new ArrayBuffer(36);
  let out = changetype<usize>(text);
  for (let i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) store<u8>(out++, 45);
    const byte = load<u8>(at + i);
    store<u8>(out++, hexDigits[byte >> 4]);
    store<u8>(out++, hexDigits[byte & 15]);
  }
  return text;
}
