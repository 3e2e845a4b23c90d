/** `GET /api/v1/kv`: keys by prefix, in the order of their bytes, without their values. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { hasControlCharacters, kvKeyLimit_bytes } from "../../wire/control-kv.ts";
import { WireError, decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";
import { consistencyField, consistencyOf, readHeaders } from "../http/consistency.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { countField, pageLimit_default, pageLimit_max } from "../http/fields.ts";
import { kvEntry } from "./kv.ts";

export const kvListAnswer = v.object({ entries: v.array(kvEntry), next_cursor: v.nullable(v.string()) });
export type KvListAnswer = v.InferOutput<typeof kvListAnswer>;

/** A key of 512 bytes in base64. */
const cursorLength_max = 700;

export function addKvList(api: ApiRoutes): void {
  api.add(
    "get",
    "/api/v1/kv",
    {
      tag: "kv",
      summary: "List keys",
      description: "Each page is linearizable by itself.",
      query: v.strictObject({
        prefix: v.optional(v.pipe(v.string(), v.maxLength(kvKeyLimit_bytes)), ""),
        limit: v.optional(countField(1, pageLimit_max), String(pageLimit_default)),
        cursor: v.optional(
          v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+$/, "not a cursor"), v.maxLength(cursorLength_max)),
        ),
        consistency: consistencyField,
      }),
      answer: kvListAnswer,
    },
    async ({ query }) => {
      const { prefix, limit } = query;
      const consistency = consistencyOf(api.services, query.consistency);
      if (!prefix.isWellFormed() || encodeUtf8(prefix).length > kvKeyLimit_bytes) {
        throw new CaxtonError(
          "invalid_argument",
          `Query refused: prefix: longer than ${kvKeyLimit_bytes} bytes`,
        );
      }
      if (hasControlCharacters(prefix)) {
        throw new CaxtonError("invalid_argument", "Query refused: prefix: no key has control characters");
      }
      const after = query.cursor === undefined ? "" : readCursor(query.cursor);
      const { page, appliedIndex } = await api.services.kv.list({ prefix, after, limit }, consistency);
      const last = page.entries.at(-1);
      const answer: KvListAnswer = {
        entries: page.entries.map(({ key, version, mediaType, size, modified_ms }) => ({
          key,
          version,
          content_type: mediaType,
          size,
          modified_at: new Date(modified_ms).toISOString(),
        })),
        next_cursor: page.more && last !== undefined ? Buffer.from(last.key).toString("base64url") : null,
      };
      return Response.json(answer, { headers: readHeaders(api.services, consistency, appliedIndex) });
    },
  );
}

function readCursor(cursor: string): string {
  try {
    const after = decodeUtf8(Buffer.from(cursor, "base64url"));
    if (encodeUtf8(after).length <= kvKeyLimit_bytes && !hasControlCharacters(after)) return after;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
  throw new CaxtonError("invalid_argument", "Query refused: cursor: not one of this list");
}
