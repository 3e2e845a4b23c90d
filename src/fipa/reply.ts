/**
 * Answers to a message. They go to its `reply_to`, or else to its sender, stay in its conversation,
 * protocol, language and ontology, and say what they answer. The SDKs of agents do the same.
 */
import type { MessageId } from "../base/ids.ts";
import { encodeUtf8 } from "../wire/cursor.ts";
import type { Message, Performative } from "../wire/message.ts";

/** What makes the answer a message of its own. */
export interface ReplyIdentity {
  readonly messageId: MessageId;
  /** Who answers: the receiver's address, where that is not a group. */
  readonly sender: string;
  readonly now_ms: number;
}

/** `exactly_once` is asked for by who sends first: an answer is at least once, or at most once like its message. */
export function replyTo(
  message: Message,
  performative: Performative,
  content: Uint8Array,
  identity: ReplyIdentity,
): Message {
  return {
    messageId: identity.messageId,
    performative,
    priority: message.priority,
    delivery: message.delivery === "at_most_once" ? "at_most_once" : "at_least_once",
    createdAt_ms: identity.now_ms,
    replyBy_ms: 0,
    sender: identity.sender,
    receiver: message.replyTo === "" ? message.sender : message.replyTo,
    conversationId: message.conversationId,
    replyWith: "",
    inReplyTo: tagOf(message),
    replyTo: "",
    protocol: message.protocol,
    language: message.language,
    ontology: message.ontology,
    traceContext: message.traceContext,
    content,
  };
}

/** Null for a message that is itself not-understood: two sides would tell each other so for ever. */
export function notUnderstood(message: Message, reason: string, identity: ReplyIdentity): Message | null {
  if (message.performative === "not-understood") return null;
  return replyTo(message, "not-understood", encodeUtf8(reason === "" ? "not understood" : reason), identity);
}

/** What an answer has in `in_reply_to`: the message's `reply_with`, or else its id. */
export function tagOf(message: Pick<Message, "replyWith" | "messageId">): string {
  return message.replyWith === "" ? message.messageId : message.replyWith;
}
