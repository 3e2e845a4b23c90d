/**
 * A generator of its own for each node and concern, all from one seed: what one part draws, or a fault
 * that is left out, does not change what the others draw.
 */
import { Prng } from "../base/prng.ts";

export function seedOf(seed: number, concern: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < concern.length; i++) hash = Math.imul(hash ^ concern.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}

export function generatorOf(seed: number, concern: string): Prng {
  return new Prng(seedOf(seed, concern));
}
