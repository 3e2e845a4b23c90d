/** Follows `next_cursor` to the end of a list, which is bounded so that a list that never ends is noticed. */
import { CaxtonError } from "../base/errors.ts";

const pages_max = 1_000;
/** Items asked for at once. */
export const pageLimit = 1_000;

export async function allPages<P extends { readonly next_cursor: string | null }, T>(
  load: (cursor: string | undefined) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let count = 0; count < pages_max; count++) {
    const page = await load(cursor);
    for (const item of itemsOf(page)) items.push(item);
    if (page.next_cursor === null) return items;
    cursor = page.next_cursor;
  }
  throw new CaxtonError("limit_exceeded", `The list has more than ${pages_max} pages`);
}
