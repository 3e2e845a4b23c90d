import { describe, expect, test } from "vitest";
import { boundsOf } from "../../src/simulation/bounds.ts";
import { faultNames, randomFaults } from "../../src/simulation/random-schedule.ts";
import { geographyOf } from "../../src/simulation/regions.ts";
import { runScenario } from "../../src/simulation/run.ts";
import { type RegionPlan, type Scenario } from "../../src/simulation/scenario.ts";
import { testLimit_ms } from "../support/patience.ts";
import { thorough } from "../support/thorough.ts";

/** `CAXTON_SIM_SEEDS=n` tries n seeds from `CAXTON_SIM_FROM` on; `CAXTON_SIM_NODES=1000` in a cluster of that size. */
const seeds = Number(process.env["CAXTON_SIM_SEEDS"] ?? 0);
const nodes = Number(process.env["CAXTON_SIM_NODES"] ?? 0);
const first = Number(process.env["CAXTON_SIM_FROM"] ?? 1);
const long = seeds > 0 || nodes > 0;
const limit_ms = long ? 3_600_000 : testLimit_ms;

/** Smaller clusters also send messages. */
const withMessages = 10;
/** Then the last of them was tried for as long as any is. */
const messagesEnd_ms = 58_000;

interface Plan {
  readonly nodes: number;
  readonly seeds: number;
  readonly regions: RegionPlan;
  readonly faults_ms: number;
}

const plans: readonly Plan[] = long
  ? [{ nodes: nodes || 30, seeds: seeds || 1, regions: "one", faults_ms: 60_000 }]
  : [
      { nodes: 7, seeds: thorough ? 12 : 1, regions: "zones", faults_ms: 30_000 },
      { nodes: 30, seeds: thorough ? 4 : 0, regions: "one", faults_ms: 30_000 },
      { nodes: 100, seeds: thorough ? 1 : 0, regions: "zones", faults_ms: 10_000 },
    ];

function scenarioOf(plan: Plan, seed: number): Scenario {
  const noise = { loss: (seed % 3) / 100, duplication: 0.01, reordering: 0.01, corruption: 0.001 };
  const base: Scenario = {
    seed,
    nodes: plan.nodes,
    regions: plan.regions,
    profile: "lan",
    duration_ms: 0,
    agents: 2,
    ...(plan.nodes < withMessages && { messages: 2 }),
    network: noise,
    faults: [],
  };
  const settled_ms = boundsOf(base, geographyOf(base.regions)).convergence_ms + 3_000;
  const quiet_ms = Math.max(settled_ms, base.messages === undefined ? 0 : messagesEnd_ms);
  const scenario = { ...base, duration_ms: Math.ceil(10_000 + plan.faults_ms + quiet_ms) };
  return { ...scenario, faults: randomFaults(scenario, faultNames, quiet_ms) };
}

describe("random faults break no invariant", () => {
  for (const plan of plans) {
    for (let seed = first; seed < first + plan.seeds; seed++) {
      test(
        `${plan.nodes} nodes, seed ${seed}`,
        async () => {
          const { violation, scenario } = await runScenario(scenarioOf(plan, seed));
          expect({ seed: scenario.seed, violation }).toEqual({ seed, violation: null });
        },
        limit_ms,
      );
    }
  }
});
