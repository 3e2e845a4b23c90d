/**
 * `/api/v1/locks/{name}`: locks with a time to live and a fencing token. Whatever the lock protects has to
 * check the token; the key-value store does when a write names the lock.
 */
import * as v from "valibot";
import { formatDuration } from "../../base/durations.ts";
import {
  holderLimit_bytes,
  type LockView,
  lockNameLimit_bytes,
  lockTtl_ms_max,
  lockTtl_ms_min,
} from "../../wire/control-lock.ts";
import { askerOf, consistencyField, consistencyOf, readHeaders } from "../http/consistency.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { countField, durationField, timeSchema } from "../http/fields.ts";

const path = "/api/v1/locks/:name";
const named = v.object({
  name: v.pipe(
    v.string(),
    v.regex(/^[!-~]+$/, "not printable ASCII without spaces"),
    v.maxLength(lockNameLimit_bytes, `longer than ${lockNameLimit_bytes}`),
  ),
});

export const lockBody = v.strictObject({
  /** How long it is held without being renewed. */
  ttl: v.optional(durationField(lockTtl_ms_min, lockTtl_ms_max), "30s"),
  /** A name for this holder: who acquires again under it renews instead of being refused. */
  holder: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[!-~]*$/, "not printable ASCII without spaces"),
      v.maxLength(holderLimit_bytes),
    ),
    "",
  ),
  /** Renews what is held under this token. */
  token: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
});

export const lockAnswer = v.object({
  name: v.string(),
  held: v.literal(true),
  /** To be given with every write that the lock protects. */
  token: v.number(),
  principal: v.string(),
  holder: v.string(),
  ttl: v.string(),
  expires_in: v.string(),
  expires_in_ms: v.number(),
  acquired_at: timeSchema,
});
export type LockAnswer = v.InferOutput<typeof lockAnswer>;

const lockLook = v.union([lockAnswer, v.object({ name: v.string(), held: v.literal(false) })]);
export type LockLook = v.InferOutput<typeof lockLook>;

export const lockReleased = v.object({ name: v.string(), status: v.literal("released") });

export function addLocks(api: ApiRoutes): void {
  const { locks } = api.services;
  const tag = "locks";
  api.add(
    "get",
    path,
    {
      tag,
      summary: "Who holds a lock",
      params: named,
      query: v.strictObject({ consistency: consistencyField }),
      answer: lockLook,
    },
    async ({ params, query }) => {
      const consistency = consistencyOf(api.services, query.consistency);
      const { held, appliedIndex } = await locks.get(params.name, consistency);
      const answer: LockLook = held === null ? { name: params.name, held: false } : answerOf(held);
      return Response.json(answer, { headers: readHeaders(api.services, consistency, appliedIndex) });
    },
  );
  api.add(
    "post",
    path,
    {
      tag,
      summary: "Acquire or renew a lock",
      description:
        "409 while another holds it. The token of an acquisition is higher than that of any before. " +
        "The time to live counts by the leaders' clocks; it stands still while the cluster has no leader.",
      params: named,
      body: lockBody,
      answer: lockAnswer,
      inMinority: { kind: "refused", why: "a lock that is granted later protects nothing now" },
    },
    async ({ params, body }, c) => {
      const { holder, ttl: ttl_ms, token = 0 } = body;
      return answerOf(await locks.acquire({ name: params.name, holder, ttl_ms, token }, askerOf(c)));
    },
  );
  api.add(
    "delete",
    path,
    {
      tag,
      summary: "Release a lock",
      description: "Only its holder may: the token has to be the one it was acquired under.",
      params: named,
      query: v.strictObject({ token: countField(1, Number.MAX_SAFE_INTEGER) }),
      answer: lockReleased,
      inMinority: { kind: "refused", why: "the lock runs out by itself, and may be another's by then" },
    },
    async ({ params, query }, c) => {
      await locks.release({ name: params.name, token: query.token }, askerOf(c));
      return { name: params.name, status: "released" as const };
    },
  );
}

function answerOf(view: LockView): LockAnswer {
  const { name, token, principal, holder, ttl_ms, left_ms, acquired_ms } = view;
  return {
    name,
    held: true,
    token,
    principal,
    holder,
    ttl: formatDuration(ttl_ms),
    expires_in: formatDuration(left_ms),
    expires_in_ms: left_ms,
    acquired_at: new Date(acquired_ms).toISOString(),
  };
}
