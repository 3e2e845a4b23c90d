/** What the rest of the node is told when an agent thread ends a message as a dead letter. */
import type { AgentName } from "../../base/ids.ts";
import { decodeMessage, senderOf } from "../../wire/message.ts";
import type { AgentEvent } from "./thread-protocol.ts";

/** `message` is a checked one; its content is not passed on. */
export function deadLetterEvent(
  agent: AgentName,
  reason: string,
  detail: string,
  at_ms: number,
  message: Uint8Array,
): AgentEvent {
  // Who is no agent may be waiting for an answer that will not come.
  const request = senderOf(message).startsWith("~")
    ? { ...decodeMessage(message), content: new Uint8Array(0) }
    : null;
  return { kind: "dead_letter", agent, reason, detail, at_ms, request };
}
