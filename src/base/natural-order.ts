/** Names in the order that people count in: `a2` before `a10`. Not for what has to be the same order everywhere, as keys of a store. */

const collator = new Intl.Collator("en", { numeric: true });

/** Negative when `a` comes first, 0 only for equal texts. */
export function compareNaturally(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : Number(a > b));
}
