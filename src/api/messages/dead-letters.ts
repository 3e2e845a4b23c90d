/** `/api/v1/dead-letters`: messages that could not be delivered, with the reason; replayed or purged by id or all. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { decodeMessage } from "../../wire/message.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { countField, listField, nodeIdField, pageFields, timeSchema } from "../http/fields.ts";
import type { ChangedDeadLetters, SelectedDeadLetters } from "../services.ts";
import { messageAnswer, messageSchema } from "./message.ts";

const ids_max = 1_000;
const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Nodes that could not be asked: nothing of theirs is in the answer. */
const notAsked = v.array(v.object({ node: v.string(), reason: v.string() }));

export const deadLettersAnswer = v.object({
  dead_letters: v.array(
    v.object({
      /** The node that keeps it, and its number there. */
      node: v.string(),
      id: v.number(),
      reason: v.string(),
      detail: v.string(),
      at: timeSchema,
      message: messageSchema,
    }),
  ),
  not_asked: notAsked,
  next_cursor: v.nullable(v.string()),
});
export type DeadLettersAnswer = v.InferOutput<typeof deadLettersAnswer>;

/** One of the two. Ids are those of `node`, which is the node that answers unless given; all is everywhere unless given. */
export const selection = v.strictObject({
  ids: v.optional(v.pipe(v.array(id), v.minLength(1, "empty"), v.maxLength(ids_max, `more than ${ids_max}`))),
  all: v.optional(v.literal(true)),
  node: v.optional(nodeIdField),
});
const selectionQuery = v.strictObject({
  ids: v.optional(listField(countField(0, Number.MAX_SAFE_INTEGER), ids_max, 1)),
  all: v.optional(v.literal("true")),
  node: v.optional(nodeIdField),
});
/** Nodes that were asked and may have done it: what they did is not in the count. */
const noAnswer = notAsked;
export const replayedAnswer = v.object({ replayed: v.number(), not_asked: notAsked, no_answer: noAnswer });
export type ReplayedAnswer = v.InferOutput<typeof replayedAnswer>;
export const purgedAnswer = v.object({ purged: v.number(), not_asked: notAsked, no_answer: noAnswer });
export type PurgedAnswer = v.InferOutput<typeof purgedAnswer>;

export function addDeadLetters(api: ApiRoutes): void {
  const { deadLetters } = api.services;
  const tag = "messages";
  api.add(
    "get",
    "/api/v1/dead-letters",
    {
      tag,
      summary: "List undeliverable messages of every node, or of one",
      description: "Node by node, each newest first. `not_asked` names the nodes that could not be reached.",
      query: v.strictObject({ ...pageFields, node: v.optional(nodeIdField) }),
      answer: deadLettersAnswer,
    },
    async ({ query }) => {
      const { node = null, limit, cursor = null } = query;
      const page = await deadLetters.list({ node, limit, cursor });
      const dead_letters = page.items.map((letter) => ({
        node: letter.node,
        id: letter.id,
        reason: letter.reason,
        detail: letter.detail,
        at: new Date(letter.at_ms).toISOString(),
        message: messageAnswer(decodeMessage(letter.message)),
      }));
      return { dead_letters, not_asked: [...page.notAsked], next_cursor: page.next };
    },
  );
  api.add(
    "post",
    "/api/v1/dead-letters/replay",
    { tag, summary: "Send them again", body: selection, answer: replayedAnswer },
    async ({ body }) => {
      const done = await deadLetters.replay(selected(body));
      return { replayed: done.count, ...missing(done) };
    },
  );
  api.add(
    "delete",
    "/api/v1/dead-letters",
    { tag, summary: "Purge them", query: selectionQuery, answer: purgedAnswer },
    async ({ query }) => {
      const done = await deadLetters.purge(selected(query));
      return { purged: done.count, ...missing(done) };
    },
  );
}

function missing(done: ChangedDeadLetters) {
  return { not_asked: [...done.notAsked], no_answer: [...done.noAnswer] };
}

/** "Everything" is never meant by saying nothing. */
function selected(given: {
  readonly ids?: readonly number[] | undefined;
  readonly all?: unknown;
  readonly node?: NodeId | undefined;
}): SelectedDeadLetters {
  if ((given.ids === undefined) === (given.all === undefined)) {
    throw new CaxtonError("invalid_argument", "Name the dead letters with ids, or say all; one of the two");
  }
  return { ids: given.ids ?? "all", node: given.node ?? null };
}
