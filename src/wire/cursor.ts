/**
 * Bounded reading and writing of bytes: what every codec in this folder is written with.
 * All integers are little-endian. A reader never reads past its end: it throws `WireError`,
 * which the edge turns into "drop and count". Nothing here allocates from a length it has not checked.
 */

/** Bytes that are not what the format says. Carries no payload text: it may be hostile. */
export class WireError extends Error {
  override readonly name = "WireError";
}

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader {
  #at: number;
  #floats: DataView | null = null;

  constructor(
    readonly bytes: Uint8Array,
    start = 0,
    readonly end = bytes.length,
  ) {
    if (start < 0 || end > bytes.length || start > end) throw new WireError("range outside the buffer");
    this.#at = start;
  }

  get at(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.end - this.#at;
  }

  /** Moves over `count` bytes and returns where they began. */
  skip(count: number): number {
    if (count < 0 || count > this.end - this.#at) throw new WireError(`truncated: ${count} bytes wanted`);
    const start = this.#at;
    this.#at += count;
    return start;
  }

  u8(): number {
    return this.#byte(this.skip(1));
  }

  u16(): number {
    const at = this.skip(2);
    return this.#byte(at) + this.#byte(at + 1) * 0x100;
  }

  u32(): number {
    return this.#u32(this.skip(4));
  }

  /** Unsigned, up to 2⁵³−1; larger is refused, so that a number stays exact. */
  u64(): number {
    const at = this.skip(8);
    const low = this.#u32(at);
    const high = this.#u32(at + 4);
    if (high > 0x1f_ffff) throw new WireError("integer above 2^53-1");
    return high * 0x1_0000_0000 + low;
  }

  f32(): number {
    return this.#view().getFloat32(this.skip(4), true);
  }

  f64(): number {
    return this.#view().getFloat64(this.skip(8), true);
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw new WireError("boolean is neither 0 nor 1");
    return value === 1;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  varint(): number {
    let result = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      if (shift === 28 && byte > 0x0f) throw new WireError("varint above 32 bits");
      result += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return result;
    }
    throw new WireError("varint too long");
  }

  /** A view, not a copy, of the next `count` bytes. */
  take(count: number): Uint8Array {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  /** Bytes with a varint length before them, at most `limit`. A view, not a copy. */
  blob(limit: number): Uint8Array {
    const length = this.varint();
    if (length > limit) throw new WireError(`blob of ${length} bytes, at most ${limit}`);
    return this.take(length);
  }

  /** UTF-8 text with a varint length in bytes before it, at most `limit` bytes. */
  text(limit: number): string {
    const length = this.varint();
    if (length > limit) throw new WireError(`blob of ${length} bytes, at most ${limit}`);
    const start = this.skip(length);
    const ascii = length <= shortText_bytes ? asciiOf(this.bytes, start, start + length) : undefined;
    return ascii ?? decodeUtf8(this.bytes.subarray(start, start + length));
  }

  /** A varint count of items, each at least `itemBytes` long, so that a count cannot outgrow the input. */
  count(limit: number, itemBytes = 1): number {
    const count = this.varint();
    if (count > limit || count * itemBytes > this.remaining) throw new WireError(`count ${count} too large`);
    return count;
  }

  /** Every format ends with this: trailing bytes are an error. */
  finish(): void {
    if (this.#at !== this.end) throw new WireError(`${this.end - this.#at} trailing bytes`);
  }

  /** Of a place that `skip` has checked. */
  #byte(at: number): number {
    return this.bytes[at] ?? 0;
  }

  #u32(at: number): number {
    return (
      this.#byte(at) +
      this.#byte(at + 1) * 0x100 +
      this.#byte(at + 2) * 0x1_0000 +
      this.#byte(at + 3) * 0x100_0000
    );
  }

  /** Made only where it is needed: most readers are of a few small integers. */
  #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.bytes;
    return (this.#floats ??= new DataView(buffer, byteOffset, byteLength));
  }
}

/** Names, mostly: a decoder costs more than they are long. */
const shortText_bytes = 32;

/** Undefined when it is not ASCII alone. */
function asciiOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  for (let at = start; at < end; at++) {
    const code = bytes[at] ?? 0x80;
    if (code >= 0x80) return undefined;
    text += String.fromCharCode(code);
  }
  return text;
}

/** A growing buffer. `finish` returns the bytes written; the writer may then be reused after `reset`. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  /** Made only for what needs it: it makes small arrays costly. */
  #floats: DataView | null = null;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** Takes back what was written after the first `length` bytes. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Makes room for `count` bytes and returns where they begin. */
  reserve(count: number): number {
    const start = this.#length;
    const needed = start + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
      this.#floats = null;
    }
    this.#length = needed;
    return start;
  }

  u8(value: number): this {
    const at = this.reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.reserve(2);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    return this;
  }

  u32(value: number): this {
    this.#setU32(this.reserve(4), value);
    return this;
  }

  /** An integer in [0, 2⁵³−1]. */
  u64(value: number): this {
    const at = this.reserve(8);
    this.#setU32(at, value % 0x1_0000_0000);
    this.#setU32(at + 4, Math.floor(value / 0x1_0000_0000));
    return this;
  }

  f32(value: number): this {
    const at = this.reserve(4);
    this.#view().setFloat32(at, value, true);
    return this;
  }

  f64(value: number): this {
    const at = this.reserve(8);
    this.#view().setFloat64(at, value, true);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.u8(rest);
  }

  raw(bytes: Uint8Array): this {
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  blob(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }

  text(text: string): this {
    const begun = this.#length;
    this.varint(text.length);
    const at = this.reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) {
        this.#length = begun;
        return this.blob(utf8.encode(text));
      }
      this.#bytes[at + i] = code;
    }
    return this;
  }

  /** What `write` writes, with its length before it: as `blob` of it, without a copy. */
  nested(write: (writer: Writer) => void): this {
    const at = this.reserve(1);
    write(this);
    const length = this.#length - at - 1;
    if (length < 0x80) {
      this.#bytes[at] = length;
      return this;
    }
    const body = this.#bytes.slice(at + 1, this.#length);
    this.#length = at;
    return this.blob(body);
  }

  /** Overwrites four bytes written before, for lengths known only afterwards. */
  patchU32(at: number, value: number): this {
    this.#setU32(at, value);
    return this;
  }

  #setU32(at: number, value: number): void {
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    this.#bytes[at + 2] = value >>> 16;
    this.#bytes[at + 3] = value >>> 24;
  }

  #view(): DataView {
    return (this.#floats ??= new DataView(this.#bytes.buffer));
  }

  /** A copy of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** A view of what was written, valid until the next write. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(text);
}

/** Refuses invalid UTF-8 with a `WireError`. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new WireError("text is not valid UTF-8");
  }
}
