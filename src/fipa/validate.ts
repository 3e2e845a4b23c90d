/**
 * The rules for one message, whoever sent it (FIPA SC00061 for the fields). What it means within its
 * conversation is `conversation.ts`; whether its receiver exists is the router's.
 */
import { unreachable } from "../base/assert.ts";
import { quote, tokenPattern, tokenRule } from "../base/ids.ts";
import { contentLimit_bytes, fieldLimit_bytes, messageFields, type Message } from "../wire/message.ts";
import { parseAddress } from "./address.ts";

/** Far enough for any date, and what the wire format takes. */
const timeLimit_ms = 1e15;

/** Null when the message may go on its way, else what is wrong, for people. `now_ms` is wall time. */
export function validateMessage(message: Message, now_ms: number): string | null {
  return (
    fieldRefusal(message) ??
    receiverRefusal(message.receiver) ??
    partyRefusal("sender", message.sender) ??
    (message.replyTo === "" ? null : partyRefusal("reply_to", message.replyTo)) ??
    tokenRefusal("conversation_id", message.conversationId) ??
    tokenRefusal("reply_with", message.replyWith) ??
    tokenRefusal("in_reply_to", message.inReplyTo) ??
    tokenRefusal("protocol", message.protocol) ??
    contentRefusal(message.content) ??
    timeRefusal(message, now_ms)
  );
}

function fieldRefusal(message: Message): string | null {
  for (const field of messageFields) {
    const text = message[field];
    if (text.length > fieldLimit_bytes)
      return `${inJson(field)} is longer than ${fieldLimit_bytes} characters`;
    if (!/^[ -~]*$/.test(text)) return `${inJson(field)} ${quote(text)} is not printable ASCII`;
  }
  return null;
}

function receiverRefusal(receiver: string): string | null {
  if (receiver === "") return "receiver is missing";
  const address = parseAddress(receiver);
  return address.kind === "invalid" ? `receiver: ${address.reason}` : null;
}

/** Somebody who can be answered: an agent or a client. */
function partyRefusal(field: string, text: string): string | null {
  if (text === "") return `${field} is missing`;
  const address = parseAddress(text);
  switch (address.kind) {
    case "agent":
    case "client":
      return null;
    case "broadcast":
    case "capability":
      return `${field} ${quote(text)} is neither an agent nor a client`;
    case "invalid":
      return `${field}: ${address.reason}`;
    default:
      return unreachable(address);
  }
}

function tokenRefusal(field: string, text: string): string | null {
  return text === "" || tokenPattern.test(text) ? null : `${field} ${quote(text)} is not ${tokenRule}`;
}

function contentRefusal(content: Uint8Array): string | null {
  if (content.length === 0) return "content is missing: it is at least 1 byte";
  if (content.length > contentLimit_bytes) {
    return `content has ${content.length} bytes: at most ${contentLimit_bytes} (10MiB)`;
  }
  return null;
}

function timeRefusal({ createdAt_ms, replyBy_ms }: Message, now_ms: number): string | null {
  if (!(createdAt_ms >= 0 && createdAt_ms < timeLimit_ms)) return "created_at is out of range";
  if (!(replyBy_ms >= 0 && replyBy_ms < timeLimit_ms)) return "reply_by is out of range";
  if (replyBy_ms !== 0 && replyBy_ms <= now_ms) {
    return `reply_by ${new Date(replyBy_ms).toISOString()} is in the past`;
  }
  return null;
}

/** `inReplyTo` → `in_reply_to`: the name that clients know. */
function inJson(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
