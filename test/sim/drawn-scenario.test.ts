import { describe, expect, test } from "vitest";
import { drawScenario } from "../../src/simulation/drawn-scenario.ts";
import { type FaultName, faultNames } from "../../src/simulation/random-schedule.ts";
import { runScenario } from "../../src/simulation/run.ts";
import type { Scenario } from "../../src/simulation/scenario.ts";

const draw = (seed: number, faults: readonly FaultName[] = faultNames, nodes = 8): Scenario =>
  drawScenario({ seed, nodes, regions: "zones", faults, loss: 0, agents: 2, messages: 4 });

/** `CAXTON_SIM_SEEDS=n` plays n seeds from `CAXTON_SIM_FROM` on. */
const seeds = Number(process.env["CAXTON_SIM_SEEDS"] ?? 0);
const first = Number(process.env["CAXTON_SIM_FROM"] ?? 1);
const perSeed_ms = 60_000;

describe("the scenario of `caxton simulate`", () => {
  test("with all kinds of faults looks at every invariant, and each holds", async () => {
    const { violation, invariants } = await runScenario(draw(7));
    expect(violation).toBeNull();
    expect(invariants.filter(({ checked }) => checked === 0)).toEqual([]);
  });

  test("with one kind has nothing else, and one after the other", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { faults, duration_ms } = draw(seed, ["region-cut"]);
      expect(faults.length).toBeGreaterThan(0);
      for (const [i, { kind, at_ms, for_ms = 0 }] of faults.entries()) {
        const next = faults[i + 1]?.at_ms ?? duration_ms;
        expect([kind, at_ms + for_ms < next]).toEqual(["cut", true]);
      }
    }
  });

  test("with cuts of regions alone looks at whether the others find out", async () => {
    const { violation, invariants } = await runScenario({
      ...draw(3, ["region-cut"], 10),
      duration_ms: 60_000,
    });
    expect(violation).toBeNull();
    expect(invariants.find(({ name }) => name === "detection")?.checked).toBeGreaterThan(0);
  });

  test("of few nodes, or of a short time, has no opening", () => {
    const short = drawScenario({
      seed: 1,
      nodes: 8,
      regions: "one",
      duration_ms: 20_000,
      faults: faultNames,
      loss: 0,
      agents: 1,
      messages: 0,
    });
    for (const { faults, duration_ms } of [short, draw(1, ["crash"], 4)])
      expect(faults.every(({ at_ms }) => at_ms >= 10_000 && at_ms < duration_ms)).toBe(true);
  });

  test.runIf(seeds > 0)(
    "breaks no invariant, whatever the seed",
    async () => {
      for (let seed = first; seed < first + seeds; seed++) {
        const { violation } = await runScenario(draw(seed, faultNames, 10));
        expect({ seed, violation }).toEqual({ seed, violation: null });
      }
    },
    seeds * perSeed_ms,
  );
});
