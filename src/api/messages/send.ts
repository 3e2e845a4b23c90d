/**
 * `POST /api/v1/messages`: 202 with the id when the message was accepted, or with `wait` 200 with the
 * reply, or 504 when none came in time. With `Idempotency-Key` a retry is the same message.
 */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { contentLimit_bytes } from "../../wire/message.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { durationField } from "../http/fields.ts";
import type { ApiContext } from "../http/request.ts";
import { messageAnswer, messageOf, messageSchema, sendBody, wait_ms_max } from "./message.ts";

/** Base64 needs 4/3; JSON's own escapes of text up to six times are refused beyond that. */
export const messageBody_bytes = Math.ceil((contentLimit_bytes * 4) / 3) + 64 * 1024;
const waitMargin_ms = 10_000;
const keyPattern = /^[!-~]{1,128}$/;

export const sendAnswer = v.object({
  message_id: v.string(),
  status: v.picklist(["delivered", "queued"]),
  /** Of a queued message: how long it is tried (`messaging.retry`) before it becomes a dead letter. */
  retry_ms: v.optional(v.number()),
  reply: v.nullable(messageSchema),
});
export type SendAnswer = v.InferOutput<typeof sendAnswer>;

export function addSend(api: ApiRoutes): void {
  const { messages } = api.services;
  api.add(
    "post",
    "/api/v1/messages",
    {
      tag: "messages",
      summary: "Send a message to an agent",
      query: v.strictObject({ wait: v.optional(durationField(0, wait_ms_max)) }),
      body: sendBody,
      bodyLimit_bytes: messageBody_bytes,
      answer: sendAnswer,
      status: 202,
      timeout_ms: wait_ms_max + waitMargin_ms,
    },
    async ({ query, body }, c) => {
      if (query.wait !== undefined && body.wait !== undefined) {
        throw new CaxtonError("invalid_argument", "wait is given twice, in the query and in the body");
      }
      const wait_ms = query.wait ?? body.wait ?? null;
      const principal = c.var.request.principal?.subject ?? "";
      checkSender(body.sender, principal);
      const message = messageOf(body, api.clock.wall_ms(), c.var.request.traceparent);
      const sent = await messages.send({ message, wait_ms, idempotencyKey: idempotencyKey(c), principal });
      const reply = sent.reply === null ? null : messageAnswer(sent.reply);
      const { messageId: message_id, status, retry_ms } = sent;
      const answer = JSON.stringify({
        message_id,
        status,
        ...(status === "queued" ? { retry_ms } : {}),
        reply,
      } satisfies SendAnswer);
      return new Response(answer, {
        status: reply === null ? 202 : 200,
        headers: { "content-type": "application/json" },
      });
    },
  );
}

/** The header's value, or null. Throws for one that is no key. */
function idempotencyKey(c: ApiContext): string | null {
  const key = c.req.raw.headers.get("idempotency-key");
  if (key === null || keyPattern.test(key)) return key;
  throw new CaxtonError(
    "invalid_argument",
    "Idempotency-Key is not 1 to 128 printable ASCII characters without spaces",
  );
}

/** A client speaks in its own name: the service makes the sender's address from the token's subject. */
function checkSender(sender: string | undefined, principal: string): void {
  if (sender === undefined || sender === `~${principal}`) return;
  throw new CaxtonError(
    "forbidden",
    `Sender ${quote(sender)} is not your own address ~${principal}: leave it out`,
  );
}
