/**
 * `/api/v1/kv/{key}`: the value is the body, as bytes with the media type that it came with. Its version is
 * the ETag, so `If-Match` and `If-None-Match` are compare-and-set and create-if-absent (RFC 9110, section 13).
 */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { type Fence, type KvCondition, type KvValue, kvValueLimit_bytes } from "../../wire/control-kv.ts";
import { lockNameLimit_bytes } from "../../wire/control-lock.ts";
import { WireError, decodeUtf8 } from "../../wire/cursor.ts";
import { readBody } from "../http/body.ts";
import { askerOf, consistencyField, consistencyOf, readHeaders } from "../http/consistency.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { countField, timeSchema } from "../http/fields.ts";
import type { InMinority } from "../http/minority-writes.ts";
import { type ApiContext, noteVersion } from "../http/request.ts";
import { noSuchKey } from "../../control/kv-store.ts";
import { entityTag, matchesTag, writeCondition } from "./entity-tag.ts";

/** Whatever stands there, control characters too, so that they are refused in words. */
const path = "/api/v1/kv/:key{[^]+}";
const named = v.object({ key: v.pipe(v.string(), v.description("UTF-8, 1 to 512 bytes; may have slashes")) });
const mediaType_default = "application/octet-stream";
const mediaTypeLength_max = 255;

export const kvWritten = v.object({
  key: v.string(),
  version: v.number(),
  created: v.boolean(),
  modified_at: timeSchema,
});
export type KvWrittenAnswer = v.InferOutput<typeof kvWritten>;

export const kvDeleted = v.object({ key: v.string(), version: v.number(), status: v.literal("deleted") });
export type KvDeletedAnswer = v.InferOutput<typeof kvDeleted>;

export const kvEntry = v.object({
  key: v.string(),
  version: v.number(),
  content_type: v.string(),
  size: v.number(),
  modified_at: timeSchema,
});

/** A value with its properties in one document, for `?format=json`. */
export const kvDocument = v.object({
  ...kvEntry.entries,
  encoding: v.picklist(["utf-8", "base64"]),
  value: v.string(),
});
export type KvDocument = v.InferOutput<typeof kvDocument>;

const fenceFields = {
  lock: v.optional(
    v.pipe(v.string(), v.regex(/^[!-~]+$/, "not a lock's name"), v.maxLength(lockNameLimit_bytes)),
  ),
  fencing_token: v.optional(countField(1, Number.MAX_SAFE_INTEGER)),
};
const writeQuery = v.strictObject(fenceFields);
const fenceWords =
  "With `lock` and `fencing_token` the write counts only while that lock is held under that token.";

export function addKv(api: ApiRoutes): void {
  const { kv } = api.services;
  api.add(
    "get",
    path,
    {
      tag: "kv",
      summary: "Read a value",
      description:
        "The body is the value, `Content-Type` what it was written with, `ETag` its version. " +
        "`format=json` gives a document with all of it. `If-None-Match` answers 304 when nothing has changed.",
      params: named,
      query: v.strictObject({
        consistency: consistencyField,
        format: v.optional(v.picklist(["raw", "json"], "not raw or json"), "raw"),
      }),
      answer: kvDocument,
    },
    async ({ params, query }, c) => {
      const consistency = consistencyOf(api.services, query.consistency);
      const { found, appliedIndex } = await kv.get(params.key, consistency);
      if (found === null) throw noSuchKey(params.key);
      const headers = {
        etag: entityTag(found.version),
        ...readHeaders(api.services, consistency, appliedIndex),
      };
      if (matchesTag(c.req.header("if-none-match"), found.version)) {
        return new Response(null, { status: 304, headers });
      }
      if (query.format === "json") return Response.json(documentOf(found), { headers });
      return new Response(found.value as Uint8Array<ArrayBuffer>, {
        headers: {
          ...headers,
          "content-type": found.mediaType,
          "last-modified": new Date(found.modified_ms).toUTCString(),
        },
      });
    },
  );
  addPut(api);
  addDelete(api);
}

