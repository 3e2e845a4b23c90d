import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runScenario } from "../../src/simulation/run.ts";
import { parseScenario } from "../../src/simulation/scenario-file.ts";
import { patience_ms } from "../support/patience.ts";

const support = join(import.meta.dirname, "..", "support");
const file = join(import.meta.dirname, "scenarios", "few-nodes.json");
const scenario = parseScenario(readFileSync(file, "utf8"), file);

describe("the same seed is the same run", () => {
  const first = runScenario(scenario);

  test("twice here, and another seed is another run", async () => {
    const [one, two, other] = [
      await first,
      await runScenario(scenario),
      await runScenario({ ...scenario, seed: scenario.seed + 1 }),
    ];
    expect(two.hash).toBe(one.hash);
    expect(two.story).toEqual(one.story);
    expect(other.hash).not.toBe(one.hash);
  });

  test("on Bun and on Deno", async () => {
    const { hash } = await first;
    const args = [
      join(support, "run-deno.ts"),
      "run",
      "--no-check",
      "--allow-all",
      join(support, "print-trace.ts"),
      file,
    ];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: patience_ms });
    expect(stdout.trim(), stderr).toBe(hash);
  });
});
