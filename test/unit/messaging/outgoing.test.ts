/** What the host makes of sent messages, the batches they travel in, the window, the ids. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { latin1Bytes } from "../../../src/messaging/fast-ascii.ts";
import { BatchWriter, OutcomeWriter, readBatch, readOutcomes } from "../../../src/messaging/message-batch.ts";
import { messageRefusal } from "../../../src/messaging/message-rules.ts";
import { MessageIds, sealOutgoing, traceOf } from "../../../src/messaging/outgoing-message.ts";
import { OutgoingWindow } from "../../../src/messaging/outgoing-window.ts";
import { RecentIds } from "../../../src/messaging/recent-ids.ts";
import { validateMessage } from "../../../src/fipa/validate.ts";
import { checkMessage, decodeMessage, encodeMessage, readUuid } from "../../../src/wire/message.ts";
import { type Outcome, outcomes } from "../../../src/wire/outcome.ts";
import { encodedMessage, testMessage } from "../../support/messages.ts";

const now_ms = 1_800_000_000_123;
const ascii = fc.string({
  unit: fc.constantFrom("a", "Z", "0", "-", "_", ".", "@", "~", " ", ":", "/"),
  maxLength: 140,
});

describe("sealing", () => {
  test("changes sender, id, time and an empty trace context, and nothing else", () => {
    const ids = new MessageIds(new Prng(1));
    fc.assert(
      fc.property(
        ascii,
        ascii,
        ascii,
        fc.string({ unit: "grapheme", minLength: 1 }),
        (sender, given, trace, content) => {
          const message = testMessage(1, {
            sender: given,
            traceContext: trace,
            content,
            conversationId: "c",
            ontology: "o",
          });
          const inherited = latin1Bytes("00-abc-01");
          const sealed = sealOutgoing(encodeMessage(message), latin1Bytes(sender), inherited, ids, now_ms);
          expect(checkMessage(sealed)).toBe(sealed.length);
          const { messageId, ...rest } = decodeMessage(sealed);
          const { messageId: _own, ...expected } = message;
          expect({ ...rest, content: [...rest.content] }).toEqual({
            ...expected,
            sender,
            createdAt_ms: now_ms,
            traceContext: trace === "" ? "00-abc-01" : trace,
            content: [...message.content],
          });
          expect(messageId.charAt(14)).toBe("7");
        },
      ),
    );
  });

  test("reads the trace context back", () => {
    expect(traceOf(encodedMessage(1))).toBeUndefined();
    const bytes = encodedMessage(1, { traceContext: "00-abc-01" });
    expect(new TextDecoder().decode(traceOf(bytes))).toBe("00-abc-01");
  });

  test("ids rise, are unique and carry the time, many in one millisecond too", () => {
    const ids = new MessageIds(new Prng(1));
    const texts = Array.from({ length: 10_000 }, () => {
      const bytes = new Uint8Array(16);
      ids.write(bytes, 0, now_ms);
      return readUuid(bytes, 0);
    });
    expect(new Set(texts).size).toBe(10_000);
    expect(texts.toSorted()).toEqual(texts);
    expect(Number.parseInt((texts[0] as string).replaceAll("-", "").slice(0, 12), 16)).toBe(now_ms);
  });
});

test("the rules on bytes refuse what FIPA's validation refuses, and nothing else", () => {
  const address = fc.oneof(
    ascii,
    fc.constantFrom("bob", "bob@n1", "~c.1@n1", "~c", "broadcast://all", "capability://x", ""),
  );
  const token = fc.oneof(ascii, fc.constantFrom("", "c-1", "two words"));
  fc.assert(
    fc.property(
      address,
      address,
      token,
      token,
      token,
      token,
      fc.boolean(),
      (receiver, replyTo, a, b, c, protocol, empty) => {
        const fields = { receiver, replyTo, conversationId: a, replyWith: b, inReplyTo: c, protocol };
        const message = testMessage(1, { ...fields, content: empty ? "" : "x" });
        const slow = validateMessage(message, 0);
        const fast = messageRefusal(encodeMessage(message));
        expect(fast === undefined).toBe(slow === null);
      },
    ),
    { numRuns: 500 },
  );
});

describe("batches", () => {
  test("give back what was put in, in order", () => {
    const entry = fc.record({
      flags: fc.nat(1),
      ticket: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      size: fc.integer({ min: 1, max: 5_000 }),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const writer = new BatchWriter();
        for (const { flags, ticket, size } of entries)
          writer.add(flags, ticket, encodedMessage(ticket, { content: "x".repeat(size) }));
        const read: typeof entries = [];
        readBatch(writer.take(), (flags, ticket, bytes) => {
          read.push({ flags, ticket, size: decodeMessage(bytes).content.length });
        });
        expect(read).toEqual(entries);
        expect([writer.count, writer.size_bytes]).toEqual([0, 0]);
      }),
      { numRuns: 50 },
    );
  });

  test("a truncated batch throws and does not read past its end", () => {
    const writer = new BatchWriter();
    writer.add(0, 1, encodedMessage(1));
    const batch = writer.take();
    for (let end = 1; end < batch.length; end++) {
      expect(() => readBatch(batch.subarray(0, end), () => undefined)).toThrow("batch");
    }
  });

  test("outcomes come back as they were", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.constantFrom<Outcome>(...outcomes))), (pairs) => {
        const writer = new OutcomeWriter();
        for (const [ticket, outcome] of pairs) writer.add(ticket, outcome);
        const read: [number, Outcome][] = [];
        readOutcomes(writer.take(), (ticket, outcome) => void read.push([ticket, outcome]));
        expect(read).toEqual(pairs);
      }),
    );
  });
});

describe("the outgoing window", () => {
  test("is bounded in count and bytes, and free again with each answer", () => {
    const window = new OutgoingWindow(2, 100);
    expect([
      window.reserve(60, "a", "one"),
      window.reserve(60, "a", "two"),
      window.reserve(40, "b", "two"),
      window.reserve(0, "c", "three"),
    ]).toEqual([true, false, true, false]);
    const ticket = window.issue(60, "a", "one");
    window.release(40, "b", "two");
    expect([window.isUnderWay("a"), window.isUnderWay("b")]).toEqual([true, false]);
    expect([window.answered(ticket), window.answered(ticket), window.used]).toEqual([true, false, 0]);
  });

  test("agents that are never answered leave room for others", () => {
    const window = new OutgoingWindow(1_000, 1_000_000);
    const fill = (sender: string, size: number): number => {
      let sent = 0;
      while (window.reserve(size, "nobody", sender)) sent++;
      return sent;
    };
    expect([fill("one", 1), fill("two", 1), fill("three", 1)]).toEqual([500, 250, 125]);
    expect(window.reserve(1, "bob", "good")).toBe(true);
    const large = new OutgoingWindow(1_000, 1_000);
    while (large.reserve(100, "nobody", "one"));
    expect(large.reserve(400, "bob", "good")).toBe(true);
  });

  test("an agent's share is free again with its answers and withdrawals", () => {
    const window = new OutgoingWindow(4, 100);
    expect([1, 2, 3].map(() => window.reserve(1, "a", "one"))).toEqual([true, true, false]);
    window.release(1, "a", "one");
    window.answered(window.issue(1, "a", "one"));
    expect(window.used).toBe(0);
    expect([1, 2, 3].map(() => window.reserve(1, "a", "one"))).toEqual([true, true, false]);
  });
});

test("recent ids remember at least their limit and at most twice as many", () => {
  const recent = new RecentIds(10);
  for (let n = 0; n < 100; n++) recent.add(`${n}`);
  const known = Array.from({ length: 100 }, (_, n) => n).filter((n) => recent.has(`${n}`));
  expect(known.length).toBeGreaterThanOrEqual(10);
  expect(known.length).toBeLessThanOrEqual(20);
  expect(known.at(-1)).toBe(99);
});
