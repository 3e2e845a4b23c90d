import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentName, MessageId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { Reader, WireError, Writer } from "../../../src/wire/cursor.ts";
import {
  readJournalRecord,
  stateKeyLimit_bytes,
  writeJournalRecord,
} from "../../../src/wire/journal-codec.ts";
import type { HandledRecord, JournalRecord } from "../../../src/wire/journal-record.ts";
import { encodedMessage, testMessageId } from "../../support/messages.ts";
import { randomRecords } from "../../support/store-records.ts";

function encode(records: readonly JournalRecord[]): Uint8Array {
  const writer = new Writer();
  for (const record of records) writeJournalRecord(writer, record);
  return writer.finish();
}

function decode(bytes: Uint8Array): readonly JournalRecord[] {
  const reader = new Reader(bytes);
  const records: JournalRecord[] = [];
  while (reader.remaining > 0) records.push(readJournalRecord(reader));
  return records;
}

const handled: HandledRecord = {
  kind: "handled",
  agent: "alice" as AgentName,
  message: testMessageId(1),
  state: [],
  sends: [],
  timers: [],
};

describe("journal records as bytes", () => {
  test("what is written is what is read", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const records = randomRecords(new Prng(seed), 20);
        expect(decode(encode(records))).toEqual(records);
      }),
    );
  });

  test("two encodings end to end are the encoding of both lists", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const prng = new Prng(seed);
        const [left, right] = [randomRecords(prng, 5), randomRecords(prng, 5)];
        expect(encode([...left, ...right])).toEqual(new Uint8Array([...encode(left), ...encode(right)]));
      }),
    );
  });

  test("any bytes are read as records or refused with a WireError", () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.nat(), fc.nat(), fc.nat(255)).map(([seed, at, value]) => {
        const bytes = encode(randomRecords(new Prng(seed), 2));
        bytes[at % bytes.length] = value;
        return bytes;
      }),
      fc.tuple(fc.nat(), fc.nat()).map(([seed, length]) => {
        const bytes = encode(randomRecords(new Prng(seed), 2));
        return bytes.subarray(0, length % bytes.length);
      }),
    );
    fc.assert(
      fc.property(hostile, (bytes) => {
        try {
          decode(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 500 },
    );
  });

  const refused: readonly (readonly [string, JournalRecord])[] = [
    [
      "an agent name out of its alphabet",
      { kind: "accepted", agent: "a b" as AgentName, message: encodedMessage(1) },
    ],
    ["bytes that are no message", { kind: "outbox", message: new Uint8Array(100) }],
    ["a message with bytes after it", { kind: "outbox", message: new Uint8Array([...encodedMessage(1), 0]) }],
    [
      "a state key above its limit",
      { ...handled, state: [{ key: new Uint8Array(stateKeyLimit_bytes + 1), value: null }] },
    ],
    ["a timer id of more than 32 bits", { ...handled, timers: [{ id: 2 ** 32, due_ms: 1 }] }],
    ["a time before the epoch", { ...handled, timers: [{ id: 1, due_ms: -1 }] }],
    ["a time that is no number", { ...handled, timers: [{ id: 1, due_ms: Number.NaN }] }],
    [
      "a reason with control characters",
      { kind: "dead", reason: "a\n", detail: "", at_ms: 1, message: encodedMessage(1) },
    ],
  ];
  test.each(refused)("refuses to write %s", (_, record) => {
    expect(() => encode([record])).toThrow(WireError);
  });

  test("cuts a long explanation of a dead letter, not in the middle of a character", () => {
    const record: JournalRecord = {
      kind: "dead",
      reason: "expired",
      detail: `${"x".repeat(999)}😀`,
      at_ms: 1,
      message: encodedMessage(1),
    };
    const [read] = decode(encode([record]));
    expect(read).toMatchObject({ detail: `${"x".repeat(999)}\ufffd` });
  });

  test("ids come back as they were", () => {
    const id = "ffffffff-0000-4abc-8def-0123456789ab" as MessageId;
    expect(decode(encode([{ kind: "sent", message: id }]))).toEqual([{ kind: "sent", message: id }]);
  });
});
