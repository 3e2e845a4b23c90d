import fc from "fast-check";
import { expect, test } from "vitest";
import { compareNaturally } from "../../../src/base/natural-order.ts";

test("numbers in names count as numbers", () => {
  const names = ["a10", "a2", "a1", "b-1", "a11", "a1-2", "a1-10"];
  expect(names.toSorted(compareNaturally)).toEqual(["a1", "a1-2", "a1-10", "a2", "a10", "a11", "b-1"]);
});

test("it is an order of all texts, in which only equal ones are alike", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "A", "b", "0", "1", "10", "-", "é"), maxLength: 6 });
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      const order = compareNaturally(a, b);
      expect(order === 0).toBe(a === b);
      expect(Math.sign(compareNaturally(b, a))).toBe(-Math.sign(order) + 0);
      if (order < 0 && compareNaturally(b, c) < 0) expect(compareNaturally(a, c)).toBeLessThan(0);
    }),
  );
});
