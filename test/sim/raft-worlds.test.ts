import { describe, expect, test } from "vitest";
import { type RaftFaults, raftScenarioOf } from "../../src/simulation/raft/scenario.ts";
import { type RaftRunResult, runRaft } from "../../src/simulation/raft/world.ts";

/** `CAXTON_SIM_SEEDS=n` tries n seeds from `CAXTON_SIM_FROM` on; `.ci/run` tries 2,000. */
const given = Number(process.env["CAXTON_SIM_SEEDS"] ?? 0);
const first = Number(process.env["CAXTON_SIM_FROM"] ?? 1);
const seeds = given > 0 ? given : Number(process.env["CAXTON_RAFT_SEEDS"] ?? 60);
const calm: RaftFaults = {
  crashes: 0,
  cuts: 0,
  pauses: 0,
  diskFaults: 0,
  falseHints: 0,
  membership: 0,
  transfers: 0,
};
const atOnce = 100;
const limit_ms = 600_000;

const total = { seeds: 0, committed: 0, elections: 0, changes: 0, transfers: 0, snapshots: 0 };

function count(result: RaftRunResult): void {
  total.seeds++;
  for (const name of ["committed", "elections", "changes", "transfers", "snapshots"] as const)
    total[name] += result[name];
}

describe("random Raft worlds break no invariant", () => {
  for (let from = first; from < first + seeds; from += atOnce) {
    const to = Math.min(from + atOnce, first + seeds) - 1;
    test(
      `seeds ${from} to ${to}`,
      () => {
        for (let seed = from; seed <= to; seed++) {
          const result = runRaft(raftScenarioOf(seed));
          expect({ seed, violation: result.violation }).toEqual({ seed, violation: null });
          count(result);
        }
      },
      limit_ms,
    );
  }

  // Otherwise the worlds above prove nothing.
  test.skipIf(given > 0)("they elect, commit, change members, transfer, and send snapshots", () => {
    expect(total.seeds).toBe(seeds);
    expect(total.committed).toBeGreaterThan(20 * seeds);
    expect(total.elections).toBeGreaterThan(2 * seeds);
    for (const often of [total.changes, total.transfers, total.snapshots])
      expect(often).toBeGreaterThan(seeds / 8);
  });
});

describe("undisturbed Raft worlds", () => {
  test("elect one leader, and keep it", () => {
    for (let seed = first; seed < first + 20; seed++) {
      const scenario = raftScenarioOf(seed);
      const network = { ...scenario.network, loss: 0, straggling: 0 };
      const { elections, violation } = runRaft({ ...scenario, faults: calm, network });
      expect({ seed, elections, violation }).toEqual({ seed, elections: 1, violation: null });
    }
  });
});

describe("the same seed is the same Raft run", () => {
  test("twice here, and another seed is another run", () => {
    const [one, two, other] = [11, 11, 12].map((seed) => runRaft(raftScenarioOf(seed)));
    expect(two?.hash).toBe(one?.hash);
    expect(other?.hash).not.toBe(one?.hash);
  });

  test("with its story told or not", () => {
    const told = runRaft(raftScenarioOf(7), true);
    expect(told.hash).toBe(runRaft(raftScenarioOf(7)).hash);
    expect(told.story.length).toBeGreaterThan(0);
  });
});
