import fc from "fast-check";
import { expect, test } from "vitest";
import { compareUtf8 } from "../../../src/base/utf8-order.ts";

const encoder = new TextEncoder();
const text = fc.string({
  unit: fc.constantFrom("a", "b", "\0", "\u00e9", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"),
});

test("texts come in the order of their bytes", () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const expected = Buffer.compare(encoder.encode(a), encoder.encode(b));
      expect(Math.sign(compareUtf8(a, b))).toBe(expected);
    }),
  );
});
