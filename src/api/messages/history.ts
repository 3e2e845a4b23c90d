/** `GET /api/v1/messages`, `/api/v1/conversations[/:id]`: what was said, kept for a bounded time. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { quote, tokenPattern, tokenRule } from "../../base/ids.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { pageFields, timeSchema } from "../http/fields.ts";
import { messageAnswer, messageSchema } from "./message.ts";

const conversationId = v.pipe(v.string(), v.regex(tokenPattern, `not ${tokenRule}`));

export const messagesAnswer = v.object({
  messages: v.array(messageSchema),
  next_cursor: v.nullable(v.string()),
});
export type MessagesAnswer = v.InferOutput<typeof messagesAnswer>;

export const conversationsAnswer = v.object({
  conversations: v.array(
    v.object({
      id: v.string(),
      messages: v.number(),
      participants: v.array(v.string()),
      protocol: v.string(),
      first_at: timeSchema,
      last_at: timeSchema,
    }),
  ),
  next_cursor: v.nullable(v.string()),
});
export type ConversationsAnswer = v.InferOutput<typeof conversationsAnswer>;

export function addHistory(api: ApiRoutes): void {
  const { messages } = api.services;
  const tag = "messages";
  const list = async (
    conversation: string | null,
    query: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<MessagesAnswer> => {
    const page = await messages.list({ conversation, limit: query.limit, cursor: query.cursor ?? null });
    return { messages: page.items.map(messageAnswer), next_cursor: page.next };
  };
  api.add(
    "get",
    "/api/v1/messages",
    {
      tag,
      summary: "List messages, newest first, or one conversation in order",
      query: v.strictObject({ ...pageFields, conversation: v.optional(conversationId) }),
      answer: messagesAnswer,
    },
    ({ query }) => list(query.conversation ?? null, query),
  );
  api.add(
    "get",
    "/api/v1/conversations",
    { tag, summary: "List conversations", query: v.strictObject(pageFields), answer: conversationsAnswer },
    async ({ query }) => {
      const page = await messages.conversations({ limit: query.limit, cursor: query.cursor ?? null });
      const conversations = page.items.map(
        ({ id, messages: count, participants, protocol, firstAt_ms, lastAt_ms }) => ({
          id,
          messages: count,
          participants: [...participants],
          protocol,
          first_at: new Date(firstAt_ms).toISOString(),
          last_at: new Date(lastAt_ms).toISOString(),
        }),
      );
      return { conversations, next_cursor: page.next };
    },
  );
  api.add(
    "get",
    "/api/v1/conversations/:id",
    {
      tag,
      summary: "The messages of a conversation in order",
      description: "Unknown to this node is 404: a conversation is kept where its client sent its messages.",
      params: v.object({ id: conversationId }),
      query: v.strictObject(pageFields),
      answer: messagesAnswer,
    },
    async ({ params, query }) => {
      const page = await list(params.id, query);
      if (page.messages.length > 0 || query.cursor !== undefined) return page;
      const where = `Node ${quote(api.services.node)} keeps no conversation ${quote(params.id)}`;
      throw new CaxtonError(
        "not_found",
        `${where}: each is kept at the node where its client sent the messages, until newer ones take its place`,
      );
    },
  );
}
