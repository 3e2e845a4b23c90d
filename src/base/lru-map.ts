/** A map of bounded size that forgets the entry used longest ago. No time in it: expiry is the user's. */
import { assert } from "./assert.ts";

export class LruMap<K, V> {
  readonly #entries = new Map<K, V>();
  /** The entry used last is in its place already, and found without a look at the others. */
  #latest: { readonly key: K; readonly value: V } | undefined;

  constructor(readonly limit: number) {
    assert(limit > 0, "an LRU map holds at least one entry");
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, which thereby becomes the most recently used. */
  get(key: K): V | undefined {
    if (this.#latest !== undefined && key === this.#latest.key) return this.#latest.value;
    const value = this.#entries.get(key);
    if (value !== undefined) this.#put(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#put(key, value);
    if (this.#entries.size <= this.limit) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  delete(key: K): boolean {
    if (key === this.#latest?.key) this.#latest = undefined;
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#latest = undefined;
    this.#entries.clear();
  }

  #put(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#latest = { key, value };
  }
}
