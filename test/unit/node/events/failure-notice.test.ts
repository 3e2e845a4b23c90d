/** What a client is told when its message became a dead letter, and who is told nothing. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { validateMessage } from "../../../../src/fipa/validate.ts";
import { errorOfNotice, failureNotice, isFailureNotice } from "../../../../src/node/events/failure-notice.ts";
import { decodeMessage, encodeMessage, type Message } from "../../../../src/wire/message.ts";
import { testMessage, testMessageId } from "../../../support/messages.ts";

const identity = { messageId: testMessageId(9), self: "node-3" as NodeId, now_ms: 1_000 };
const request = testMessage(1, {
  sender: "~alice.1@node-1",
  receiver: "bob",
  replyTo: "carol",
  replyWith: "tag",
  conversationId: "c",
});
const why = { reason: "trap:fuel", detail: "used up its 1000 units" };

function notice(of: Message, because = why): Message {
  const made = failureNotice(of, because, identity);
  if (made === null) throw new Error("no notice");
  return made;
}

test("the sender is told in its conversation, as an answer to its message", () => {
  const told = decodeMessage(encodeMessage(notice(request)));
  expect(told).toMatchObject({
    performative: "failure",
    sender: "~dead-letters@node-3",
    receiver: "~alice.1@node-1",
    inReplyTo: "tag",
    conversationId: "c",
  });
  expect(isFailureNotice(told)).toBe(true);
  expect(validateMessage(told, 1_000)).toBeNull();
});

test("agents are told nothing, nor is who sends a notice, and an agent cannot pretend to be one", () => {
  expect(failureNotice({ ...request, sender: "bob" }, why, identity)).toBeNull();
  expect(failureNotice(notice(request), why, identity)).toBeNull();
  expect(isFailureNotice({ sender: "dead-letters@node-3" })).toBe(false);
});

test("the client's error names the agent, the reason, and where the message is kept", () => {
  const error = errorOfNotice(notice(request), "bob", request.messageId);
  expect(error.code).toBe("agent_failed");
  for (const part of ['"bob"', "trap:fuel: used up its 1000 units", 'dead letters of node "node-3"'])
    expect(error.message).toContain(part);
  const expired = errorOfNotice(notice(request, { reason: "expired", detail: "" }), "bob", request.messageId);
  expect(expired.code).toBe("timeout");
  const stopped = errorOfNotice(
    notice(request, { reason: "agent_stopped", detail: "" }),
    "bob",
    request.messageId,
  );
  expect(stopped.code).toBe("unavailable");
});
