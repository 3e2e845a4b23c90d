/**
 * News waiting to ride in packets. One item a subject: newer news of the same subject replaces it.
 * Least sent first within a priority, each item a bounded number of times, never more bytes than asked.
 */

/** Lower goes first. */
export const rumorPriorities = { membership: 0, directory: 1, load: 2 } as const;
export type RumorPriority = keyof typeof rumorPriorities;

interface Rumor {
  readonly key: string;
  readonly priority: number;
  readonly bytes: Uint8Array;
  readonly order: number;
  sent: number;
}

/** Beyond it the news that was sent most, of the lowest priority, is dropped: push-pull repairs that. */
const rumorsLimit = 4_096;

export class Rumors {
  readonly #rumors = new Map<string, Rumor>();
  #order = 0;
  #sorted: Rumor[] | null = null;

  get size(): number {
    return this.#rumors.size;
  }

  has(key: string): boolean {
    return this.#rumors.has(key);
  }

  /** `bytes` is an encoded record. */
  add(key: string, priority: RumorPriority, bytes: Uint8Array): void {
    this.#rumors.set(key, { key, priority: rumorPriorities[priority], bytes, order: this.#order++, sent: 0 });
    this.#sorted = null;
    if (this.#rumors.size > rumorsLimit) {
      const last = this.#inOrder().at(-1);
      if (last) this.#drop(last);
    }
  }

  forget(key: string): void {
    if (this.#rumors.delete(key)) this.#sorted = null;
  }

  clear(): void {
    this.#rumors.clear();
    this.#sorted = null;
  }

  /** Records that fit `budget_bytes`; each counts as sent once, and goes after `limit` times. */
  take(budget_bytes: number, limit: number): Uint8Array[] {
    const taken: Rumor[] = [];
    let left_bytes = budget_bytes;
    for (const rumor of this.#inOrder()) {
      if (rumor.bytes.length > left_bytes) continue;
      left_bytes -= rumor.bytes.length;
      taken.push(rumor);
      if (left_bytes < leastRumor_bytes) break;
    }
    for (const rumor of taken) {
      rumor.sent++;
      if (rumor.sent >= limit) this.#drop(rumor);
    }
    if (taken.length > 0) this.#sorted = null;
    return taken.map((rumor) => rumor.bytes);
  }

  #drop(rumor: Rumor): void {
    this.#rumors.delete(rumor.key);
    this.#sorted = null;
  }

  #inOrder(): readonly Rumor[] {
    this.#sorted ??= [...this.#rumors.values()].sort(
      (a, b) => a.priority - b.priority || a.sent - b.sent || b.order - a.order,
    );
    return this.#sorted;
  }
}

/** No record is shorter. */
const leastRumor_bytes = 16;