function addPut(api: ApiRoutes): void {
  api.add(
    "put",
    path,
    {
      tag: "kv",
      summary: "Write a value",
      description:
        '`If-Match: "5"` writes only over that version, `If-Match: *` only over any, `If-None-Match: *` only where ' +
        `there is none; otherwise 412. ${fenceWords} 201 for a new key.`,
      params: named,
      query: writeQuery,
      media: [mediaType_default, "application/json", "text/plain"],
      answer: kvWritten,
      inMinority: queuedKv(api, kvValueLimit_bytes),
    },
    async ({ params, query }, c) => {
      const value = await readBody(c.req.raw, kvValueLimit_bytes, api.bodies);
      const put = {
        key: params.key,
        value,
        mediaType: mediaTypeOf(c),
        condition: conditionOf(c),
        fence: fenceOf(query),
      };
      const { version, created, modified_ms } = await api.services.kv.put(put, askerOf(c));
      noteVersion(c, version);
      const answer: KvWrittenAnswer = {
        key: params.key,
        version,
        created,
        modified_at: new Date(modified_ms).toISOString(),
      };
      return Response.json(answer, { status: created ? 201 : 200, headers: { etag: entityTag(version) } });
    },
  );
}

function addDelete(api: ApiRoutes): void {
  api.add(
    "delete",
    path,
    {
      tag: "kv",
      summary: "Delete a key",
      description: `\`If-Match: "5"\` deletes only that version. ${fenceWords}`,
      params: named,
      query: writeQuery,
      answer: kvDeleted,
      inMinority: queuedKv(api, 0),
    },
    async ({ params, query }, c) => {
      const condition = conditionOf(c);
      if (condition === "absent") {
        throw new CaxtonError("invalid_argument", "If-None-Match: * makes no sense for a deletion");
      }
      const command = { key: params.key, condition, fence: fenceOf(query) };
      const version = await api.services.kv.delete(command, askerOf(c));
      noteVersion(c, 0);
      return { key: params.key, version, status: "deleted" as const };
    },
  );
}

/** Its conditions are checked when it is done; without one it replaces what is there then, and that is told. */
function queuedKv(api: ApiRoutes, body_bytes: number): InMinority {
  const keyOf = (c: ApiContext): string => c.req.param("key") ?? "";
  return {
    kind: "queued",
    body_bytes,
    subject: (c) => `kv/${keyOf(c)}`,
    version: async (c, consistency) => (await api.services.kv.get(keyOf(c), consistency)).found?.version ?? 0,
  };
}

function conditionOf(c: ApiContext): KvCondition {
  return writeCondition(c.req.header("if-match"), c.req.header("if-none-match"));
}

function fenceOf(query: v.InferOutput<typeof writeQuery>): Fence | null {
  const { lock, fencing_token } = query;
  if (lock === undefined && fencing_token === undefined) return null;
  if (lock !== undefined && fencing_token !== undefined) return { lock, token: fencing_token };
  throw new CaxtonError("invalid_argument", "Query refused: lock and fencing_token go together");
}

/** As it was sent, so that it comes back unchanged. */
function mediaTypeOf(c: ApiContext): string {
  const type = c.req.header("content-type")?.trim() ?? "";
  if (type === "") return mediaType_default;
  if (type.length <= mediaTypeLength_max && /^[!-~]+\/[ -~]+$/.test(type)) return type;
  throw new CaxtonError(
    "unsupported_media_type",
    "The Content-Type is no media type of at most 255 characters",
  );
}

function documentOf(found: KvValue): KvDocument {
  const { key, version, mediaType, size, modified_ms, value } = found;
  const entry = {
    key,
    version,
    content_type: mediaType,
    size,
    modified_at: new Date(modified_ms).toISOString(),
  };
  try {
    return { ...entry, encoding: "utf-8", value: decodeUtf8(value) };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { ...entry, encoding: "base64", value: Buffer.from(value).toString("base64") };
  }
}
