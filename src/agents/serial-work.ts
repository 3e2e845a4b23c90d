/** Asynchronous work in order: pieces with the same key follow one another, those with different keys do not wait. */

export class SerialWork<K> {
  readonly #last = new Map<K, Promise<unknown>>();

  /** Runs `work` when everything given before under `key` has settled, whatever became of it. */
  run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return mine;
  }
}
