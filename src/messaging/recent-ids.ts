/**
 * The ids of messages that an agent took lately, so that one delivered again is not handled again.
 * Two generations: the older one is forgotten when the newer is full, so that between `limit` and
 * twice as many are known, in constant time and bounded memory.
 */

export class RecentIds {
  #newer = new Set<string>();
  #older = new Set<string>();

  constructor(private readonly limit: number) {}

  has(key: string): boolean {
    return this.#newer.has(key) || this.#older.has(key);
  }

  add(key: string): void {
    if (this.#newer.size >= this.limit) {
      this.#older = this.#newer;
      this.#newer = new Set();
    }
    this.#newer.add(key);
  }

  delete(key: string): void {
    this.#newer.delete(key);
    this.#older.delete(key);
  }
}
