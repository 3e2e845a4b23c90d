/**
 * Opaque cursors of listings: a listing's name and the number of the last row given. Rows never
 * change their number, so that a page is neither repeated nor skipped while others come and go.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { pageLimit } from "./limits.ts";

export function formatCursor(listing: string, last: number): string {
  return btoa(`${listing}:${last}`).replaceAll("=", "");
}

/** The number in a cursor of this listing, or null of null. Throws `invalid_argument` for any other text. */
export function parseCursor(listing: string, cursor: string | null): number | null {
  if (cursor === null) return null;
  const last = cursor.length <= 128 ? numberIn(listing, cursor) : undefined;
  if (last === undefined)
    throw new CaxtonError("invalid_argument", `Cursor ${quote(cursor)} is not one of this listing`);
  return last;
}

/** At least 1 and at most `pageLimit` items. */
export function boundedLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new CaxtonError("invalid_argument", `Limit ${limit} is not a whole number of at least 1`);
  }
  return Math.min(limit, pageLimit);
}

function numberIn(listing: string, cursor: string): number | undefined {
  let text: string;
  try {
    text = atob(cursor);
  } catch {
    return undefined;
  }
  const number = text.startsWith(`${listing}:`) ? text.slice(listing.length + 1) : "";
  return /^\d{1,15}$/.test(number) ? Number(number) : undefined;
}
