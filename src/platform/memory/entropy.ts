/** Bytes from a seeded generator, for tests and simulation only: they can be guessed by construction. */
import { Prng } from "../../base/prng.ts";
import type { Entropy } from "../../ports/entropy.ts";

export function seededEntropy(seed: number): Entropy {
  const prng = new Prng(seed);
  return {
    bytes(count) {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = prng.u32() >>> 24;
      return bytes;
    },
  };
}
