import { describe, expect, test } from "vitest";
import type { RunResult } from "../../../src/simulation/run.ts";
import { runScenario } from "../../../src/simulation/run.ts";
import { perfectNetwork, type Fault, type Scenario } from "../../../src/simulation/scenario.ts";
import { shrink } from "../../../src/simulation/shrink.ts";

const faults: readonly Fault[] = Array.from({ length: 16 }, (_, i): Fault => ({
  kind: i === 11 ? "wedge" : "pause",
  nodes: `n${(i % 3) + 1}`,
  at_ms: 1_000 * i,
  for_ms: 8_000,
}));
const scenario: Scenario = {
  seed: 1,
  nodes: 100,
  regions: "one",
  profile: "lan",
  duration_ms: 100_000,
  agents: 5,
  network: { ...perfectNetwork, loss: 0.2 },
  faults,
};

/** Stands for a cluster in which a wedge of a second or more breaks something. */
async function play(tried: Scenario): Promise<RunResult> {
  const real = await runScenario({ ...tried, duration_ms: 0, faults: [] });
  const culprit = tried.faults.find(({ kind, for_ms = 0 }) => kind === "wedge" && for_ms >= 1_000);
  const violation = culprit ? { checker: "detection", at_ms: culprit.at_ms + 2_000, detail: "" } : null;
  return { ...real, scenario: tried, events: 1_000 * tried.nodes, violation };
}

describe("a failing scenario is made small", () => {
  test("what is left is the one fault, short, in a small, quiet cluster", async () => {
    const { scenario: small, result, runs } = await shrink(await play(scenario), play);
    expect(small.faults).toEqual([{ kind: "wedge", nodes: "n3", at_ms: 11_000, for_ms: 1_000 }]);
    expect([small.nodes, small.agents, small.network]).toEqual([3, 0, perfectNetwork]);
    expect(small.duration_ms).toBe(14_000);
    expect(result.violation?.checker).toBe("detection");
    expect(runs).toBeLessThanOrEqual(60);
  });

  test("with time for three runs it tries three, and tells of each before", async () => {
    const told: number[] = [];
    const patience = { hasTime: () => told.length < 3, tries: (run: number) => void told.push(run) };
    const { scenario: smaller, runs } = await shrink(await play(scenario), play, patience);
    expect([runs, told]).toEqual([3, [1, 2, 3]]);
    expect(smaller.nodes).toBe(10);
  });

  test("another invariant's break is not taken for the same", async () => {
    const other = async (tried: Scenario): Promise<RunResult> => {
      const result = await play(tried);
      const changed = tried.faults.length < faults.length || tried.nodes < scenario.nodes;
      return changed && result.violation
        ? { ...result, violation: { ...result.violation, checker: "storms" } }
        : result;
    };
    const { scenario: kept } = await shrink(await play(scenario), other);
    expect(kept.faults).toHaveLength(faults.length);
  });
});
