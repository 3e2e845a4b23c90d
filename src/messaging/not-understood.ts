/** The answer to a message out of protocol (FIPA SC00037: not-understood), on behalf of its receiver. */
import type { MessageId } from "../base/ids.ts";
import { encodeUtf8 } from "../wire/cursor.ts";
import { decodeMessage, encodeMessage } from "../wire/message.ts";
import type { MessageIds } from "./outgoing-message.ts";

const unset = "00000000-0000-0000-0000-000000000000" as MessageId;

/** Undefined when there is nobody to tell, or when the message is a not-understood itself. */
export function notUnderstood(
  bytes: Uint8Array,
  agent: string,
  reason: string,
  ids: MessageIds,
  now_ms: number,
): { readonly bytes: Uint8Array; readonly receiver: string } | undefined {
  const message = decodeMessage(bytes);
  const receiver = message.replyTo === "" ? message.sender : message.replyTo;
  if (message.performative === "not-understood" || receiver === "") return undefined;
  const reply = encodeMessage({
    messageId: unset,
    performative: "not-understood",
    priority: message.priority,
    delivery: "at_least_once",
    createdAt_ms: now_ms,
    replyBy_ms: 0,
    sender: agent,
    receiver,
    conversationId: message.conversationId,
    replyWith: "",
    inReplyTo: message.replyWith,
    replyTo: "",
    protocol: message.protocol,
    language: "",
    ontology: "",
    traceContext: message.traceContext,
    content: encodeUtf8(reason),
  });
  ids.write(reply, 8, now_ms);
  return { bytes: reply, receiver };
}
