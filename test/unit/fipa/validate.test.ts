import { describe, expect, test } from "vitest";
import { parsePerformative } from "../../../src/fipa/performative.ts";
import { validateMessage } from "../../../src/fipa/validate.ts";
import { contentLimit_bytes, performatives, type Message } from "../../../src/wire/message.ts";
import { testMessage } from "../../support/messages.ts";

const now_ms = 1_700_000_000_500;

function refusal(fields: Partial<Message>): string | null {
  return validateMessage({ ...testMessage(1), ...fields }, now_ms);
}

describe("validateMessage", () => {
  test("takes a message with the required fields only, and one with all of them", () => {
    expect(refusal({})).toBeNull();
    const full: Partial<Message> = {
      sender: "~client.3f2a@node-1",
      receiver: "echo@node-2",
      conversationId: "c/1:{x}",
      replyWith: "r!1",
      inReplyTo: "r~0",
      replyTo: "~client.3f2a@node-1",
      protocol: "fipa-request",
      language: "natural English",
      ontology: "greetings v2",
      traceContext: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      replyBy_ms: now_ms + 1,
    };
    expect(refusal(full)).toBeNull();
  });

  test.each<[Partial<Message>, string]>([
    [{ receiver: "" }, "receiver is missing"],
    [{ sender: "" }, "sender is missing"],
    [{ receiver: "a b" }, 'receiver: Address "a b": it is not 1 to 64 letters'],
    [{ receiver: "~client" }, 'receiver: Address "~client": its node is not there'],
    [{ sender: "broadcast://all" }, 'sender "broadcast://all" is neither an agent nor a client'],
    [{ replyTo: "capability://x" }, 'reply_to "capability://x" is neither an agent nor a client'],
    [{ replyTo: "../x" }, "reply_to: Address"],
    [{ conversationId: "a b" }, 'conversation_id "a b" is not 1 to 128 printable ASCII'],
    [{ conversationId: "c".repeat(129) }, "conversation_id"],
    [{ replyWith: "x y" }, "reply_with"],
    [{ inReplyTo: "x\ty" }, "in_reply_to"],
    [{ protocol: "fipa request" }, "protocol"],
    [{ language: "fran\u00e7ais" }, 'language "français" is not printable ASCII'],
    [{ ontology: "o".repeat(513) }, "ontology is longer than 512 characters"],
    [{ traceContext: "a\nb" }, "trace_context"],
    [{ content: new Uint8Array(0) }, "content is missing: it is at least 1 byte"],
    [{ replyBy_ms: now_ms }, "reply_by 2023-11-14T22:13:20.500Z is in the past"],
    [{ replyBy_ms: 1 }, "reply_by 1970-01-01T00:00:00.001Z is in the past"],
    [{ replyBy_ms: -1 }, "reply_by is out of range"],
    [{ replyBy_ms: Number.NaN }, "reply_by is out of range"],
    [{ replyBy_ms: 1e16 }, "reply_by is out of range"],
    [{ createdAt_ms: Number.POSITIVE_INFINITY }, "created_at is out of range"],
  ])("refuses %j", (fields, reason) => {
    expect(refusal(fields)).toContain(reason);
  });

  test("takes content of 10 MiB and no more", () => {
    expect(refusal({ content: new Uint8Array(contentLimit_bytes + 1) })).toBe(
      "content has 10485761 bytes: at most 10485760 (10MiB)",
    );
    expect(refusal({ content: new Uint8Array(contentLimit_bytes) })).toBeNull();
  });

  test("takes groups and capabilities as receivers: the router says what it can reach", () => {
    expect(refusal({ receiver: "broadcast://all" })).toBeNull();
    expect(refusal({ receiver: "capability://ocr" })).toBeNull();
  });
});

describe("parsePerformative", () => {
  test.each(performatives.map((name) => [name]))("reads %s also in UPPER_SNAKE", (name) => {
    expect(parsePerformative(name)).toBe(name);
    expect(parsePerformative(name.toUpperCase().replaceAll("-", "_"))).toBe(name);
  });

  test.each(["", "ask", "query", "request ", "constructor", "__proto__"])("refuses %j", (text) => {
    expect(parsePerformative(text)).toBeNull();
  });
});
