/** A quick hash that spreads texts over 32 bits, the same on every machine. No secret, and no proof of anything. */

const start = 0x811c9dc5;

/** FNV-1a over UTF-16 units with a final mix; 0 to 2³² − 1. `seed`: the hash of what the text stands behind. */
export function hashText(text: string, seed = start): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  return (hash ^ (hash >>> 13)) >>> 0;
}
