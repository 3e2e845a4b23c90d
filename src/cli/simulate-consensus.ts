/**
 * `caxton simulate --consensus N`: N random worlds of the whole of consensus, drivers, logs and control state included,
 * each from the next seed. The first one that breaks an invariant ends it: its seed, which invariant, what happened last.
 */
import { consensusScenarioOf } from "../simulation/consensus/scenario.ts";
import { type ConsensusRunResult, runConsensus } from "../simulation/consensus/world.ts";
import type { Call } from "./command.ts";

const storyLines = 40;
const brokenExit = 1;

const counted = [
  "committed",
  "answered",
  "elections",
  "restarts",
  "changes",
  "transfers",
  "snapshots",
  "lost",
] as const;

export async function simulateConsensus(call: Call, first: number, count: number): Promise<number> {
  const began_ms = performance.now();
  const total = Object.fromEntries(counted.map((name) => [name, 0])) as Record<
    (typeof counted)[number],
    number
  >;
  call.output.notice(`seed ${first}`);
  let broken: ConsensusRunResult | null = null;
  let played = 0;
  let hash = "";
  for (let seed = first; seed < first + count && broken === null; seed++) {
    const result = await runConsensus(consensusScenarioOf(seed));
    played++;
    ({ hash } = result);
    for (const name of counted) total[name] += result[name];
    if (result.violation !== null) broken = await runConsensus(consensusScenarioOf(seed), true);
  }
  const real_s = (performance.now() - began_ms) / 1_000;
  call.output.lines(
    [
      ...(broken === null ? [] : [...broken.story.slice(-storyLines), ""]),
      `${played} worlds: ${total.committed} entries committed, ${total.answered} operations answered, ` +
        `${total.elections} elections, ${total.restarts} restarts, ${total.changes} changes of members, ` +
        `${total.transfers} transfers, ${total.snapshots} snapshots, ${total.lost} transactions lost in crashes ` +
        `(${real_s.toFixed(1)} s)`,
      `trace of the last ${hash}`,
      ...(broken === null
        ? ["every invariant held, every history is linearizable, all replicas are equal"]
        : brokenLines(broken)),
    ],
    { worlds: played, ...total, hash, seed: broken?.seed ?? null, violation: broken?.violation ?? null },
  );
  return broken === null ? 0 : brokenExit;
}

function brokenLines({ seed, violation }: ConsensusRunResult): string[] {
  if (violation === null) return [];
  return [
    `BROKEN at ${(violation.at_ms / 1_000).toFixed(3)} s: ${violation.what}`,
    `seed ${seed}; replay with: caxton simulate --consensus 1 --seed ${seed}`,
  ];
}
