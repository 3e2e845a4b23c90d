/** `--limit` and `--cursor` of commands that list what may be long. */
import { asText, wholeNumber } from "./parse.ts";

export interface PageFlags {
  readonly limit: number;
  readonly cursor?: string;
}

export const pageFlags = {
  limit: {
    kind: "parsed",
    parse: wholeNumber(1, 1_000),
    default: "100",
    placeholder: "N",
    brief: "At most so many",
  },
  cursor: {
    kind: "parsed",
    parse: asText,
    optional: true,
    placeholder: "C",
    brief: "Go on where a list ended",
  },
} as const;

/** As the client takes it. */
export function pageQuery({ limit, cursor }: PageFlags): {
  readonly limit: number;
  readonly cursor?: string;
} {
  return cursor === undefined ? { limit } : { limit, cursor };
}

/** Tells that there is more, on standard error. */
export function moreNotice(nextCursor: string | null): string | undefined {
  return nextCursor === null ? undefined : `There are more: --cursor ${nextCursor}`;
}
