/** The bytes between nodes are the same under Deno: what one runtime encodes the other decodes. */
import { decodeMessage, encodeMessage } from "../../src/wire/message.ts";
import type { Message } from "../../src/wire/message.ts";
import type { MessageId } from "../../src/base/ids.ts";
import { smoke, same } from "./smoke.ts";

const message: Message = {
  messageId: "0192d5b0-7c3f-7a11-9c55-8a4f1e2d3c4b" as MessageId,
  performative: "request",
  priority: "normal",
  delivery: "at_least_once",
  createdAt_ms: 1_700_000_000_000,
  replyBy_ms: 0,
  sender: "a",
  receiver: "b",
  conversationId: "c-1",
  replyWith: "",
  inReplyTo: "",
  replyTo: "",
  protocol: "fipa-request",
  language: "",
  ontology: "",
  traceContext: "",
  content: new TextEncoder().encode("hello"),
};

smoke("a message survives its encoding", () => {
  const { content, ...rest } = decodeMessage(encodeMessage(message));
  const { content: expectedContent, ...expected } = message;
  same(rest, expected);
  same([...content], [...expectedContent]);
});
