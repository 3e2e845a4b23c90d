/**
 * A page of one node's dead letters as bytes, for the node that was asked for the whole cluster's. The
 * messages in it are as `message.ts` writes them.
 */
import { Reader, WireError, Writer } from "./cursor.ts";
import { checkMessage } from "./message.ts";

export interface DeadLetterRecord {
  readonly id: number;
  readonly reason: string;
  readonly detail: string;
  readonly at_ms: number;
  readonly message: Uint8Array;
}

export interface DeadLetterPage {
  readonly items: readonly DeadLetterRecord[];
  /** Opaque, null at the end. */
  readonly next: string | null;
}

const items_max = 1_000;
/** Characters are at most three bytes. */
const text_bytes_max = 64 * 1024;
const message_bytes_max = 16 * 1024 * 1024;
/** Either side of 1970; what a `Date` can be. */
const time_ms_max = 8.64e15;
/** Id, time and three lengths. */
const item_bytes_min = 19;

export function encodeDeadLetterPage({ items, next }: DeadLetterPage): Uint8Array {
  const out = new Writer();
  out.text(next ?? "").varint(items.length);
  for (const { id, reason, detail, at_ms, message } of items)
    out.f64(id).f64(at_ms).text(reason).text(detail).blob(message);
  return out.finish();
}

/** Throws `WireError` for anything that `encodeDeadLetterPage` does not write; one such letter would spoil every list. */
export function decodeDeadLetterPage(bytes: Uint8Array): DeadLetterPage {
  const reader = new Reader(bytes);
  const next = reader.text(text_bytes_max);
  const count = reader.count(items_max, item_bytes_min);
  const items: DeadLetterRecord[] = [];
  while (items.length < count) {
    const id = reader.f64();
    const at_ms = reader.f64();
    if (!Number.isSafeInteger(id) || id < 0) throw new WireError("dead letter's id is no number of a row");
    if (!(Math.abs(at_ms) <= time_ms_max)) throw new WireError("dead letter's time is none");
    const reason = reader.text(text_bytes_max);
    const detail = reader.text(text_bytes_max);
    const message = reader.blob(message_bytes_max);
    if (checkMessage(message) !== message.length) throw new WireError("trailing bytes after the message");
    items.push({ id, reason, detail, at_ms, message });
  }
  reader.finish();
  return { items, next: next === "" ? null : next };
}
