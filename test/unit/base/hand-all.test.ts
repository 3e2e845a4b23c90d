import { expect, test } from "vitest";
import { handAll } from "../../../src/base/hand-all.ts";

function handed(items: readonly number[], failing: readonly number[]): { got: number[]; error: unknown } {
  const got: number[] = [];
  try {
    handAll(items, (item) => {
      got.push(item);
      if (failing.includes(item)) throw new Error(`not ${item}`);
    });
  } catch (error) {
    return { got, error };
  }
  return { got, error: undefined };
}

test("one that fails takes nothing from those after it, and is told as it is", () => {
  expect(handed([1, 2, 3], [])).toEqual({ got: [1, 2, 3], error: undefined });
  expect(handed([1, 2, 3], [1])).toEqual({ got: [1, 2, 3], error: new Error("not 1") });
  const { got, error } = handed([1, 2, 3], [1, 3]);
  expect(got).toEqual([1, 2, 3]);
  expect(error).toBeInstanceOf(AggregateError);
  expect(String(error)).toContain("not 1; Error: not 3");
});
