import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isTried, PatchedTree } from "../support/patched-tree.ts";
import { seededBugs } from "./seeded-bugs.ts";

let tree: PatchedTree;

beforeAll(() => {
  tree = new PatchedTree();
});
afterAll(() => tree.dispose());

/** Plays the scenario with the bug in; the failing scenario is left in the copy. */
function play(bug: (typeof seededBugs)[number]): { exit: number | null; checker: string | undefined } {
  const scenario = join(import.meta.dirname, "scenarios", `${bug.scenario}.json`);
  const { exit, stdout } = tree.run(bug, [
    "simulate",
    "--scenario",
    scenario,
    "--no-shrink",
    "--format",
    "json",
  ]);
  const result = JSON.parse(stdout) as { readonly violation: { readonly checker: string } | null };
  return { exit, checker: result.violation?.checker };
}

describe("a known bug, put back, is caught by its checker", () => {
  for (const bug of seededBugs) {
    test.skipIf(!isTried(bug))(`${bug.name}: ${bug.checker}`, () => {
      expect(play(bug)).toEqual({ exit: 1, checker: bug.checker });
    });
  }
});
