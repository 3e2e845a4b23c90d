import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WireError } from "../../../src/wire/cursor.ts";
import { decodeLinkFrame, encodeLinkFrame, type LinkFrame } from "../../../src/wire/link-frame.ts";
import {
  checkMessage,
  contentOf,
  decodeMessage,
  deliveries,
  encodeMessage,
  messageField,
  messageFields,
  messageIdOf,
  performatives,
  priorities,
  receiverOf,
  replyByOf,
  senderOf,
  type Message,
  type Priority,
} from "../../../src/wire/message.ts";
import type { MessageId } from "../../../src/base/ids.ts";
import { encodedMessage } from "../../support/messages.ts";

const field = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
  maxLength: 40,
});
const messages: fc.Arbitrary<Message> = fc.record({
  messageId: fc.uuid().map((id) => id as MessageId),
  performative: fc.constantFrom(...performatives),
  priority: fc.constantFrom(...(Object.keys(priorities) as Priority[])),
  delivery: fc.constantFrom(...deliveries),
  createdAt_ms: fc.nat({ max: 2 ** 48 }),
  replyBy_ms: fc.nat({ max: 2 ** 48 }),
  sender: field,
  receiver: field,
  conversationId: field,
  replyWith: field,
  inReplyTo: field,
  replyTo: field,
  protocol: field,
  language: field,
  ontology: field,
  traceContext: field,
  content: fc.uint8Array({ maxLength: 300 }),
});

/** True when `decode` either returns or throws a `WireError`. */
function survives(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (error instanceof WireError) return true;
    throw error;
  }
}

describe("a message on the wire", () => {
  test("decodes to what was encoded, and its parts can be read without decoding", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = encodeMessage(message);
        const decoded = decodeMessage(bytes);
        expect({ ...decoded, content: [...decoded.content] }).toEqual({
          ...message,
          content: [...message.content],
        });
        expect(checkMessage(bytes)).toBe(bytes.length);
        expect(senderOf(bytes)).toBe(message.sender);
        expect(receiverOf(bytes)).toBe(message.receiver);
        expect(messageIdOf(bytes)).toBe(message.messageId);
        expect(replyByOf(bytes)).toBe(message.replyBy_ms);
        expect([...contentOf(bytes)]).toEqual([...message.content]);
        messageFields.forEach((name, index) => expect(messageField(bytes, index)).toBe(message[name]));
      }),
    );
  });

  test("hostile bytes are refused with a WireError, whatever was changed or cut", () => {
    fc.assert(
      fc.property(
        messages,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        fc.nat(),
        (m, edits, cut) => {
          const bytes = encodeMessage(m);
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          expect(survives(() => decodeMessage(bytes))).toBe(true);
          expect(survives(() => decodeMessage(bytes.subarray(0, cut % bytes.length)))).toBe(true);
        },
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => survives(() => decodeMessage(bytes))),
    );
  });

  test("its times are at least 0 and below 1e15, whatever the bits", () => {
    const checked = (time_ms: number): boolean => {
      const bytes = encodedMessage(1);
      new DataView(bytes.buffer).setFloat64(32, time_ms, true);
      try {
        return checkMessage(bytes) === bytes.length;
      } catch (error) {
        if (error instanceof WireError && error.message === "time out of range") return false;
        throw error;
      }
    };
    const edges = [
      0,
      -0,
      5e-324,
      -5e-324,
      1e15,
      1e15 - 0.125,
      1e15 + 0.125,
      NaN,
      -NaN,
      Infinity,
      -Infinity,
      -1,
      1e16,
    ];
    for (const time_ms of edges)
      expect(checked(time_ms), String(time_ms)).toBe(time_ms >= 0 && time_ms < 1e15);
    fc.assert(
      fc.property(fc.double(), (time_ms) => {
        expect(checked(time_ms)).toBe(time_ms >= 0 && time_ms < 1e15);
      }),
    );
  });

  test("a truncated message never decodes", () => {
    const bytes = encodedMessage(1);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMessage(bytes.subarray(0, length))).toThrow(WireError);
    }
    expect(() => decodeMessage(new Uint8Array([...bytes, 0]))).toThrow(WireError);
  });

  test.each([
    ["a field that is not ASCII", { receiver: "bøb" }],
    ["a field with a control character", { receiver: "bob\n" }],
    ["a field that is too long", { ontology: "x".repeat(513) }],
  ])("%s is not encoded", (_, fields) => {
    expect(() => encodedMessage(1, fields)).toThrow(WireError);
  });
});

describe("link frames", () => {
  const number = fc.nat({ max: 2 ** 40 });
  const frames: fc.Arbitrary<LinkFrame> = fc.oneof(
    fc.record({
      kind: fc.constant("batch" as const),
      session: number,
      base: fc.nat({ max: 1_000 }),
      first: fc.integer({ min: 1_000, max: 100_000 }),
      messages: fc.array(messages.map(encodeMessage), { maxLength: 5 }),
    }),
    fc.record({
      kind: fc.constant("outcomes" as const),
      session: number,
      entries: fc.array(fc.record({ sequence: number, outcome: fc.nat({ max: 255 }) }), { maxLength: 20 }),
    }),
    fc.record({ kind: fc.constant("gap" as const), session: number, expected: number }),
  );

  test("decode to what was encoded", () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(decodeLinkFrame(encodeLinkFrame(frame))).toEqual(frame);
      }),
    );
  });

  test("survive any change and any cut", () => {
    fc.assert(
      fc.property(
        frames,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        fc.nat(),
        (frame, edits, cut) => {
          const bytes = encodeLinkFrame(frame);
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          return (
            survives(() => decodeLinkFrame(bytes)) &&
            survives(() => decodeLinkFrame(bytes.subarray(0, cut % bytes.length)))
          );
        },
      ),
    );
  });
});
