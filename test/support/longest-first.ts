/**
 * The order in which vitest begins the test files: what takes long comes first, so that nobody waits for it at the
 * end; files of real processes, which mostly wait, beside simulations, which only compute.
 */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { repositoryRoot } from "./source-tree.ts";

/** Below `test/`; measured, longest first, by turns of the two kinds. */
const first = [
  "e2e/one-way-cut",
  "e2e/cluster",
  "e2e/partition-product",
  "sim/scenarios",
  "e2e/consensus.test",
  "e2e/voters",
  "sim/seeded-bugs",
  "e2e/ownership",
  "e2e/consensus-partitions",
  "sim/random-faults",
  "e2e/watch",
  "e2e/rotation",
  "sim/raft",
  "e2e/witness",
  "e2e/control",
  "sim/consensus",
  "e2e/",
  "sim/",
  "unit/cluster/",
  "unit/control/",
  "unit/store/",
  "unit/wasm",
];

function rank({ moduleId }: TestSpecification): number {
  const path = relative(`${repositoryRoot}/test`, moduleId);
  const at = first.findIndex((prefix) => path.startsWith(prefix));
  return at === -1 ? first.length : at;
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files);
    return usual.toSorted((a, b) => rank(a) - rank(b));
  }
}
