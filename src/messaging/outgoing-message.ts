/**
 * What the host makes of a message that an agent sent: the bytes out of the guest's memory with the
 * host's own message id, sender, time and (where the guest gave none) trace context. Nothing that a
 * guest wrote there is believed.
 */
import type { Prng } from "../base/prng.ts";
import { messageHeader_bytes } from "../wire/message.ts";
import { fieldLength } from "./fast-ascii.ts";

/** UUIDv7 (RFC 9562) from a clock reading, a counter and a seeded generator: unique in a thread, rising, not secret. */
export class MessageIds {
  #last_ms = 0;
  #counter = 0;
  readonly #time = new Float64Array(1);
  readonly #timeBytes = new Uint8Array(this.#time.buffer);

  constructor(private readonly prng: Prng) {}

  /** Message id and created-at of a message, in its header. */
  stamp(message: Uint8Array, now_ms: number): void {
    this.write(message, 8, now_ms);
    // Not through a DataView: a small array that never shows its buffer stays cheap.
    this.#time[0] = now_ms;
    for (let i = 0; i < 8; i++) message[24 + i] = this.#timeBytes[i] as number;
  }

  write(bytes: Uint8Array, at: number, now_ms: number): void {
    const millisecond = Math.floor(now_ms);
    if (millisecond > this.#last_ms) {
      this.#last_ms = millisecond;
      this.#counter = 0;
    } else if (++this.#counter > 0xfff) {
      // More than 4,096 in a millisecond: the time runs ahead a little, as RFC 9562 6.2 allows.
      this.#last_ms++;
      this.#counter = 0;
    }
    const high = Math.floor(this.#last_ms / 0x1_0000);
    const low = this.#last_ms % 0x1_0000;
    bytes[at] = high >>> 24;
    bytes[at + 1] = high >>> 16;
    bytes[at + 2] = high >>> 8;
    bytes[at + 3] = high;
    bytes[at + 4] = low >>> 8;
    bytes[at + 5] = low;
    bytes[at + 6] = 0x70 | (this.#counter >>> 8);
    bytes[at + 7] = this.#counter;
    const first = this.prng.u32();
    const second = this.prng.u32();
    bytes[at + 8] = 0x80 | (first & 0x3f);
    bytes[at + 9] = first >>> 8;
    bytes[at + 10] = first >>> 16;
    bytes[at + 11] = first >>> 24;
    bytes[at + 12] = second;
    bytes[at + 13] = second >>> 8;
    bytes[at + 14] = second >>> 16;
    bytes[at + 15] = second >>> 24;
  }
}

const traceIndex = 9;

/** The trace context of a checked message, as a view; undefined when it has none. */
export function traceOf(bytes: Uint8Array): Uint8Array | undefined {
  const length = fieldLength(bytes, traceIndex);
  if (length === 0) return undefined;
  const start = traceStart(bytes);
  return bytes.subarray(start, start + length);
}

/**
 * A copy of `guest` (a checked message) as `sender` sends it now. `trace` is the handled message's
 * trace context, taken over when the guest gave none.
 */
export function sealOutgoing(
  guest: Uint8Array,
  sender: Uint8Array,
  trace: Uint8Array | undefined,
  ids: MessageIds,
  now_ms: number,
): Uint8Array<ArrayBuffer> {
  const oldSender = fieldLength(guest, 0);
  const added = fieldLength(guest, traceIndex) === 0 ? trace : undefined;
  const longer = sender.length - oldSender;
  const total = guest.length + longer + (added?.length ?? 0);
  const bytes = new Uint8Array(total);
  if (added === undefined && longer >= 0) {
    // One copy puts everything after the sender in place, and the header too late: it is written again.
    bytes.set(guest, longer);
    for (let i = 0; i < messageHeader_bytes; i++) bytes[i] = guest[i] as number;
  } else {
    const cut = traceStart(guest);
    bytes.set(guest.subarray(0, messageHeader_bytes));
    let at = messageHeader_bytes + sender.length;
    bytes.set(guest.subarray(messageHeader_bytes + oldSender, cut), at);
    at += cut - messageHeader_bytes - oldSender;
    if (added !== undefined) {
      bytes.set(added, at);
      at += added.length;
      bytes[40 + 2 * traceIndex] = added.length;
      bytes[41 + 2 * traceIndex] = added.length >>> 8;
    }
    bytes.set(guest.subarray(cut), at);
  }
  bytes.set(sender, messageHeader_bytes);
  for (let i = 0; i < 4; i++) bytes[4 + i] = total >>> (8 * i);
  bytes[40] = sender.length;
  bytes[41] = sender.length >>> 8;
  ids.stamp(bytes, now_ms);
  return bytes;
}

function traceStart(bytes: Uint8Array): number {
  let at = messageHeader_bytes;
  for (let i = 0; i < traceIndex; i++) at += fieldLength(bytes, i);
  return at;
}
