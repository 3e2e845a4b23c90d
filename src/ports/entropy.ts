/** Randomness that must not be guessed: keys, ids, tokens, seeds. */
export interface Entropy {
  bytes(count: number): Uint8Array<ArrayBuffer>;
}
