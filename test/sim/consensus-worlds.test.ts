import { describe, expect, test } from "vitest";
import { consensusScenarioOf } from "../../src/simulation/consensus/scenario.ts";
import { type ConsensusRunResult, runConsensus } from "../../src/simulation/consensus/world.ts";

/** `CAXTON_SIM_SEEDS=n` tries n seeds from `CAXTON_SIM_FROM` on; `.ci/run` tries 100. */
const given = Number(process.env["CAXTON_SIM_SEEDS"] ?? 0);
const first = Number(process.env["CAXTON_SIM_FROM"] ?? 1);
const seeds = given > 0 ? given : Number(process.env["CAXTON_CONSENSUS_SEEDS"] ?? 6);
const atOnce = 25;
const limit_ms = 600_000;

const total = { committed: 0, answered: 0, restarts: 0, changes: 0, snapshots: 0, lost: 0 };

function count(result: ConsensusRunResult): void {
  for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
}

describe("random worlds of all of consensus break no invariant", () => {
  for (let from = first; from < first + seeds; from += atOnce) {
    const to = Math.min(from + atOnce, first + seeds) - 1;
    test(
      `seeds ${from} to ${to}`,
      async () => {
        for (let seed = from; seed <= to; seed++) {
          const result = await runConsensus(consensusScenarioOf(seed));
          const replay = `caxton simulate --consensus 1 --seed ${seed}`;
          expect({ replay, violation: result.violation }).toEqual({ replay, violation: null });
          count(result);
        }
      },
      limit_ms,
    );
  }

  // Otherwise the worlds above prove nothing.
  test.skipIf(given > 0)(
    "they commit, answer, restart, change members, send snapshots, lose transactions",
    () => {
      for (const often of [total.committed, total.answered]) expect(often).toBeGreaterThan(20 * seeds);
      for (const often of [total.restarts, total.lost]) expect(often).toBeGreaterThan(seeds);
      for (const seldom of [total.changes, total.snapshots]) expect(seldom).toBeGreaterThan(seeds / 10);
    },
  );
});

describe("the same seed is the same run of consensus", () => {
  test("twice here, told or not, and another seed is another run", async () => {
    const hashes: string[] = [];
    for (const [seed, telling] of [
      [4, false],
      [4, true],
      [5, false],
    ] as const)
      hashes.push((await runConsensus(consensusScenarioOf(seed), telling)).hash);
    expect(hashes[1]).toBe(hashes[0]);
    expect(hashes[2]).not.toBe(hashes[0]);
  });
});
