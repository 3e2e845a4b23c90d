import * as fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearest } from "../../../src/base/nearest.ts";

test.each([
  ["", "", 0],
  ["abc", "", 3],
  ["kitten", "sitting", 3],
  ["ab", "ba", 1],
  ["region", "reigon", 1],
])("from %s to %s takes %i edits", (from, to, edits) => {
  expect(editDistance(from, to)).toBe(edits);
});

test("distance is symmetric, and zero only between equals", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
    }),
  );
});

test("suggests what is near, nothing when all is far, nothing for absurd words", () => {
  expect(nearest("membres", ["members", "status"])).toBe("members");
  expect(nearest("xyz", ["members", "status"])).toBe(undefined);
  expect(nearest("a".repeat(1_000), ["a"])).toBe(undefined);
  expect(nearest("", ["a"])).toBe(undefined);
});
