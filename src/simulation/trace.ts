/** The fingerprint of a run: 64 bits over everything that happened, in its order. Equal runs, equal hash. */
import { ticksOf } from "./ticks.ts";

export class Trace {
  #low = 0x811c9dc5;
  #high = 0x9747b28c;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(now_ms: number, what: number, subject: number, object: number): void {
    const ticks = ticksOf(now_ms);
    this.#count++;
    this.#mix(ticks >>> 0);
    this.#mix(Math.floor(ticks / 0x1_0000_0000) ^ (what << 24));
    this.#mix(subject);
    this.#mix(object);
  }

  /** The end of `bytes` is enough where it authenticates the rest. */
  addTail(bytes: Uint8Array): void {
    this.#mix(bytes.length);
    for (let at = Math.max(0, bytes.length - 8); at < bytes.length; at++) this.#mix(bytes[at] as number);
  }

  addBytes(bytes: Uint8Array): void {
    this.#mix(bytes.length);
    for (const byte of bytes) this.#mix(byte);
  }

  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high =
      Math.imul((this.#high << 13) | (this.#high >>> 19), 5) ^ Math.imul(word ^ this.#low, 0x9e3779b1);
  }
}
