/** Sizes: what is set is said as it is set, what is measured in round decimal units. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatLimit, formatSize, parseSize } from "../../../src/base/sizes.ts";

test("a limit is said as it is written in a configuration, and read back exactly", () => {
  for (const text of ["64KiB", "10MB", "16MiB", "1GiB", "512B", "1536KiB", "3TB", "0B"])
    expect(formatLimit(parseSize(text))).toBe(text);
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      expect(parseSize(formatLimit(bytes))).toBe(bytes);
    }),
  );
});

test("what was measured has one decimal at most", () => {
  expect([0, 999, 65_536, 2_100_000_000, 1e13].map(formatSize)).toEqual([
    "0B",
    "999B",
    "65.5KB",
    "2.1GB",
    "10TB",
  ]);
});
