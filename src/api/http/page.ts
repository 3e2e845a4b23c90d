/** Pages of lists that the node holds in memory: in order of a key, the cursor being the last key given. */

export interface PageOf<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/** `keyOf` gives unique names (`nameRule`), which are cursors as they stand. Items after the cursor, at most `limit`. */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  query: { readonly limit: number; readonly cursor?: string | undefined },
): PageOf<T> {
  const { limit, cursor } = query;
  const ordered = isOrdered(items, keyOf) ? items : items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  // Most lists fit in a page, and then are given as they are.
  if (cursor === undefined && ordered.length <= limit) return { items: ordered, next_cursor: null };
  const after = cursor === undefined ? ordered : ordered.filter((item) => keyOf(item) > cursor);
  const page = after.slice(0, limit);
  const last = page.at(-1);
  return { items: page, next_cursor: after.length > limit && last !== undefined ? keyOf(last) : null };
}

/** Most lists are kept in the order in which they are shown. */
function isOrdered<T>(items: readonly T[], keyOf: (item: T) => string): boolean {
  let before = "";
  for (const item of items) {
    const key = keyOf(item);
    if (key < before) return false;
    before = key;
  }
  return true;
}
