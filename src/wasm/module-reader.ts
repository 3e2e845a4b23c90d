/**
 * A bounded cursor over a module's bytes. Every read checks the end; every failure is a refusal
 * with the offset. It knows LEB128, names and vectors, and nothing of sections or instructions.
 */
import { moduleLimits } from "./limits.ts";
import { malformed } from "./refusal.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class ModuleReader {
  constructor(
    readonly bytes: Uint8Array,
    public offset: number,
    /** No read passes it. */
    public end: number,
  ) {}

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    if (this.offset >= this.end) malformed("truncated", this.offset);
    return this.bytes[this.offset++] as number;
  }

  /** Unsigned LEB128 of 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      if (shift === 28 && byte > 0x0f) malformed("a number exceeds 32 bits", this.offset - 1);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return malformed("a number is longer than 5 bytes", this.offset);
  }

  /** Signed LEB128 of 33 bits, as block types are written. */
  s33(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return byte & 0x40 ? value - 2 ** (shift + 7) : value;
    }
    return malformed("a number is longer than 5 bytes", this.offset);
  }

  /** Steps over a LEB128 of at most `most_bytes`; the engine checks its value. */
  skipLeb(most_bytes: number): void {
    for (let i = 0; i < most_bytes; i++) if (this.u8() < 0x80) return;
    malformed(`a number is longer than ${most_bytes} bytes`, this.offset);
  }

  skip(count: number): void {
    if (count > this.remaining) malformed("truncated", this.offset);
    this.offset += count;
  }

  /** The length of a vector whose elements take at least one byte each. */
  count(what: string, limit: number): number {
    const at = this.offset;
    const count = this.u32();
    if (count > this.remaining) malformed(`${count} ${what} do not fit in the section`, at);
    if (count > limit) malformed(`${count} ${what}, more than ${limit}`, at);
    return count;
  }

  name(): string {
    const at = this.offset;
    const length = this.u32();
    if (length > moduleLimits.name_bytes) malformed(`a name of ${length} bytes`, at);
    const start = this.offset;
    this.skip(length);
    try {
      return utf8.decode(this.bytes.subarray(start, this.offset));
    } catch {
      return malformed("a name is not UTF-8", at);
    }
  }
}
