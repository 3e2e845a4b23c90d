/**
 * A seeded generator (xoshiro128**, Blackman and Vigna 2018) for the pure cores, so that the same
 * seed gives the same run. Not for keys or tokens: those come from the `Entropy` port.
 */

export class Prng {
  readonly #state = new Uint32Array(4);

  /** `seed` is any integer; each gives its own sequence (state filled by splitmix32). */
  constructor(seed: number) {
    let z = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      z = (z + 0x9e3779b9) >>> 0;
      let x = z;
      x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
      x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
      this.#state[i] = (x ^ (x >>> 15)) >>> 0;
    }
  }

  /** Uniform in [0, 2³²). */
  u32(): number {
    const s = this.#state;
    const s1 = s[1] as number;
    const r = Math.imul(s1, 5);
    const result = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
    const t = s1 << 9;
    s[2] = (s[2] as number) ^ (s[0] as number);
    s[3] = (s[3] as number) ^ s1;
    s[1] = s1 ^ s[2];
    s[0] = (s[0] as number) ^ s[3];
    s[2] = s[2] ^ t;
    const s3 = s[3];
    s[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  float(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** Uniform integer in [0, bound), for 0 < bound ≤ 2³². */
  below(bound: number): number {
    return Math.floor(this.float() * bound);
  }

  /** Uniform integer in [low, high). */
  between(low: number, high: number): number {
    return low + this.below(high - low);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** Shuffles in place (Fisher–Yates) and returns the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j] as T, items[i] as T];
    }
    return items;
  }

  /** One element, or undefined of an empty list. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }
}
