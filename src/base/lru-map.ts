/** A map of bounded size that forgets the entry used longest ago. No time in it: expiry is the user's. */
import { assert } from "./assert.ts";

export class LruMap<K, V> {
  readonly #entries = new Map<K, V>();
  /** The entry used last is in its place already. */
  #latest: K | undefined;

  constructor(readonly limit: number) {
    assert(limit > 0, "an LRU map holds at least one entry");
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, which thereby becomes the most recently used. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined || key === this.#latest) return value;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#latest = key;
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#latest = key;
    if (this.#entries.size <= this.limit) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
