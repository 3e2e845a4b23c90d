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
  sent: number;
}

/** Of a packet's room, kept for each lower priority that has news, so that a busy one above never starves it. */
const reservedShares: readonly number[] = [0, 0.2, 0.1];
/** Beyond it the news that was sent most, of the lowest priority, is dropped: push-pull repairs that. */
const rumorsLimit = 4_096;
/** Further apart than any count of sendings. */
const levelsPerPriority = 1_024;
/** So many in a row that do not fit end a packet, full enough by then. */
const misfitsLimit = 8;
/** No record is shorter. */
const leastRumor_bytes = 16;

export class Rumors {
  readonly #rumors = new Map<string, Rumor>();
  /** By level, which is priority then times sent; within one, oldest first. */
  readonly #levels = new Map<number, Map<string, Rumor>>();
  #order: readonly number[] = [];

  get size(): number {
    return this.#rumors.size;
  }

  has(key: string): boolean {
    return this.#rumors.has(key);
  }

  /** `bytes` is an encoded record. */
  add(key: string, priority: RumorPriority, bytes: Uint8Array): void {
    const known = this.#rumors.get(key);
    if (known) this.#drop(known);
    const rumor = { key, priority: rumorPriorities[priority], bytes, sent: 0 };
    this.#rumors.set(key, rumor);
    this.#place(rumor);
    if (this.#rumors.size > rumorsLimit) this.#dropLeast();
  }

  clear(): void {
    this.#rumors.clear();
    this.#levels.clear();
    this.#order = [];
  }

  /** Records that fit `budget_bytes`; each counts as sent once, and goes after `limit` times. */
  take(budget_bytes: number, limit: number): Uint8Array[] {
    const taken = this.#choose(budget_bytes);
    for (const rumor of taken) {
      this.#drop(rumor);
      rumor.sent++;
      if (rumor.sent >= limit) continue;
      this.#rumors.set(rumor.key, rumor);
      this.#place(rumor);
    }
    return taken.map((rumor) => rumor.bytes);
  }

  #choose(budget_bytes: number): Rumor[] {
    const waiting = new Set(this.#order.map((level) => Math.floor(level / levelsPerPriority)));
    const chosen = new Set<Rumor>();
    let left_bytes = budget_bytes;
    const [highest, ...lower] = waiting;
    const reserved = lower.map((one) => Math.floor((reservedShares[one] ?? 0) * budget_bytes));
    // The highest within what is not reserved, each lower one within its share, then all within the rest.
    const first_bytes = left_bytes - reserved.reduce((sum, one) => sum + one, 0);
    left_bytes -= this.#fill(chosen, first_bytes, highest);
    for (const [i, priority] of lower.entries()) left_bytes -= this.#fill(chosen, reserved[i] ?? 0, priority);
    if (lower.length > 0) this.#fill(chosen, left_bytes);
    return [...chosen];
  }

  /** Adds what fits, of one priority or of all; the bytes used. */
  #fill(chosen: Set<Rumor>, room_bytes: number, priority?: number): number {
    let used_bytes = 0;
    let misfits = 0;
    for (const level of this.#order) {
      if (priority !== undefined && Math.floor(level / levelsPerPriority) !== priority) continue;
      for (const rumor of this.#levels.get(level)?.values() ?? []) {
        if (room_bytes - used_bytes < leastRumor_bytes || misfits >= misfitsLimit) return used_bytes;
        if (chosen.has(rumor)) continue;
        if (rumor.bytes.length > room_bytes - used_bytes) {
          misfits++;
          continue;
        }
        used_bytes += rumor.bytes.length;
        chosen.add(rumor);
      }
    }
    return used_bytes;
  }

  #place(rumor: Rumor): void {
    const level = levelOf(rumor);
    const there = this.#levels.get(level);
    if (there) {
      there.set(rumor.key, rumor);
      return;
    }
    this.#levels.set(level, new Map([[rumor.key, rumor]]));
    this.#order = [...this.#levels.keys()].sort((a, b) => a - b);
  }

  #drop(rumor: Rumor): void {
    this.#rumors.delete(rumor.key);
    const level = levelOf(rumor);
    const there = this.#levels.get(level);
    there?.delete(rumor.key);
    if (there?.size !== 0) return;
    this.#levels.delete(level);
    this.#order = this.#order.filter((one) => one !== level);
  }

  #dropLeast(): void {
    const last = this.#levels.get(this.#order.at(-1) ?? 0);
    for (const rumor of last?.values() ?? []) {
      this.#drop(rumor);
      return;
    }
  }
}

function levelOf(rumor: Rumor): number {
  return rumor.priority * levelsPerPriority + Math.min(rumor.sent, levelsPerPriority - 1);
}
