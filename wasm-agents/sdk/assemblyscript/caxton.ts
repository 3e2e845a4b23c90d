// Agents in AssemblyScript: `onMessage((m) => { m.reply("inform", m.content); });` is a whole one.
// What is not called here is left out of the module, so it asks for no capability it does not use.
import {
  hostLog, hostNow, hostRandom, hostSend, hostStateDelete, hostStateGet, hostStateNext, hostStateSet,
  hostTimerCancel, hostTimerSet,
} from "./host";
import { Message, Outgoing } from "./message";

export { Message, Outgoing };

/** What `send`, `reply`, `setTimer` and `state.set` return; 0 is success. */
export const INVALID = -1;
export const QUEUE_FULL = -2;
export const TOO_LARGE = -3;
export const TOO_MANY_SENDS = -4;
export const TOO_MANY_TIMERS = -5;
export const STATE_FULL = -6;

/** Garbage is collected between calls, once about this much was made, or when memory grew. */
const collectAfter_bytes = 8 * 1024;
/** A small message leaves about this much garbage besides its own bytes. */
const overhead_bytes = 512;

let messageHandler: ((message: Message) => void) | null = null;
let timerHandler: ((id: i32) => void) | null = null;
let incoming: ArrayBuffer | null = null;
let outgoing: ArrayBuffer | null = null;
let garbage_bytes = 0;
let pagesAfterCollection = memory.size();

/** Calls `handler` with each message. Call it at the top level of your file. */
export function onMessage(handler: (message: Message) => void): void {
  messageHandler = handler;
}

/** Calls `handler` with the id of each timer that is due. */
export function onTimer(handler: (id: i32) => void): void {
  timerHandler = handler;
}

/** Queues a message; it leaves when the handler returns. `content` is a string or a Uint8Array. */
export function send<T>(receiver: string, performative: string, content: T): i32 {
  return new Outgoing(receiver, performative).send(content);
}

/** Levels 0 debug, 1 info, 2 warn, 3 error; see `caxton agent logs`. */
export function log(text: string, level: i32 = 1): void {
  const encoded = String.UTF8.encode(text);
  hostLog(level, changetype<usize>(encoded), encoded.byteLength);
}

/** Unix milliseconds; the same during one call. */
export function now(): f64 {
  return hostNow();
}

export function random(): i64 {
  return hostRandom();
}

/** One shot: `onTimer`'s handler gets `id` after `delay_ms`. Setting an id again moves it. */
export function setTimer(id: i32, delay_ms: f64): i32 {
  return hostTimerSet(id, delay_ms);
}

export function cancelTimer(id: i32): i32 {
  return hostTimerCancel(id);
}

/** The agent's durable state: text keys in byte order, values text or bytes. Writes count when the handler returns. */
export namespace state {
  /** The value as text, or null when there is none. */
  export function get(key: string): string | null {
    const bytes = getBytes(key);
    return bytes === null ? null : String.UTF8.decodeUnsafe(bytes.dataStart, bytes.byteLength);
  }

  export function getBytes(key: string): Uint8Array | null {
    const name = String.UTF8.encode(key);
    let value = new Uint8Array(256);
    let length = hostStateGet(changetype<usize>(name), name.byteLength, value.dataStart, value.byteLength);
    if (length < 0) return null;
    if (length > value.byteLength) {
      value = new Uint8Array(length);
      length = hostStateGet(changetype<usize>(name), name.byteLength, value.dataStart, value.byteLength);
    }
    return value.subarray(0, length);
  }

  /** `value` is a string or a Uint8Array. Returns 0 or `STATE_FULL`. */
  export function set<T>(key: string, value: T): i32 {
    const name = String.UTF8.encode(key);
    if (isString(value)) {
      const bytes = String.UTF8.encode(changetype<string>(value));
      return hostStateSet(changetype<usize>(name), name.byteLength, changetype<usize>(bytes), bytes.byteLength);
    }
    if (value instanceof Uint8Array) {
      return hostStateSet(changetype<usize>(name), name.byteLength, value.dataStart, value.byteLength);
    }
    ERROR("a value is a string or a Uint8Array");
    return STATE_FULL;
  }

  export function remove(key: string): i32 {
    const name = String.UTF8.encode(key);
    return hostStateDelete(changetype<usize>(name), name.byteLength);
  }

  /** The smallest key greater than `key` (of all, for ""), or null after the last. */
  export function next(key: string): string | null {
    const name = String.UTF8.encode(key);
    const found = new ArrayBuffer(512);
    const length = hostStateNext(changetype<usize>(name), name.byteLength, changetype<usize>(found), 512);
    return length < 0 ? null : String.UTF8.decodeUnsafe(changetype<usize>(found), length);
  }
}

/** For your own `export function save(): u64`: hands `bytes` to the host. */
export function saved(bytes: ArrayBuffer): u64 {
  outgoing = bytes;
  return (<u64>changetype<usize>(bytes) << 32) | <u64>bytes.byteLength;
}

/** For your own `export function load(ptr: usize, len: i32): void`: what the older revision saved. */
export function loaded(): ArrayBuffer {
  const bytes = incoming;
  incoming = null;
  return bytes === null ? new ArrayBuffer(0) : bytes;
}

// ABI v1. The host asks for room, writes the message there, and calls `handle`.

export function alloc(len: i32): usize {
  outgoing = null;
  incoming = null;
  collectNowAndThen(len * 3 + overhead_bytes);
  const bytes = new ArrayBuffer(len);
  incoming = bytes;
  return changetype<usize>(bytes);
}

export function handle(_ptr: usize, _len: i32): void {
  const bytes = incoming;
  const handler = messageHandler;
  incoming = null;
  if (bytes !== null && handler !== null) handler(new Message(bytes));
}

export function on_timer(id: i32): void {
  collectNowAndThen(overhead_bytes);
  const handler = timerHandler;
  if (handler !== null) handler(id);
}

/** Called when a host call begins: nothing is live on the stack then, which is what collecting by hand needs. */
function collectNowAndThen(expected_bytes: i32): void {
  garbage_bytes += expected_bytes;
  if (garbage_bytes <= collectAfter_bytes && memory.size() == pagesAfterCollection) return;
  __collect();
  garbage_bytes = 0;
  pagesAfterCollection = memory.size();
}
