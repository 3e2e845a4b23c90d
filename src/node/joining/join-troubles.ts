/**
 * What came of the seeds of a node that is in no cluster, or alone in its own while they are of another: told in the
 * log again and again, ever more rarely, and shown by `/readyz` and `cluster status`. The node stays: who corrects
 * the seed, or ends the other node of its name, need not come back here.
 */
import { type Address, formatAddress } from "../../ports/datagrams.ts";

/** Seeds whose last answer is told. */
const troublesLimit = 8;
/** The same of the same seed is told again after this, then after twice as long each time, up to the limit. */
const repeat_ms = 30_000;
const repeatLimit_ms = 30 * 60_000;

interface Trouble {
  readonly reason: string;
  readonly elsewhere: boolean;
  /** When it is told again. */
  readonly at_ms: number;
  readonly interval_ms: number;
}

export class JoinTroubles {
  readonly #last = new Map<string, Trouble>();
  readonly #seeds: ReadonlySet<string>;

  constructor(
    seeds: readonly Address[],
    private readonly warn: (text: string) => void,
  ) {
    this.#seeds = new Set(seeds.map((seed) => formatAddress(seed)));
  }

  /** `elsewhere`: the seed is of another cluster. Who is no seed is not this node's trouble. */
  add(seed: string, reason: string, elsewhere: boolean, now_ms: number): void {
    const before = this.#last.get(seed);
    if (!this.#seeds.has(seed) || (before === undefined && this.#last.size >= troublesLimit)) return;
    if (before?.reason === reason && now_ms < before.at_ms) return;
    const interval_ms =
      before?.reason === reason ? Math.min(2 * before.interval_ms, repeatLimit_ms) : repeat_ms;
    this.#last.set(seed, { reason, elsewhere, at_ms: now_ms + interval_ms, interval_ms });
    this.warn(`Cannot join ${seed}: ${reason}; trying on`);
  }

  /** Why a node in no cluster waits, to follow "it". */
  waiting(): string {
    const troubles = this.#told([...this.#last]);
    return `waits for a seed to let it in (${troubles === "" ? [...this.#seeds].join("; ") : troubles})`;
  }

  /** Why a node that is alone in a cluster of its own is not where it was to be, to follow "it"; else null. */
  alone(): string | null {
    const elsewhere = [...this.#last].filter(([, trouble]) => trouble.elsewhere);
    if (elsewhere.length === 0) return null;
    return `is in a cluster of its own, and not let into that of its seeds (${this.#told(elsewhere)})`;
  }

  #told(troubles: readonly (readonly [string, Trouble])[]): string {
    return troubles.map(([seed, { reason }]) => `${seed}: ${reason}`).join("; ");
  }
}
