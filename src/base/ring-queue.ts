/** A first-in, first-out queue on a growing ring: push and shift without moving anything. Bounds are its owner's. */

const smallest = 8;

export class RingQueue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item;
    this.#length++;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    // An idle queue that once was long gives its memory back.
    if (this.#length === 0 && this.#items.length > 1_024) this.clear();
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#length = 0;
  }

  /** Oldest first. The queue must not change meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.#length; i++)
      yield this.#items[(this.#head + i) & (this.#items.length - 1)] as T;
  }

  #grow(): void {
    const size = Math.max(smallest, this.#items.length * 2);
    const items: (T | undefined)[] = Array.from({ length: size });
    for (let i = 0; i < this.#length; i++)
      items[i] = this.#items[(this.#head + i) & (this.#items.length - 1)];
    this.#items = items;
    this.#head = 0;
  }
}
