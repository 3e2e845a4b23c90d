/** What `bun run drill` answers before it starts a cluster; what it does then, consensus.test.ts does. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../support/drill-consensus.ts", import.meta.url));
/** None of these starts anything, which would take longer. */
const patience_ms = 20_000;

function drill(...args: string[]): {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: "utf8",
    timeout: patience_ms,
  });
  return { code: status, stdout, stderr };
}

test("a drill tells what it does", () => {
  const { code, stdout } = drill("--help");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^bun run drill \[ROUNDS\] \[--nodes 3\|5\] \[--seed N\]\n/);
});

test("a drill checks nothing, and does not pass, where it was not understood", () => {
  for (const [args, said] of [
    [["ten"], 'ROUNDS: "ten" is not a whole number from 1 to 1000'],
    [["0"], 'ROUNDS: "0" is not'],
    [["1", "--nodes", "2"], '--nodes: "2" is not 3 or 5'],
    [["1", "--seed", "x"], '--seed: "x" is not'],
    [["1", "2"], '"2" is one argument too many'],
    [["--fast"], "--fast"],
  ] as const) {
    const { code, stderr } = drill(...args);
    expect([args, code, stderr.split("\n")[0]]).toEqual([args, 2, expect.stringContaining(said)]);
  }
});
