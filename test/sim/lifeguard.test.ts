import { describe, expect, test } from "vitest";
import { countFalsePositives, type FalsePositives } from "../../src/simulation/anomalies.ts";
import { thorough } from "../support/thorough.ts";

/** Of plain SWIM's: the paper has 1.9 % in a cluster of 128. */
const shareMost = 0.02;

/** Seeds whose pauses are long enough to mislead plain SWIM. */
const seeds = [1, 7];

async function total(plain: boolean): Promise<FalsePositives> {
  const sum = { atAny: 0, atHealthy: 0 };
  for (const seed of seeds) {
    const plan = { seed, nodes: 32, anomalous: 5, lasting_ms: 25_000, plain };
    const { atAny, atHealthy } = await countFalsePositives(plan);
    sum.atAny += atAny;
    sum.atHealthy += atHealthy;
  }
  return sum;
}

describe("the experiment of the Lifeguard paper", () => {
  test.runIf(thorough)(
    "members whose packets wait make the others fail at most a fiftieth as often as without Lifeguard",
    async () => {
      const [plain, full] = [await total(true), await total(false)];
      expect(plain.atHealthy).toBeGreaterThan(100);
      expect(full.atHealthy).toBeLessThanOrEqual(shareMost * plain.atHealthy);
    },
  );
});
