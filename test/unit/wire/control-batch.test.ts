import fc from "fast-check";
import { expect, test } from "vitest";
import {
  batchedCommands_max,
  decodeBatchOutcomes,
  encodeBatch,
  encodeBatchOutcomes,
  readBatch,
} from "../../../src/wire/control-batch.ts";
import { decodeOutcome, encodeOutcome, outcome } from "../../../src/wire/control-command.ts";
import { Reader, WireError } from "../../../src/wire/cursor.ts";

const command = fc.record({
  kind: fc.integer({ min: 0, max: 65_535 }),
  version: fc.integer({ min: 0, max: 255 }),
  principal: fc.string({ maxLength: 20, unit: "grapheme-ascii" }),
  idempotencyKey: fc.string({ maxLength: 20, unit: "grapheme-ascii" }),
  body: fc.uint8Array({ maxLength: 30 }),
});

test("a batch comes back as it was", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: batchedCommands_max }), (commands) => {
      const reader = new Reader(encodeBatch(commands));
      const read = readBatch(reader).map((one) => ({ ...one, body: Uint8Array.from(one.body) }));
      reader.finish();
      expect(read).toEqual(commands);
    }),
  );
});

test("the outcomes of the largest batch come back, and fit into one outcome", () => {
  const outcomes = Array.from({ length: batchedCommands_max }, (_, at) =>
    outcome("done", Number.MAX_SAFE_INTEGER - at, new Uint8Array(40)),
  );
  const bytes = encodeBatchOutcomes(outcomes.map(encodeOutcome));
  const carried = decodeOutcome(encodeOutcome(outcome("done", outcomes.length, bytes)));
  const read = decodeBatchOutcomes(carried.body, outcomes.length);
  expect(read.map(({ value, body }) => [value, body.length])).toEqual(
    outcomes.map(({ value, body }) => [value, body.length]),
  );
  expect(() => decodeBatchOutcomes(bytes, outcomes.length - 1)).toThrow(WireError);
});

test("any bytes are read or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const read of [() => readBatch(new Reader(bytes)), () => decodeBatchOutcomes(bytes, 2)]) {
        try {
          read();
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }
    }),
  );
  const many = new Reader(encodeBatch(Array.from({ length: batchedCommands_max + 1 }, () => one)));
  expect(() => readBatch(many)).toThrow(WireError);
});

const one = { kind: 1, version: 1, principal: "", idempotencyKey: "k", body: new Uint8Array() };
