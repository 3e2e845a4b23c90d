/**
 * A map whose keys can be walked in order: sorted chunks of bounded length, so that an insertion
 * moves at most one chunk. Keys are strings compared by code unit; bytes decoded as Latin-1 compare
 * as the bytes do.
 */

const chunkLimit = 512;

export class OrderedMap<V> {
  readonly #values = new Map<string, V>();
  /** No chunk is empty, each is sorted, and each one's last key is below the next one's first. */
  #chunks: string[][] = [];

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  set(key: string, value: V): void {
    if (!this.#values.has(key)) this.#insert(key);
    this.#values.set(key, value);
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false;
    const at = this.#chunkFor(key);
    const chunk = this.#chunks[at] as string[];
    chunk.splice(lowerBound(chunk, key), 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    return true;
  }

  clear(): void {
    this.#values.clear();
    this.#chunks = [];
  }

  /** The smallest key greater than `key`; with undefined, the smallest of all. */
  next(key: string | undefined): string | undefined {
    if (key === undefined) return this.#chunks[0]?.[0];
    const at = this.#chunkFor(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return undefined;
    let index = lowerBound(chunk, key);
    if (chunk[index] === key) index++;
    return index < chunk.length ? chunk[index] : this.#chunks[at + 1]?.[0];
  }

  /** In order of the keys. The map must not change meanwhile. */
  *entries(): IterableIterator<[string, V]> {
    for (const chunk of this.#chunks) for (const key of chunk) yield [key, this.#values.get(key) as V];
  }

  #insert(key: string): void {
    const at = Math.min(this.#chunkFor(key), Math.max(0, this.#chunks.length - 1));
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([key]);
      return;
    }
    chunk.splice(lowerBound(chunk, key), 0, key);
    if (chunk.length > chunkLimit) this.#chunks.splice(at + 1, 0, chunk.splice(chunkLimit >> 1));
  }

  /** The first chunk whose last key is not below `key`; one past the end when there is none. */
  #chunkFor(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const last = this.#chunks[middle]?.at(-1);
      if (last !== undefined && last < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
