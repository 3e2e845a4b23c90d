import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isTried, PatchedTree } from "../support/patched-tree.ts";
import { testLimit_ms } from "../support/patience.ts";
import { leaseSeededBugs } from "./lease-seeded-bugs.ts";

/** From the seed that found it: more than one, since another change of the drivers makes other runs of the seeds. */
const seedsTried = 40;
const program = join(import.meta.dirname, "..", "support", "run-lease-seeds.ts");
let tree: PatchedTree;

beforeAll(() => {
  tree = new PatchedTree();
});
afterAll(() => tree.dispose());

describe("a known bug of leases, put back, is caught", () => {
  for (const bug of leaseSeededBugs) {
    test.skipIf(!isTried(bug))(
      `that ${bug.name}`,
      () => {
        const { stdout } = tree.play(bug, program, [tree.folder, String(bug.from ?? 1), String(seedsTried)]);
        const found = JSON.parse(stdout) as { readonly checker: string } | null;
        expect(["one-acts", "none-acts"]).toContain(found?.checker);
      },
      testLimit_ms,
    );
  }
});
