/**
 * The experiment of the Lifeguard paper (Dadgar, Phillips, Currey 2018, section V): what random members
 * send and receive waits, again and again for a while, and it is counted how often the others are declared failed.
 */
import type { GossipReport } from "../cluster/gossip/reports.ts";
import { generatorOf } from "./generator.ts";
import { formatNodeSet, nodeIndex } from "./node-set.ts";
import { type Fault, perfectNetwork, type Scenario } from "./scenario.ts";
import { World } from "./world.ts";

/** The paper's, in ms; the longest pauses of minutes are no anomaly but a loss. */
const pauses_ms = [128, 512, 2_048, 8_192, 16_384, 32_768] as const;
const intervals_ms = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384] as const;
const settling_ms = 15_000;

export interface AnomalyPlan {
  readonly seed: number;
  readonly nodes: number;
  /** How many members stand still, all at the same times. */
  readonly anomalous: number;
  readonly lasting_ms: number;
  readonly plain: boolean;
}

export interface FalsePositives {
  /** A healthy member declared failed, once an observer. */
  readonly atAny: number;
  /** The same, only by observers that are healthy themselves. */
  readonly atHealthy: number;
}

/** Pause and interval are drawn from the seed. */
function anomalyScenario({ seed, nodes, anomalous, lasting_ms, plain }: AnomalyPlan): {
  readonly scenario: Scenario;
  readonly sick: ReadonlySet<number>;
} {
  const prng = generatorOf(seed, "anomalies");
  const all = Array.from({ length: nodes }, (_, node) => node);
  const sick = prng.shuffle(all).slice(0, anomalous);
  const pause_ms = prng.pick(pauses_ms) ?? pauses_ms[0];
  const interval_ms = prng.pick(intervals_ms) ?? intervals_ms[0];
  const faults: Fault[] = [];
  const [names, end_ms] = [formatNodeSet(sick.toSorted((a, b) => a - b)), settling_ms + lasting_ms];
  for (let at_ms = settling_ms; at_ms < end_ms; at_ms += pause_ms + interval_ms)
    faults.push({ kind: "stall", nodes: names, at_ms, for_ms: pause_ms });
  const scenario: Scenario = {
    seed,
    nodes,
    regions: "one",
    profile: "lan",
    plain,
    duration_ms: end_ms,
    agents: 0,
    network: perfectNetwork,
    faults,
  };
  return { scenario, sick: new Set(sick) };
}

export async function countFalsePositives(plan: AnomalyPlan): Promise<FalsePositives> {
  const { scenario, sick } = anomalyScenario(plan);
  const world = new World(scenario);
  let [atAny, atHealthy] = [0, 0];
  world.watch({
    reported: (observer: number, report: GossipReport) => {
      if (report.kind !== "member" || report.event !== "failed") return;
      if (sick.has(nodeIndex(report.member.id))) return;
      atAny++;
      if (!sick.has(observer)) atHealthy++;
    },
  });
  await world.run();
  return { atAny, atHealthy };
}
