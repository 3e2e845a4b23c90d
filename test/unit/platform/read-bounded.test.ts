/** Files that somebody named, which may be anything. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readBounded, readBoundedText } from "../../../src/platform/node/read-bounded.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory("read-bounded");
afterAll(() => directory.remove());
mkdirSync(directory.path, { recursive: true });

test.each([0, 1, 65_535, 65_536, 65_537, 200_000])(
  "%i bytes come whole, and one too many is refused",
  (size) => {
    const path = join(directory.path, `${size}`);
    const bytes = new Uint8Array(size).map((_, at) => at % 251);
    writeFileSync(path, bytes);
    expect(Buffer.compare(readBounded(path, size), bytes)).toBe(0);
    expect(Buffer.compare(readBounded(path, 1_000_000), bytes)).toBe(0);
    if (size > 0) expect(() => readBounded(path, size - 1)).toThrow("it is larger than");
  },
);

test("a device without an end is given up at the limit; what is missing or a folder is said by the system", () => {
  expect(() => readBounded("/dev/zero", 64 * 1024)).toThrow("it is larger than 64KiB");
  expect(() => readBoundedText(join(directory.path, "none"), 10)).toThrow("ENOENT");
  expect(() => readBoundedText(directory.path, 10)).toThrow("EISDIR");
});
