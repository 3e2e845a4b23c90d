import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { replaceFile } from "../../../src/platform/node/replace-file.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory("replace-file");
afterAll(() => directory.remove());

it("neither follows a link that lies where it writes first, nor stumbles over what a crash left there", () => {
  const file = join(directory.path, "node.json");
  const other = join(directory.path, "other");
  writeFileSync(other, "another's");
  symlinkSync(other, `${file}.new`);
  replaceFile(file, "one");
  expect(lstatSync(file).isSymbolicLink()).toBe(false);
  expect(readFileSync(other, "utf8")).toBe("another's");
  writeFileSync(`${file}.new`, "half");
  replaceFile(file, "two");
  expect(readFileSync(file, "utf8")).toBe("two");
  expect(existsSync(`${file}.new`)).toBe(false);
  expect(lstatSync(file).mode & 0o777).toBe(0o600);
});
