import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reasonOf } from "../../../src/base/errors.ts";

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

test("what the system refused is told in words, not in its codes", () => {
  const folder = mkdtempSync(join(tmpdir(), "caxton-errors-"));
  expect(reasonOf(thrownBy(() => readFileSync(folder)))).toBe("it is a folder, not a file");
  expect(reasonOf(thrownBy(() => readFileSync(join(folder, "none"))))).toBe(
    "there is no such file or folder",
  );
  rmSync(folder, { recursive: true });
});

test("other errors speak for themselves", () => {
  expect(reasonOf(new Error("it broke"))).toBe("it broke");
  expect(reasonOf(Object.assign(new Error("in our words"), { code: "ENOENT" }))).toBe("in our words");
  expect(reasonOf(Object.assign(new Error("EWEIRD: odd"), { code: "EWEIRD" }))).toBe("EWEIRD: odd");
  expect(reasonOf("text")).toBe("text");
});
