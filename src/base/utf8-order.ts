/** The order of texts by their bytes in UTF-8, which is that of SQLite's keys; not that of JavaScript's `<`. */

/** Below zero, zero or above it, as `a` comes before `b`, is the same, or comes after it. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Halves of a pair stand for a code point above all single units: U+E000 to U+FFFF make room for them. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
