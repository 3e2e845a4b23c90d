import { describe, expect, test } from "vitest";
import { runScenario, type RunResult } from "../../src/simulation/run.ts";
import { type Fault, perfectNetwork } from "../../src/simulation/scenario.ts";
import { thorough } from "../support/thorough.ts";

async function play(seed: number, nodes: number, fault: Fault): Promise<RunResult> {
  const kind = {
    regions: "one",
    profile: "lan",
    duration_ms: 15_500 + (fault.for_ms ?? 9_000) + 2_000,
    agents: 0,
  } as const;
  const result = await runScenario({ ...kind, seed, nodes, network: perfectNetwork, faults: [fault] });
  expect({ seed, violation: result.violation }).toEqual({ seed, violation: null });
  return result;
}

/** When the last crash was known to all; infinite when it never was. */
function known_ms({ figures }: RunResult): number {
  return Math.max(...figures.detections.map(({ knownToAll_ms }) => knownToAll_ms ?? Infinity));
}

describe("many at once", () => {
  test("20 of 30 machines that go silent are all known to be gone within 8 seconds", async () => {
    const crash: Fault = { kind: "crash", at_ms: 15_000, nodes: "n11-n30", silent: true };
    expect(known_ms(await play(3, 30, crash))).toBeLessThan(8_000);
  });

  // Also of the driver alone: `unit/cluster/gossip/driver.test.ts`.
  test.skipIf(!thorough)(
    "4 of 30 that stand still for 16 seconds are back within a second, and nobody else is declared failed",
    async () => {
      const pause: Fault = { kind: "pause", at_ms: 15_000, for_ms: 16_000, nodes: "n4,n11,n18,n25" };
      const { figures } = await play(1, 30, pause);
      expect(figures.falseFailures).toBe(4 * 26);
      const back = figures.convergences.at(-1);
      expect(back?.after).toBe("pause n4,n11,n18,n25 ends");
      expect(back?.members_ms).toBeLessThan(1_000);
    },
  );

  test.skipIf(!thorough)(
    `kill -9 of one of 100 is known to all in 1.5 seconds, one that goes silent in 5`,
    async () => {
      for (const silent of [false, true]) {
        const crash: Fault = { kind: "crash", at_ms: 15_000, nodes: "n50", silent };
        expect(known_ms(await play(9, 100, crash))).toBeLessThan(silent ? 5_000 : 1_500);
      }
    },
  );
});
