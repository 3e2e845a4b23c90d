/** Messages for tests: every field has a sensible value unless given. */
import type { MessageId } from "../../src/base/ids.ts";
import { encodeMessage, type Message, plainMessage } from "../../src/wire/message.ts";
import { encodeUtf8 } from "../../src/wire/cursor.ts";

/** The `n`th message id of a test. */
export function testMessageId(n: number): MessageId {
  return `01890000-0000-7000-8000-${n.toString(16).padStart(12, "0")}` as MessageId;
}

export function testMessage(
  n: number,
  fields: Partial<Omit<Message, "content">> & { readonly content?: string } = {},
): Message {
  const { content = `message ${n}`, ...rest } = fields;
  return plainMessage({
    messageId: testMessageId(n),
    performative: "request",
    createdAt_ms: 1_700_000_000_000,
    sender: "alice",
    receiver: "bob",
    ...rest,
    content: encodeUtf8(content),
  });
}

export function encodedMessage(...args: Parameters<typeof testMessage>): Uint8Array<ArrayBuffer> {
  return encodeMessage(testMessage(...args));
}
