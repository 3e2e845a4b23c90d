import { expect, test } from "vitest";
import { globalFlagsLast } from "../../../src/cli/leading-flags.ts";

test.each([
  ["cluster members -o json", "cluster members -o json"],
  ["--data-dir d cluster members", "cluster members --data-dir d"],
  ["--format=json --yes -o wide agent remove a", "agent remove a --format=json --yes -o wide"],
  ["--no-color message send --to a -- --content", "message send --to a --no-color -- --content"],
  ["--nonsense cluster members", "--nonsense cluster members"],
  ["--data-dir d", "--data-dir d"],
  ["--data-dir", "--data-dir"],
])("%j is read as %j", (typed, read) => {
  expect(globalFlagsLast(typed.split(" ")).join(" ")).toBe(read);
});
