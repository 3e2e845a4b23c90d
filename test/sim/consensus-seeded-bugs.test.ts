import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isTried, PatchedTree } from "../support/patched-tree.ts";
import { consensusSeededBugs } from "./consensus-seeded-bugs.ts";

/** From the seed that found it: more than one, since another change makes other runs of the seeds. */
const seedsTried = 150;
const program = join(import.meta.dirname, "..", "support", "run-consensus-seeds.ts");
let tree: PatchedTree;

beforeAll(() => {
  tree = new PatchedTree();
});
afterAll(() => tree.dispose());

describe("a known mistake around the Raft core, put back, is caught by its checker", () => {
  for (const bug of consensusSeededBugs) {
    test.skipIf(!isTried(bug))(`${bug.name}: ${bug.checkers[0]}`, () => {
      const { stdout } = tree.play(bug, program, [tree.folder, String(bug.from ?? 1), String(seedsTried)]);
      const found = JSON.parse(stdout) as { readonly checker: string } | null;
      expect(bug.checkers).toContain(found?.checker);
    });
  }
});
