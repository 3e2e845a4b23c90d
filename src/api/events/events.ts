/** `GET /api/v1/events`: what happens in the cluster, as this node sees it, as a resumable stream. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { countField, timeSchema } from "../http/fields.ts";
import type { ClusterEvent } from "../services.ts";
import { type ServerEvent, eventStream } from "./event-stream.ts";
import { typeFilter } from "./type-globs.ts";

/** Open streams at once on a node; more are refused. */
export const streams_max = 256;
/** Of one subject: so nobody who may only look keeps everybody else from it. */
export const streamsOfOne_max = 64;
/** Under the 10 s after which Bun's server ends an idle connection. */
const heartbeat_ms = 8_000;
/** The longest that a timer of the runtime can wait. */
const lifetime_ms_max = 2 ** 31 - 1;

export const eventSchema = v.object({
  id: v.number(),
  /** Whose own event it is; with `scope=cluster` also other nodes'. */
  node: v.string(),
  type: v.string(),
  level: v.picklist(["info", "warn"]),
  at: timeSchema,
  text: v.string(),
  data: v.record(v.string(), v.unknown()),
});
export type EventAnswer = v.InferOutput<typeof eventSchema>;

const eventsQuery = v.strictObject({
  types: v.optional(v.pipe(v.string(), v.maxLength(1_024, "longer than 1024 characters"))),
  /** `cluster`: also what only other nodes know, dead letters and traps, from now on. */
  scope: v.optional(v.picklist(["node", "cluster"], "not node or cluster"), "node"),
  /** As the header Last-Event-ID, which wins. */
  after: v.optional(countField(0, Number.MAX_SAFE_INTEGER)),
});

export function addEvents(api: ApiRoutes): void {
  const { events } = api.services;
  const open = new OpenStreams();
  api.add(
    "get",
    "/api/v1/events",
    {
      tag: "events",
      summary: "Follow events",
      description:
        "Server-sent events. Resume with Last-Event-ID. Ends when the token expires or the reader is too slow.",
      query: eventsQuery,
      answer: eventSchema,
      answerMedia: "text/event-stream",
      timeout_ms: 0,
    },
    ({ query }, c) => {
      const wanted = typeFilter(query.types);
      const after = lastEventId(c.req.raw.headers.get("last-event-id")) ?? query.after ?? null;
      const headers = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      };
      if (c.req.method === "HEAD") return new Response(null, { headers });
      const close = open.add(c.var.request.principal?.subject ?? "");
      const expires_ms = (c.var.request.principal?.expires_s ?? 0) * 1_000 - api.clock.wall_ms();
      const body = eventStream({
        source: (signal) => {
          const all = query.scope === "cluster";
          const source = all ? events.followAll(after, signal) : events.follow(after, signal);
          return filtered(source, wanted, api.services.node);
        },
        clock: api.clock,
        heartbeat_ms,
        lifetime_ms: Math.min(Math.max(0, expires_ms), lifetime_ms_max),
        closed: close,
      });
      return new Response(body, { headers });
    },
  );
}

class OpenStreams {
  readonly #bySubject = new Map<string, number>();
  #all = 0;

  /** Counts one more until the function is called, once. Throws `too_many_requests`. */
  add(subject: string): () => void {
    const own = this.#bySubject.get(subject) ?? 0;
    if (this.#all >= streams_max)
      throw new CaxtonError("too_many_requests", `This node already serves ${streams_max} event streams`);
    if (own >= streamsOfOne_max) {
      const detail = `This node already serves ${streamsOfOne_max} event streams to ${subject}`;
      throw new CaxtonError("too_many_requests", detail);
    }
    this.#all++;
    this.#bySubject.set(subject, own + 1);
    return () => {
      this.#all--;
      const left = (this.#bySubject.get(subject) ?? 1) - 1;
      if (left > 0) this.#bySubject.set(subject, left);
      else this.#bySubject.delete(subject);
    };
  }
}

const missingType = "events.missing";

async function* filtered(
  source: AsyncIterable<ClusterEvent>,
  wanted: (type: string) => boolean,
  self: string,
): AsyncIterable<ServerEvent> {
  for await (const { id, node = self, type, level, at_ms, text, data } of source) {
    // Who cannot be asked is part of every answer.
    if (!wanted(type) && type !== missingType) continue;
    const event: EventAnswer = {
      id,
      node,
      type,
      level,
      at: new Date(at_ms).toISOString(),
      text,
      data: { ...data },
    };
    yield { id, type, data: event };
  }
}

/** A browser repeats what it last saw; anything else is not ours and ignored. */
function lastEventId(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
