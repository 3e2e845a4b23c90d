/**
 * How many messages pairs of agents exchange, in bounded memory: the pairs with the most are kept, the rest forgotten.
 * Pure. A pair that comes in takes the place of the one with the fewest and begins above its count, so that no busy pair
 * is missed (Metwally et al., "Space-Saving", 2005). Counts fade by half each period, so that they follow what is so now.
 */
import type { AgentName } from "../base/ids.ts";

/** Pairs that are kept. */
export const pairsLimit = 2_048;
/** Of a full table the lower half goes at once, so that a stranger costs no search. */
const keptShare = 0.5;

export interface PairTraffic {
  readonly from: AgentName;
  readonly to: AgentName;
  /** Messages a second. */
  readonly rate: number;
}

interface Pair {
  readonly from: AgentName;
  readonly to: AgentName;
  count: number;
}

export class Traffic {
  readonly #pairs = new Map<string, Pair>();
  /** What a pair that is forgotten may have had: where a new one begins. */
  #floor = 0;

  note(from: AgentName, to: AgentName): void {
    const key = `${from}\n${to}`;
    const pair = this.#pairs.get(key);
    if (pair !== undefined) {
      pair.count++;
      return;
    }
    if (this.#pairs.size >= pairsLimit) this.#makeRoom();
    this.#pairs.set(key, { from, to, count: this.#floor + 1 });
  }

  /** Called once a period: half of what was counted before goes on counting. */
  fade(): void {
    this.#floor /= 2;
    for (const [key, pair] of this.#pairs) {
      pair.count /= 2;
      if (pair.count < 1) this.#pairs.delete(key);
    }
  }

  /** By rate, the busiest first. What fades by half each period swings between one and two periods' worth. */
  rates(period_s: number): readonly PairTraffic[] {
    return [...this.#pairs.values()]
      .map(({ from, to, count }) => ({ from, to, rate: count / (1.5 * period_s) }))
      .toSorted((a, b) => b.rate - a.rate);
  }

  #makeRoom(): void {
    const counts = [...this.#pairs.values()].map(({ count }) => count).toSorted((a, b) => b - a);
    const least = counts[Math.floor(counts.length * keptShare)] ?? 0;
    this.#floor = least;
    for (const [key, { count }] of this.#pairs) if (count <= least) this.#pairs.delete(key);
  }
}
