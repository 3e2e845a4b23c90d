/**
 * `caxton simulate --raft N`: N random worlds of the Raft core by itself, each from the next seed. The first one that
 * breaks an invariant ends it: its seed, which invariant, and what happened last.
 */
import { runRaft, type RaftRunResult } from "../simulation/raft/world.ts";
import { raftScenarioOf } from "../simulation/raft/scenario.ts";
import type { Call } from "./command.ts";

const storyLines = 40;
const brokenExit = 1;

const counted = ["committed", "answered", "elections", "changes", "transfers", "snapshots"] as const;

export function simulateRaft(call: Call, first: number, count: number): number {
  const began_ms = performance.now();
  const total = Object.fromEntries(counted.map((name) => [name, 0])) as Record<
    (typeof counted)[number],
    number
  >;
  call.output.notice(`seed ${first}`);
  let broken: RaftRunResult | null = null;
  let played = 0;
  for (let seed = first; seed < first + count && broken === null; seed++) {
    const result = runRaft(raftScenarioOf(seed));
    played++;
    for (const name of counted) total[name] += result[name];
    if (result.violation !== null) broken = runRaft(raftScenarioOf(seed), true);
  }
  const real_s = (performance.now() - began_ms) / 1_000;
  call.output.lines(
    [
      ...(broken === null ? [] : [...broken.story.slice(-storyLines), ""]),
      `${played} worlds: ${total.committed} entries committed, ${total.answered} operations answered, ` +
        `${total.elections} elections, ${total.changes} changes of members, ${total.transfers} transfers, ` +
        `${total.snapshots} snapshots (${real_s.toFixed(1)} s)`,
      ...(broken === null ? ["every invariant held, every history is linearizable"] : brokenLines(broken)),
    ],
    { worlds: played, ...total, seed: broken?.seed ?? null, violation: broken?.violation ?? null },
  );
  return broken === null ? 0 : brokenExit;
}

function brokenLines({ seed, violation }: RaftRunResult): string[] {
  if (violation === null) return [];
  return [
    `BROKEN at ${(violation.at_ms / 1_000).toFixed(3)} s: ${violation.what}`,
    `seed ${seed}; replay with: caxton simulate --raft 1 --seed ${seed}`,
  ];
}
