/** How well network coordinates tell round trips on the usual phantoms: no clock, no network, the same on any machine. */
import { phantoms, settle } from "../test/support/phantoms.ts";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";

export const bench: Bench = {
  question: "How far off are round trips by coordinates on the usual phantoms, against published bounds?",
  run({ quick, log }: BenchOptions): Promise<readonly Figure[]> {
    const seeds = quick ? 1 : 5;
    const figures = phantoms.map(({ name, nodes, truth_ms, cycles, seed, meanBelow, mostBelow }): Figure => {
      const settled = Array.from({ length: seeds }, (_, i) => settle(nodes, truth_ms, cycles, seed + i));
      const most = Math.max(...settled.map((one) => one.most));
      log(`${name}: the worst pair ${(100 * most).toFixed(2)} % off (bound ${100 * mostBelow} %)`);
      return {
        metric: `mean relative error, ${name}`,
        unit: "%",
        target: { at: "most", value: 100 * meanBelow },
        runs: settled.map((one) => 100 * one.mean),
      };
    });
    return Promise.resolve(figures);
  },
};
