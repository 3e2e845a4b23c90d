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
  /** Neighbours in its level. */
  before: Rumor | null;
  after: Rumor | null;
  /** The last `take` that chose it. */
  taken: number;
}

/** What was sent equally often, oldest first: linked, since every packet moves all that it carries. */
interface Level {
  first: Rumor | null;
  last: Rumor | null;
}

/** Of a packet's room, kept for each lower priority that has news, so that a busy one above never starves it. */
const reservedShares: readonly number[] = [0, 0.2, 0.1];
/** Beyond it the news that was sent most, of the lowest priority, is dropped: push-pull repairs that. */
const rumorsLimit = 4_096;
/** News that was sent more often than this is not told apart. */
const levelsLimit = 1_024;
/** So many in a row that do not fit end a packet, full enough by then. */
const misfitsLimit = 8;
/** No record is shorter. */
const leastRumor_bytes = 16;

export class Rumors {
  readonly #rumors = new Map<string, Rumor>();
  /** By priority, then by times sent. Levels once used stay: they are few. */
  readonly #levels: readonly Level[][] = [[], [], []];
  /** How many there are of each priority. */
  readonly #waiting = [0, 0, 0];
  #takes = 0;

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
    const place = { before: null, after: null, taken: 0 };
    const rumor: Rumor = { key, priority: rumorPriorities[priority], bytes, sent: 0, ...place };
    this.#rumors.set(key, rumor);
    this.#waiting[rumor.priority] = (this.#waiting[rumor.priority] as number) + 1;
    this.#append(rumor);
    if (this.#rumors.size > rumorsLimit) this.#dropLeast();
  }

  clear(): void {
    this.#rumors.clear();
    for (const levels of this.#levels) levels.length = 0;
    this.#waiting.fill(0);
  }

  /** Records that fit `budget_bytes`; each counts as sent once, and goes after `limit` times. */
  take(budget_bytes: number, limit: number): Uint8Array[] {
    if (this.#rumors.size === 0) return [];
    const taken = this.#choose(budget_bytes);
    for (const rumor of taken) {
      if (rumor.sent + 1 >= limit) {
        this.#drop(rumor);
        continue;
      }
      this.#unlink(rumor);
      rumor.sent++;
      this.#append(rumor);
    }
    return taken.map((rumor) => rumor.bytes);
  }

  #choose(budget_bytes: number): Rumor[] {
    const waiting = [0, 1, 2].filter((priority) => (this.#waiting[priority] as number) > 0);
    const chosen: Rumor[] = [];
    this.#takes++;
    let left_bytes = budget_bytes;
    const [highest, ...lower] = waiting;
    if (highest === undefined) return chosen;
    const reserved = lower.map((one) => Math.floor((reservedShares[one] ?? 0) * budget_bytes));
    // The highest within what is not reserved, each lower one within its share, then all within the rest.
    const first_bytes = left_bytes - reserved.reduce((sum, one) => sum + one, 0);
    left_bytes -= this.#fill(chosen, first_bytes, [highest]);
    for (const [i, priority] of lower.entries())
      left_bytes -= this.#fill(chosen, reserved[i] ?? 0, [priority]);
    if (lower.length > 0) this.#fill(chosen, left_bytes, waiting);
    return chosen;
  }

  /** Adds what fits, of these priorities; the bytes used. */
  #fill(chosen: Rumor[], room_bytes: number, priorities: readonly number[]): number {
    let used_bytes = 0;
    let misfits = 0;
    for (const priority of priorities) {
      for (const { first } of this.#levels[priority] ?? []) {
        for (let rumor = first; rumor; rumor = rumor.after) {
          if (room_bytes - used_bytes < leastRumor_bytes || misfits >= misfitsLimit) return used_bytes;
          if (rumor.taken === this.#takes) continue;
          if (rumor.bytes.length > room_bytes - used_bytes) {
            misfits++;
            continue;
          }
          used_bytes += rumor.bytes.length;
          rumor.taken = this.#takes;
          chosen.push(rumor);
        }
      }
    }
    return used_bytes;
  }

  #drop(rumor: Rumor): void {
    this.#rumors.delete(rumor.key);
    this.#unlink(rumor);
    this.#waiting[rumor.priority] = (this.#waiting[rumor.priority] as number) - 1;
  }

  #append(rumor: Rumor): void {
    const level = this.#levelOf(rumor);
    rumor.before = level.last;
    rumor.after = null;
    if (level.last) level.last.after = rumor;
    else level.first = rumor;
    level.last = rumor;
  }

  #unlink(rumor: Rumor): void {
    const level = this.#levelOf(rumor);
    const { before, after } = rumor;
    if (before) before.after = after;
    else level.first = after;
    if (after) after.before = before;
    else level.last = before;
  }

  #levelOf({ priority, sent }: Rumor): Level {
    const levels = this.#levels[priority] ?? [];
    const at = Math.min(sent, levelsLimit - 1);
    for (let more = levels.length; more <= at; more++) levels.push({ first: null, last: null });
    return levels[at] as Level;
  }

  #dropLeast(): void {
    for (const levels of this.#levels.toReversed()) {
      const least = levels.findLast(({ first }) => first !== null)?.first;
      if (!least) continue;
      this.#drop(least);
      return;
    }
  }
}
