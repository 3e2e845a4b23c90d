import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isTried, PatchedTree } from "../support/patched-tree.ts";
import { raftSeededBugs } from "./raft-seeded-bugs.ts";

/** From the seed that found it: more than one, since another change of the core makes other runs of the seeds. */
const seedsTried = 1_500;
const program = join(import.meta.dirname, "..", "support", "run-raft-seeds.ts");
let tree: PatchedTree;

beforeAll(() => {
  tree = new PatchedTree();
});
afterAll(() => tree.dispose());

describe("a known bug of Raft, put back, is caught by its checker", () => {
  for (const bug of raftSeededBugs) {
    test.skipIf(!isTried(bug))(`${bug.name}: ${bug.checkers[0]}`, () => {
      const { stdout } = tree.play(bug, program, [tree.folder, String(bug.from ?? 1), String(seedsTried)]);
      const found = JSON.parse(stdout) as { readonly checker: string } | null;
      expect(bug.checkers).toContain(found?.checker);
    });
  }
});
