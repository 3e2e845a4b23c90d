/**
 * Cuts a byte stream into length-prefixed frames, whatever the chunks: `u32 length · u8 tag · body`, where
 * the length counts tag and body. Holds at most one unfinished frame, and only as many of its bytes as came.
 */
import { WireError } from "./cursor.ts";

const prefix_bytes = 4;
/** A rest smaller than this is copied, so that it does not keep its whole chunk in memory. */
const copiedRest_bytes = 4_096;

export class FrameSplitter {
  #pending: Uint8Array[] = [];
  #pending_bytes = 0;
  /** Bytes needed before anything can be cut off. */
  #wanted_bytes = prefix_bytes;

  /** `limit_bytes` bounds tag and body of the next frames. */
  constructor(public limit_bytes: number) {}

  /** Bytes of the unfinished frame held. */
  get held_bytes(): number {
    return this.#pending_bytes;
  }

  /**
   * Calls `deliver` for each frame that is complete with this chunk; it returns false to stop, and nothing of
   * the chunk is used after that. `body` is a view. Throws `WireError` for a length of 0 or above the limit.
   */
  push(chunk: Uint8Array, deliver: (tag: number, body: Uint8Array) => boolean): void {
    if (this.#pending_bytes + chunk.length < this.#wanted_bytes) {
      if (chunk.length > 0) this.#hold(chunk);
      return;
    }
    const bytes = this.#joined(chunk);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    this.#wanted_bytes = prefix_bytes;
    while (bytes.length - at >= prefix_bytes) {
      const length = view.getUint32(at, true);
      if (length === 0 || length > this.limit_bytes) {
        throw new WireError(`frame of ${length} bytes, at most ${this.limit_bytes}`);
      }
      const end = at + prefix_bytes + length;
      if (end > bytes.length) {
        this.#wanted_bytes = prefix_bytes + length;
        break;
      }
      if (!deliver(bytes[at + prefix_bytes] as number, bytes.subarray(at + prefix_bytes + 1, end))) return;
      at = end;
    }
    if (at < bytes.length) this.#hold(bytes.subarray(at));
  }

  #hold(bytes: Uint8Array): void {
    this.#pending.push(bytes.length < copiedRest_bytes ? bytes.slice() : bytes);
    this.#pending_bytes += bytes.length;
  }

  #joined(chunk: Uint8Array): Uint8Array {
    if (this.#pending_bytes === 0) return chunk;
    const bytes = new Uint8Array(this.#pending_bytes + chunk.length);
    let at = 0;
    for (const part of this.#pending) {
      bytes.set(part, at);
      at += part.length;
    }
    bytes.set(chunk, at);
    this.#pending = [];
    this.#pending_bytes = 0;
    return bytes;
  }
}
