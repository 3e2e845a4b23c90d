import * as fc from "fast-check";
import { expect, test } from "vitest";
import { WireError } from "../../../src/wire/cursor.ts";
import {
  type DeadLetterPage,
  decodeDeadLetterPage,
  encodeDeadLetterPage,
} from "../../../src/wire/dead-letter-page.ts";
import { encodedMessage } from "../../support/messages.ts";

const letter = fc.record({
  id: fc.nat(),
  reason: fc.string(),
  detail: fc.string({ unit: "grapheme" }),
  at_ms: fc.nat(),
  message: fc.nat().map((n) => encodedMessage(n)),
});
const page: fc.Arbitrary<DeadLetterPage> = fc.record({
  items: fc.array(letter, { maxLength: 20 }),
  next: fc.option(fc.string({ minLength: 1 })),
});

test("a page is read as it was written", () => {
  fc.assert(
    fc.property(page, (written) => {
      expect(decodeDeadLetterPage(encodeDeadLetterPage(written))).toEqual(written);
    }),
  );
});

test("anything else is refused or read, and never anything but a WireError thrown", () => {
  const cut = fc.tuple(page, fc.nat()).map(([written, at]) => {
    const bytes = encodeDeadLetterPage(written);
    return bytes.subarray(0, at % bytes.length);
  });
  fc.assert(
    fc.property(fc.oneof(cut, fc.uint8Array({ maxLength: 500 })), (bytes) => {
      try {
        decodeDeadLetterPage(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
  );
  expect(() => decodeDeadLetterPage(Uint8Array.of(0, 255, 255, 3))).toThrow(WireError);
});

test("a letter that no list could show is refused: it would spoil the list of the whole cluster", () => {
  const good = { id: 1, reason: "expired", detail: "", at_ms: 1, message: encodedMessage(1) };
  const late = encodedMessage(1);
  new DataView(late.buffer).setFloat64(24, NaN, true);
  const bad = [
    { id: NaN },
    { id: -1 },
    { id: 1.5 },
    { at_ms: NaN },
    { at_ms: 1e300 },
    { message: Uint8Array.of(1, 2, 3) },
    { message: Uint8Array.of(...encodedMessage(1), 0) },
    { message: late },
  ];
  for (const fields of bad) {
    const bytes = encodeDeadLetterPage({ items: [good, { ...good, ...fields }], next: null });
    expect(() => decodeDeadLetterPage(bytes)).toThrow(WireError);
  }
});
