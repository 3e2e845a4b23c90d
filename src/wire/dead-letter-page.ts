/**
 * A page of one node's dead letters as bytes, for the node that was asked for the whole cluster's. The
 * messages in it are as `message.ts` writes them and are not looked into here.
 */
import { Reader, Writer } from "./cursor.ts";

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
/** Id, time and three lengths. */
const item_bytes_min = 19;

export function encodeDeadLetterPage({ items, next }: DeadLetterPage): Uint8Array {
  const out = new Writer();
  out.text(next ?? "").varint(items.length);
  for (const { id, reason, detail, at_ms, message } of items)
    out.f64(id).f64(at_ms).text(reason).text(detail).blob(message);
  return out.finish();
}

/** Throws `WireError` for anything that `encodeDeadLetterPage` does not write. */
export function decodeDeadLetterPage(bytes: Uint8Array): DeadLetterPage {
  const reader = new Reader(bytes);
  const next = reader.text(text_bytes_max);
  const count = reader.count(items_max, item_bytes_min);
  const items: DeadLetterRecord[] = [];
  while (items.length < count) {
    const id = reader.f64();
    const at_ms = reader.f64();
    const reason = reader.text(text_bytes_max);
    const detail = reader.text(text_bytes_max);
    items.push({ id, reason, detail, at_ms, message: reader.blob(message_bytes_max) });
  }
  reader.finish();
  return { items, next: next === "" ? null : next };
}
