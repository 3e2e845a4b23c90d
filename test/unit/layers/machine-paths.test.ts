/** Nothing that is checked in, prebuilt modules included, tells of the machine it was made on. */
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..", "..");
const listed = spawnSync("git", ["-C", root, "ls-files", "-z"], { encoding: "utf8" });
/** People's folders anywhere, and this checkout's own: with a folder below, since it may lie in `/src` itself. */
const homes = ["home/[A-Za-z][^/ ]*", "Users/[A-Za-z][^/ ]*", "root"].map((folder) => `/${folder}/`);
const here = `${RegExp.escape(root)}/(?:src|test|bench|wasm-agents|functions|deploy)/`;
const machine = new RegExp([...homes, here].join("|"));

test.skipIf(listed.status !== 0)("no tracked file has a path of the machine", () => {
  const files = listed.stdout.split("\0").filter((name) => name !== "");
  expect(files.length).toBeGreaterThan(100);
  const telling = files
    .filter((name) => statSync(join(root, name), { throwIfNoEntry: false })?.isFile() === true)
    .flatMap((name) => {
      const found = machine.exec(readFileSync(join(root, name), "latin1"));
      return found === null ? [] : [`${name}: ${found[0]}`];
    });
  expect(telling).toEqual([]);
});
