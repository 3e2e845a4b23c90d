/** Thirty processes whose cores are oversubscribed for a while, and a silent one among a hundred members in one process. */
import { availableParallelism } from "node:os";
import { CaxtonRing } from "./caxton-ring.ts";
import { Hundred } from "./gossip-hundred.ts";
import { type Bench, type BenchOptions, type Figure, shown } from "./measurement.ts";
import { overloaded } from "./membership-stories.ts";
import { inRing, listed, p99, ringSize, settled, victim } from "./side-by-side.ts";

const between_ms = 3_000;

export const bench: Bench = {
  question: "Do false failures end after an overload, and how soon do a hundred know of a silent one?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    await quiet();
    const ring = quick ? [] : await overload(log);
    await quiet();
    return [...ring, ...(await silentAmong(quick ? 5 : 100, quick ? 1 : 6, log))];
  },
};

function overload(log: (line: string) => void): Promise<readonly Figure[]> {
  return inRing(
    () => new CaxtonRing(ringSize),
    ringSize,
    async (ring) => {
      await settled();
      const told = await overloaded(ring, ringSize, availableParallelism());
      const [last_s, agreed_s] = [told.last_ms / 1_000, told.agreed_ms / 1_000];
      log(`overload: ${told.falseFailures} false failures, the last ${shown(last_s)} s after it`);
      const target = { at: "most", value: 10 } as const;
      return [
        { metric: "cores oversubscribed for 8 s: false failures", unit: "", runs: [told.falseFailures] },
        { metric: "the last of them after the overload", unit: "s", target, runs: [last_s] },
        { metric: "all alive to all after the overload", unit: "s", runs: [agreed_s] },
      ];
    },
  );
}

async function silentAmong(
  count: number,
  times: number,
  log: (line: string) => void,
): Promise<readonly Figure[]> {
  const hundred = new Hundred();
  try {
    const opened_ms = await hundred.open(count);
    log(`${count} in one process: opened and known to all after ${shown(opened_ms / 1_000)} s`);
    await settled();
    const runs: number[] = [];
    for (let run = 0; run < times; run++) {
      runs.push((await hundred.silenced(victim(run, count))) / 1_000);
      await Bun.sleep(between_ms);
    }
    log(`${count} in one process, silent: ${listed(runs)} s`);
    const metric = `${count} in one process: a silent one known to all`;
    const target = { at: "most", value: 5 } as const;
    return [
      { metric, unit: "s", runs },
      { metric: `${metric}, p99`, unit: "s", target, runs: [p99(runs)] },
    ];
  } finally {
    await hundred.close();
  }
}
