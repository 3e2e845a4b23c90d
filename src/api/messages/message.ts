/**
 * A message between its two forms: JSON at the API's edge, `wire/message.ts` inside. Content is text
 * or any JSON value (kept as its UTF-8 JSON text); bytes that are not UTF-8 travel as base64, said so
 * by `content_encoding`, both ways.
 */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { parseDuration } from "../../base/durations.ts";
import { type MessageId, tokenPattern, tokenRule } from "../../base/ids.ts";
import { WireError, decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";
import {
  type Delivery,
  type Message,
  type Performative,
  type Priority,
  contentLimit_bytes,
  deliveries,
  performatives,
  priorities,
} from "../../wire/message.ts";
import { durationField, timeSchema } from "../http/fields.ts";

export const wait_ms_max = 300_000;
const addressPattern = /^[!-~]{1,256}$/;
const wordPattern = /^[ -~]{1,128}$/;

const token = v.pipe(v.string(), v.regex(tokenPattern, `not ${tokenRule}`));
const address = v.pipe(
  v.string(),
  v.regex(addressPattern, "not 1 to 256 printable ASCII characters without spaces"),
);
const word = v.pipe(v.string(), v.regex(wordPattern, "not 1 to 128 printable ASCII characters"));

/** `QUERY_IF` and `query-if` alike. */
const performative = v.pipe(
  v.string(),
  v.transform((text) => text.toLowerCase().replaceAll("_", "-")),
  v.picklist(performatives, `not one of ${performatives.join(", ")}`),
);
const choices = <const T extends readonly string[]>(all: T) =>
  v.picklist(all, `not one of ${all.join(", ")}`);
const priority = choices(Object.keys(priorities) as [Priority, ...Priority[]]);

export const sendBody = v.strictObject({
  performative,
  /** Only the caller's own address, `~subject`; left out it is that anyway. */
  sender: v.optional(v.string()),
  receiver: address,
  content: v.unknown(),
  content_encoding: v.optional(v.literal("base64", 'not "base64"')),
  conversation_id: v.optional(token),
  reply_with: v.optional(token),
  in_reply_to: v.optional(token),
  reply_to: v.optional(address),
  /** A time (RFC 3339), or how long from now (`30s`). */
  reply_by: v.optional(v.pipe(v.string(), v.maxLength(64, "longer than 64 characters"))),
  protocol: v.optional(word),
  language: v.optional(word),
  ontology: v.optional(word),
  priority: v.optional(priority, "normal"),
  delivery: v.optional(choices(deliveries), "at_least_once"),
  /** Answer with the reply, when it comes within this time. */
  wait: v.optional(durationField(0, wait_ms_max)),
});
export type SendBody = v.InferInput<typeof sendBody>;

export const messageSchema = v.object({
  message_id: v.string(),
  performative: v.picklist(performatives),
  sender: v.string(),
  receiver: v.string(),
  content: v.string(),
  content_encoding: v.optional(v.literal("base64")),
  conversation_id: v.optional(v.string()),
  reply_with: v.optional(v.string()),
  in_reply_to: v.optional(v.string()),
  reply_to: v.optional(v.string()),
  reply_by: v.optional(timeSchema),
  protocol: v.optional(v.string()),
  language: v.optional(v.string()),
  ontology: v.optional(v.string()),
  priority,
  delivery: v.picklist(deliveries),
  created_at: timeSchema,
  trace_context: v.optional(v.string()),
});
export type MessageAnswer = v.InferOutput<typeof messageSchema>;

const noId = "00000000-0000-0000-0000-000000000000" as MessageId;

/** The sender, id and time of creation are the service's to fill. Throws `CaxtonError`. */
export function messageOf(
  body: v.InferOutput<typeof sendBody>,
  now_ms: number,
  traceparent: string,
): Message {
  return {
    messageId: noId,
    performative: body.performative satisfies Performative,
    priority: body.priority,
    delivery: body.delivery satisfies Delivery,
    createdAt_ms: now_ms,
    replyBy_ms: body.reply_by === undefined ? 0 : replyBy(body.reply_by, now_ms),
    sender: "",
    receiver: body.receiver,
    conversationId: body.conversation_id ?? "",
    replyWith: body.reply_with ?? "",
    inReplyTo: body.in_reply_to ?? "",
    replyTo: body.reply_to ?? "",
    protocol: body.protocol ?? "",
    language: body.language ?? "",
    ontology: body.ontology ?? "",
    traceContext: traceparent,
    content: contentBytes(body.content, body.content_encoding === "base64"),
  };
}

export function messageAnswer(message: Message): MessageAnswer {
  const { content, content_encoding } = contentText(message.content);
  return {
    message_id: message.messageId,
    performative: message.performative,
    sender: message.sender,
    receiver: message.receiver,
    content,
    ...(content_encoding === undefined ? {} : { content_encoding }),
    ...given("conversation_id", message.conversationId),
    ...given("reply_with", message.replyWith),
    ...given("in_reply_to", message.inReplyTo),
    ...given("reply_to", message.replyTo),
    ...(message.replyBy_ms === 0 ? {} : { reply_by: new Date(message.replyBy_ms).toISOString() }),
    ...given("protocol", message.protocol),
    ...given("language", message.language),
    ...given("ontology", message.ontology),
    priority: message.priority,
    delivery: message.delivery,
    created_at: new Date(message.createdAt_ms).toISOString(),
    ...given("trace_context", message.traceContext),
  };
}

function given<K extends string>(key: K, text: string): { readonly [P in K]?: string } {
  return text === "" ? {} : ({ [key]: text } as { readonly [P in K]: string });
}

function replyBy(text: string, now_ms: number): number {
  const at_ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : now_ms + parseDuration(text);
  if (!(at_ms >= 0 && at_ms < 1e15))
    throw new CaxtonError("invalid_body", "Body refused: reply_by: not a time");
  return Math.floor(at_ms);
}

function contentBytes(content: unknown, base64: boolean): Uint8Array {
  if (typeof content === "string" && !content.isWellFormed()) {
    throw new CaxtonError(
      "invalid_body",
      "Body refused: content: half of a surrogate pair (as \\ud800), which is no character: send bytes as base64",
    );
  }
  let bytes: Uint8Array;
  if (base64) bytes = fromBase64(content);
  else bytes = encodeUtf8(typeof content === "string" ? content : JSON.stringify(content));
  if (bytes.length === 0)
    throw new CaxtonError("invalid_message", "The content is empty: it has 1 byte to 10MiB");
  if (bytes.length > contentLimit_bytes) {
    throw new CaxtonError("payload_too_large", "The content is larger than 10MiB");
  }
  return bytes;
}

function contentText(bytes: Uint8Array): { readonly content: string; readonly content_encoding?: "base64" } {
  try {
    return { content: decodeUtf8(bytes) };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { content: toBase64(bytes), content_encoding: "base64" };
  }
}

function fromBase64(content: unknown): Uint8Array {
  if (typeof content === "string" && content.length % 4 === 0) {
    try {
      const binary = atob(content);
      const bytes = new Uint8Array(binary.length);
      // Ten times as fast as Uint8Array.from with a function, which holds the node up at 10 MiB.
      for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
      return bytes;
    } catch {
      // Falls through to the one refusal.
    }
  }
  throw new CaxtonError("invalid_body", "Body refused: content: not base64, as content_encoding says");
}

const chunk_bytes = 8_192;

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += chunk_bytes) {
    binary += String.fromCharCode(...bytes.subarray(at, at + chunk_bytes));
  }
  return btoa(binary);
}
