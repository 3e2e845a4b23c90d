/** A growing buffer for a module being written: LEB128, names, ranges of another buffer, sections. */

export class ModuleWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity_bytes: number) {
    this.#bytes = new Uint8Array(Math.max(64, capacity_bytes));
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  s32(value: number): void {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.u8(rest & 0x7f);
  }

  bytes(source: ArrayLike<number>): void {
    this.#grow(source.length);
    this.#bytes.set(source, this.#length);
    this.#length += source.length;
  }

  range(source: Uint8Array, start: number, end: number): void {
    if (end - start < 32) {
      this.#grow(end - start);
      for (let i = start; i < end; i++) this.#bytes[this.#length++] = source[i] as number;
    } else {
      this.bytes(source.subarray(start, end));
    }
  }

  name(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.u32(encoded.length);
    this.bytes(encoded);
  }

  /** A section, or a function body with `id` null: length, then content. */
  sized(id: number | null, content: ModuleWriter): void {
    if (id !== null) this.u8(id);
    this.u32(content.length);
    this.bytes(content.view());
  }

  /** What was written; a view until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** What was written, as its own buffer. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
