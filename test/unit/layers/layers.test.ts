import { describe, expect, test } from "vitest";
import { checkLayers } from "../../support/layers.ts";
import { readSourceTree } from "../../support/source-tree.ts";

function violationsOf(files: Readonly<Record<string, string>>): readonly string[] {
  return checkLayers(new Map(Object.entries(files))).violations;
}

describe("the real source tree", () => {
  const { modules, violations } = checkLayers(readSourceTree());

  test("was read at all", () => {
    expect(modules).toBeGreaterThan(20);
  });

  test("keeps the order of its folders", () => {
    expect(violations).toEqual([]);
  });
});

describe("the layer check refuses", () => {
  const later = "src/base/a.ts: imports src/wire/b.ts, a later folder";

  test.each([
    ["an import of a later folder", `import { b } from "../wire/b.ts";`],
    ["a type-only import of a later folder", `import type { b } from "../wire/b.ts";`],
    ["an inline type import", `import { type b } from "../wire/b.ts";`],
    ["an import type expression", `export type T = import("../wire/b.ts").T;`],
    ["a typeof import", `export type T = typeof import("../wire/b.ts");`],
    ["a dynamic import", `const b = import("../wire/b.ts");`],
    ["a thread's entry", `const b = new URL("../wire/b.ts", import.meta.url);`],
    ["a side-effect import", `import "../wire/b.ts";`],
  ])("%s", (_what, source) => {
    expect(violationsOf({ "src/base/a.ts": source, "src/wire/b.ts": "export {};" })).toContain(later);
  });

  test("cycles, type-only imports included", () => {
    const violations = violationsOf({
      "src/base/a.ts": `import type { B } from "./b.ts"; export type A = B;`,
      "src/base/b.ts": `import type { C } from "./c.ts"; export type B = C;`,
      "src/base/c.ts": `import type { A } from "./a.ts"; export type C = A;`,
    });
    expect(violations).toEqual(["src/base/a.ts -> src/base/b.ts -> src/base/c.ts -> src/base/a.ts: a cycle"]);
  });

  test.each([
    ["a runtime's module", `import "node:fs";`, "src/swim/a.ts: imports node:fs in a pure folder"],
    ["a package", `import "hono";`, "src/swim/a.ts: imports hono in a pure folder"],
    ["randomness", `export const r = Math.random();`, "src/swim/a.ts: Math.random in a pure folder"],
    ["the clock", `export const n = Date.now();`, "src/swim/a.ts: Date.now in a pure folder"],
    ["the date of now", `export const d = new Date();`, "src/swim/a.ts: new Date() in a pure folder"],
    ["a promise", `export const p = Promise.resolve();`, "src/swim/a.ts: Promise in a pure folder"],
    ["async", `export const f = async () => 1;`, "src/swim/a.ts: an async function in a pure folder"],
    ["the console", `console.log(1);`, "src/swim/a.ts: console in a pure folder"],
  ])("%s in a pure folder", (_what, source, violation) => {
    expect(violationsOf({ "src/swim/a.ts": source })).toContain(violation);
  });

  test("a runtime's module that the portable core reaches through another file", () => {
    const violations = violationsOf({
      "functions/status.ts": `import { a } from "../src/api/a.ts"; export default a;`,
      "src/api/a.ts": `import { b } from "../platform/b.ts"; export const a = b;`,
      "src/platform/b.ts": `import { readFileSync } from "node:fs"; export const b = readFileSync;`,
    });
    expect(violations).toEqual([
      "functions/status.ts: reaches node:fs through src/platform/b.ts, and must run on every runtime",
      "src/api/a.ts: reaches node:fs through src/platform/b.ts, and must run on every runtime",
    ]);
  });

  test.each([
    ["a re-export", `export { b } from "./b.ts";`, "src/base/a.ts: re-exports ./b.ts"],
    ["an import without extension", `import "./b";`, "src/base/a.ts: imports ./b without its extension"],
    [
      "an import from the tests",
      `import "../../test/b.ts";`,
      "src/base/a.ts: imports test/b.ts, outside src",
    ],
  ])("%s", (_what, source, violation) => {
    expect(violationsOf({ "src/base/a.ts": source, "src/base/b.ts": "export {};" })).toEqual([violation]);
  });

  test("a folder that has no place, and a barrel", () => {
    expect(violationsOf({ "src/misc/index.ts": "export {};" })).toEqual([
      'src/misc/index.ts: the folder "misc" has no place in the order',
      "src/misc/index.ts: a barrel; name the noun",
    ]);
  });
});

test("the layer check allows a thread to import the file that starts it", () => {
  const violations = violationsOf({
    "src/store/a.ts": `export const worker = new URL("./b.ts", import.meta.url); export type T = string;`,
    "src/store/b.ts": `import type { T } from "./a.ts"; export const t: T = "";`,
  });
  expect(violations).toEqual([]);
});

test("the layer check allows an erased runtime type in the portable core, and a dated Date", () => {
  const violations = violationsOf({
    "src/api/a.ts": `import type { b } from "../platform/b.ts"; export type A = typeof b;`,
    "src/platform/b.ts": `import { readFileSync } from "node:fs"; export const b = readFileSync;`,
    "src/wire/c.ts": `export const text = (at_ms: number): string => new Date(at_ms).toISOString();`,
  });
  expect(violations).toEqual([]);
});
