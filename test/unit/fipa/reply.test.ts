import { expect, test } from "vitest";
import { notUnderstood, replyTo } from "../../../src/fipa/reply.ts";
import { validateMessage } from "../../../src/fipa/validate.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import { testMessage, testMessageId } from "../../support/messages.ts";

const identity = { messageId: testMessageId(9), sender: "bob@node-2", now_ms: 7 };
const asked = testMessage(1, {
  conversationId: "c-1",
  replyWith: "tag",
  protocol: "fipa-request",
  language: "en",
  ontology: "o",
  traceContext: "t",
  priority: "high",
  delivery: "exactly_once",
  replyBy_ms: 5,
});

test("a reply goes back to the sender, in its conversation, naming what it answers", () => {
  expect(replyTo(asked, "inform", encodeUtf8("yes"), identity)).toEqual({
    ...asked,
    messageId: testMessageId(9),
    performative: "inform",
    delivery: "at_least_once",
    createdAt_ms: 7,
    replyBy_ms: 0,
    sender: "bob@node-2",
    receiver: "alice",
    replyWith: "",
    inReplyTo: "tag",
    content: encodeUtf8("yes"),
  });
});

test("reply_to is preferred to the sender, and the id stands in for a missing reply_with", () => {
  const reply = replyTo(
    { ...asked, replyTo: "carol@node-3", replyWith: "" },
    "agree",
    encodeUtf8("a"),
    identity,
  );
  expect(reply.receiver).toBe("carol@node-3");
  expect(reply.inReplyTo).toBe(testMessageId(1));
});

test("an at-most-once message gets an at-most-once reply", () => {
  expect(replyTo({ ...asked, delivery: "at_most_once" }, "inform", encodeUtf8("a"), identity).delivery).toBe(
    "at_most_once",
  );
});

test("not-understood says why, is a valid message, and is never answered by itself", () => {
  const answer = notUnderstood(asked, "", identity);
  expect(answer?.performative).toBe("not-understood");
  expect(answer && validateMessage(answer, 0)).toBeNull();
  expect(answer && notUnderstood(answer, "neither", identity)).toBeNull();
});
