/** `/api/v1/dead-letters`: messages that could not be delivered, with the reason; replayed or purged by id or all. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { decodeMessage } from "../../wire/message.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { countField, listField, pageFields, timeSchema } from "../http/fields.ts";
import { messageAnswer, messageSchema } from "./message.ts";

const ids_max = 1_000;
const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const deadLettersAnswer = v.object({
  dead_letters: v.array(
    v.object({
      id: v.number(),
      reason: v.string(),
      detail: v.string(),
      at: timeSchema,
      message: messageSchema,
    }),
  ),
  next_cursor: v.nullable(v.string()),
});
export type DeadLettersAnswer = v.InferOutput<typeof deadLettersAnswer>;

/** One of the two. */
export const selection = v.strictObject({
  ids: v.optional(v.pipe(v.array(id), v.minLength(1, "empty"), v.maxLength(ids_max, `more than ${ids_max}`))),
  all: v.optional(v.literal(true)),
});
const selectionQuery = v.strictObject({
  ids: v.optional(listField(countField(0, Number.MAX_SAFE_INTEGER), ids_max)),
  all: v.optional(v.literal("true")),
});
export const replayedAnswer = v.object({ replayed: v.number() });
export const purgedAnswer = v.object({ purged: v.number() });

export function addDeadLetters(api: ApiRoutes): void {
  const { messages } = api.services;
  const tag = "messages";
  api.add(
    "get",
    "/api/v1/dead-letters",
    {
      tag,
      summary: "List undeliverable messages",
      query: v.strictObject(pageFields),
      answer: deadLettersAnswer,
    },
    async ({ query }) => {
      const page = await messages.deadLetters({ limit: query.limit, cursor: query.cursor ?? null });
      const dead_letters = page.items.map((letter) => ({
        id: letter.id,
        reason: letter.reason,
        detail: letter.detail,
        at: new Date(letter.at_ms).toISOString(),
        message: messageAnswer(decodeMessage(letter.message)),
      }));
      return { dead_letters, next_cursor: page.next };
    },
  );
  api.add(
    "post",
    "/api/v1/dead-letters/replay",
    { tag, summary: "Send them again", body: selection, answer: replayedAnswer },
    async ({ body }) => ({ replayed: await messages.replayDeadLetters(selected(body)) }),
  );
  api.add(
    "delete",
    "/api/v1/dead-letters",
    { tag, summary: "Purge them", query: selectionQuery, answer: purgedAnswer },
    async ({ query }) => ({ purged: await messages.purgeDeadLetters(selected(query)) }),
  );
}

/** "Everything" is never meant by saying nothing. */
function selected(given: {
  readonly ids?: readonly number[] | undefined;
  readonly all?: unknown;
}): readonly number[] | "all" {
  if ((given.ids === undefined) === (given.all === undefined)) {
    throw new CaxtonError("invalid_argument", "Name the dead letters with ids, or say all; one of the two");
  }
  return given.ids ?? "all";
}
