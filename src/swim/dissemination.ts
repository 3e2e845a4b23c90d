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
  /** By level, which is priority then times sent; within one, oldest first. Levels once used stay: they are few. */
  readonly #levels: { readonly level: number; readonly rumors: Map<string, Rumor> }[] = [];
  /** How many there are of each priority. */
  readonly #waiting = [0, 0, 0];

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
    this.#levels.length = 0;
    this.#waiting.fill(0);
  }

  /** Records that fit `budget_bytes`; each counts as sent once, and goes after `limit` times. */
  take(budget_bytes: number, limit: number): Uint8Array[] {
    if (this.#rumors.size === 0) return [];
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
    const waiting = [0, 1, 2].filter((priority) => (this.#waiting[priority] as number) > 0);
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
    for (const { level, rumors } of this.#levels) {
      if (rumors.size === 0) continue;
      if (priority !== undefined && Math.floor(level / levelsPerPriority) !== priority) continue;
      for (const rumor of rumors.values()) {
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
    this.#rumorsOf(levelOf(rumor)).set(rumor.key, rumor);
    this.#waiting[rumor.priority] = (this.#waiting[rumor.priority] as number) + 1;
  }

  #drop(rumor: Rumor): void {
    this.#rumors.delete(rumor.key);
    this.#rumorsOf(levelOf(rumor)).delete(rumor.key);
    this.#waiting[rumor.priority] = (this.#waiting[rumor.priority] as number) - 1;
  }

  #rumorsOf(level: number): Map<string, Rumor> {
    const at = this.#levels.findIndex((one) => one.level >= level);
    const there = this.#levels[at];
    if (there?.level === level) return there.rumors;
    const fresh = { level, rumors: new Map<string, Rumor>() };
    this.#levels.splice(at < 0 ? this.#levels.length : at, 0, fresh);
    return fresh.rumors;
  }

  #dropLeast(): void {
    for (const rumor of this.#levels.findLast(({ rumors }) => rumors.size > 0)?.rumors.values() ?? []) {
      this.#drop(rumor);
      return;
    }
  }
}

function levelOf(rumor: Rumor): number {
  return rumor.priority * levelsPerPriority + Math.min(rumor.sent, levelsPerPriority - 1);
}
