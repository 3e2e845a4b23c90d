/**
 * The buffers in which main and the agent threads exchange messages, both directions: entries of
 * `u8 flags, u32 ticket, encoded message`, packed. And outcomes: `u32 ticket, u8 outcome`, packed.
 * The other end is our own code: bytes that do not parse are a bug and throw.
 */
import { assert } from "../base/assert.ts";
import { outcomeCode, outcomeOf, type Outcome } from "../wire/outcome.ts";

/** The message is in the outbox already: whoever ends it takes it out. */
export const flagInOutbox = 1;

const entryHeader_bytes = 5;
const smallest_bytes = 4_096;

export class BatchWriter {
  #bytes = new Uint8Array(smallest_bytes);
  #length = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get size_bytes(): number {
    return this.#length;
  }

  add(flags: number, ticket: number, message: Uint8Array): void {
    const at = this.#length;
    const end = at + entryHeader_bytes + message.length;
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    bytes[at] = flags;
    bytes[at + 1] = ticket;
    bytes[at + 2] = ticket >>> 8;
    bytes[at + 3] = ticket >>> 16;
    bytes[at + 4] = ticket >>> 24;
    bytes.set(message, at + entryHeader_bytes);
    this.#length = end;
    this.#count++;
  }

  /** Everything added since the last `take`, in a buffer of its own that may be transferred. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    this.#count = 0;
    if (this.#bytes.length > 64 * smallest_bytes) this.#bytes = new Uint8Array(smallest_bytes);
    return taken;
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Calls `each` for every entry in order. `message` is a copy that may be kept, of its own length. */
export function readBatch(
  batch: Uint8Array,
  each: (flags: number, ticket: number, message: Uint8Array) => void,
): void {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  let at = 0;
  while (at < batch.length) {
    assert(at + entryHeader_bytes + 8 <= batch.length, "a batch ends with a whole entry");
    const flags = batch[at] as number;
    const ticket = view.getUint32(at + 1, true);
    const start = at + entryHeader_bytes;
    const end = start + view.getUint32(start + 4, true);
    assert(end > start && end <= batch.length, "a batch entry lies within its batch");
    each(
      flags,
      ticket,
      start === entryHeader_bytes && end === batch.length ? batch.subarray(start) : batch.slice(start, end),
    );
    at = end;
  }
}

const outcome_bytes = 5;

export class OutcomeWriter {
  #bytes = new Uint8Array(64 * outcome_bytes);
  #length = 0;

  get count(): number {
    return this.#length / outcome_bytes;
  }

  add(ticket: number, outcome: Outcome): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    const at = this.#length;
    this.#bytes[at] = ticket;
    this.#bytes[at + 1] = ticket >>> 8;
    this.#bytes[at + 2] = ticket >>> 16;
    this.#bytes[at + 3] = ticket >>> 24;
    this.#bytes[at + 4] = outcomeCode(outcome);
    this.#length += outcome_bytes;
  }

  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}

export function readOutcomes(packed: Uint8Array, each: (ticket: number, outcome: Outcome) => void): void {
  assert(packed.length % outcome_bytes === 0, "outcomes are whole");
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  for (let at = 0; at < packed.length; at += outcome_bytes) {
    each(view.getUint32(at, true), outcomeOf(packed[at + 4] as number));
  }
}
