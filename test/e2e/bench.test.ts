/** The benchmarks still run against the code as it is. Their figures are nobody's business here. */
import { expect, test } from "vitest";
import { spawnSync } from "node:child_process";
import { thorough } from "../support/thorough.ts";

const runner = new URL("../../bench/run.ts", import.meta.url).pathname;

function bench(...args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [runner, ...args], { encoding: "utf8" });
  return { status, text: stdout + stderr };
}

// One inside a thread and one of real nodes: together they use every part that the others do. They take all of the
// machine that there is.
test.runIf(thorough)("the benchmarks run", () => {
  const { status, text } = bench("local-routing", "remote-routing", "--quick");
  expect(text).toMatch(/saturated.* messages\/s/);
  expect(text).toMatch(/accepted at the other node and back, p99/);
  expect(status).toBe(0);
});

test("an unknown benchmark is refused with the names of those that are", () => {
  const { status, text } = bench("nonsense");
  expect(status).toBe(2);
  expect(text).toContain("local-routing");
});
