/**
 * The experiment of the Lifeguard paper in simulation: of 128 members some have packets that wait, again and
 * again, for a while. How often is a healthy member declared failed by a healthy one, with Lifeguard and without?
 */
import { countFalsePositives } from "../src/simulation/anomalies.ts";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";

/** The paper has 1.9 %. */
const shareMost_percent = 2;

export const bench: Bench = {
  question: "How many false failures does Lifeguard leave of plain SWIM's, 128 members, some of them sick?",
  async run({ quick, log }: BenchOptions): Promise<readonly Figure[]> {
    const [nodes, lasting_ms, seeds] = quick ? [24, 15_000, 1] : [128, 30_000, 4];
    const anomalous = [4, 8, 16, 32];
    const counts = { plain: { any: 0, healthy: 0 }, full: { any: 0, healthy: 0 } };
    for (let seed = 1; seed <= seeds; seed++) {
      for (const kind of ["plain", "full"] as const) {
        const sick = Math.min(anomalous[(seed - 1) % anomalous.length] ?? 4, nodes / 4);
        const plan = { seed, nodes, anomalous: sick, lasting_ms, plain: kind === "plain" };
        const { atAny, atHealthy } = await countFalsePositives(plan);
        counts[kind].any += atAny;
        counts[kind].healthy += atHealthy;
        log(
          `seed ${seed}, ${sick} sick, ${kind === "plain" ? "plain SWIM" : "with Lifeguard"}: ` +
            `${atAny} false failures, ${atHealthy} at healthy members`,
        );
      }
    }
    const { plain, full } = counts;
    const percent = (part: number, whole: number): number => (whole === 0 ? 0 : (100 * part) / whole);
    return [
      { metric: "false failures of plain SWIM at healthy members", unit: "", runs: [plain.healthy] },
      { metric: "with Lifeguard", unit: "", runs: [full.healthy] },
      {
        metric: "share of plain SWIM's at healthy members",
        unit: "%",
        target: { at: "most", value: shareMost_percent },
        runs: [percent(full.healthy, plain.healthy)],
      },
      { metric: "the same at all members, the sick too", unit: "%", runs: [percent(full.any, plain.any)] },
    ];
  },
};
