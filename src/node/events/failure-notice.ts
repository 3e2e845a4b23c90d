/**
 * The answer that the cluster itself gives to a client whose message became a dead letter: a FIPA
 * `failure` in the message's conversation, so that who waits for a reply waits no longer.
 */
import { CaxtonError } from "../../base/errors.ts";
import type { MessageId, NodeId } from "../../base/ids.ts";
import { replyTo } from "../../fipa/reply.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";
import type { Message } from "../../wire/message.ts";

/** No agent's name begins like this, and no client's tag is this long and without a dot. */
const noticeSender = "~dead-letters@";
const text_characters_max = 1_000;

/** Null when the sender is no client, and for a notice: nobody is told that he was not told. */
export function failureNotice(
  request: Message,
  why: { readonly reason: string; readonly detail: string },
  identity: { readonly messageId: MessageId; readonly self: NodeId; readonly now_ms: number },
): Message | null {
  const { sender } = request;
  if (!sender.startsWith("~") || isFailureNotice(request)) return null;
  const { messageId, self, now_ms } = identity;
  const text = why.detail === "" ? why.reason : `${why.reason}: ${why.detail}`;
  const content = encodeUtf8(text.slice(0, text_characters_max));
  const reply = replyTo(request, "failure", content, {
    messageId,
    sender: `${noticeSender}${self}`,
    now_ms,
  });
  // Who waits is the sender, wherever an agent's reply was to go.
  return { ...reply, receiver: sender, language: "", ontology: "" };
}

export function isFailureNotice(message: Pick<Message, "sender">): boolean {
  return message.sender.startsWith(noticeSender);
}

/** The refusal that a client gets in place of a reply. */
export function errorOfNotice(notice: Message, receiver: string, message: MessageId): CaxtonError {
  const node = notice.sender.slice(noticeSender.length);
  const text = decodeUtf8(notice.content);
  const code = text.startsWith("trap:")
    ? "agent_failed"
    : text.startsWith("expired")
      ? "timeout"
      : "unavailable";
  const where = `it is in the dead letters of node "${node}"`;
  return new CaxtonError(code, `"${receiver}" did not handle message ${message} (${text}); ${where}`);
}
