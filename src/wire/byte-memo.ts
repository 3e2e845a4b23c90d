/**
 * What certain bytes were found to mean, kept for when they come again: gossip tells the same a dozen times, and it
 * is read once. Bytes are compared whole, so nothing is ever taken for something else.
 */

/** A power of two. One entry a place: what comes later to the same place takes it. */
const places = 2_048;
/** What is longer seldom comes twice. */
const longest_bytes = 320;

interface Entry<T> {
  readonly bytes: Uint8Array;
  readonly meaning: T;
}

export class ByteMemo<T> {
  readonly #entries: (Entry<T> | undefined)[] = Array.from({ length: places }, () => undefined);

  /** `bytes` from `start` up to `end`: as `read` found them earlier, or as it finds them now. What it throws is not kept. */
  of(bytes: Uint8Array, start: number, end: number, read: () => T): T {
    const length = end - start;
    if (length > longest_bytes) return read();
    const place = placeOf(bytes, start, end);
    const known = this.#entries[place];
    if (known?.bytes.length === length && isSame(known.bytes, bytes, start)) return known.meaning;
    const meaning = read();
    this.#entries[place] = { bytes: bytes.slice(start, end), meaning };
    return meaning;
  }
}

/** A product for each four bytes: it is asked for every record of every packet. */
function placeOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  let at = start;
  for (const whole = end - 3; at < whole; at += 4) {
    const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    const high = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
    hash = Math.imul(hash ^ low ^ (high << 16), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) & (places - 1);
}

function isSame(known: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
