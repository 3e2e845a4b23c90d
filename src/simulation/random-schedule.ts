/** Faults at random, from the seed: how a run looks for what nobody thought of. Whole milliseconds, so that files keep them exactly. */
import type { Prng } from "../base/prng.ts";
import { boundsOf } from "./bounds.ts";
import { generatorOf } from "./generator.ts";
import { formatNodeSet, nodeName } from "./node-set.ts";
import { geographyOf } from "./regions.ts";
import type { Fault, Scenario } from "./scenario.ts";

/** What can be asked for by name; a `region-cut` is a cut of one whole region, a `restart` a crash of all. */
export const faultNames = [
  "crash",
  "leave",
  "remove",
  "pause",
  "stall",
  "slow",
  "wedge",
  "cut",
  "one-way-cut",
  "partial-cut",
  "region-cut",
  "degrade",
  "clock",
  "disk",
  "flap",
  "deploy",
  "replay",
  "lie",
  "restart",
] as const;
export type FaultName = (typeof faultNames)[number];

/** One fault begins this often, on average. */
const between_ms = 5_000;
/** The cluster forms before the first fault. */
const settling_ms = 10_000;
/** So long it is looked at what all must know. */
const seenFor_ms = 3_000;
const lieStep = 1_000_000;
const least_ms = 100;

/**
 * Faults of these kinds from `from_ms` on, in the time that leaves `quiet_ms` at the end, to see the cluster recover.
 * Of several kinds one begins while others go on; of one kind alone each waits for the end of the one before.
 */
export function randomFaults(
  scenario: Omit<Scenario, "faults">,
  names: readonly FaultName[],
  quiet_ms: number,
  from_ms = settling_ms,
): Fault[] {
  const prng = generatorOf(scenario.seed, "schedule");
  const end_ms = Math.max(from_ms + between_ms, scenario.duration_ms - quiet_ms);
  const faults: Fault[] = [];
  for (let at_ms = from_ms; ;) {
    at_ms += Math.round(prng.float() * 2 * between_ms);
    const name = prng.pick(names);
    if (at_ms >= end_ms || name === undefined) return faults;
    const made = makers[name](new Draw(scenario, prng, at_ms, end_ms));
    const drawn =
      names.length === 1 && faults.length === 0 ? made.map((fault) => seen(fault, scenario)) : made;
    faults.push(...drawn);
    if (names.length === 1) at_ms = Math.max(...drawn.map(endOf_ms)) + between_ms;
  }
}

/** Of cuts alone the first lasts for long enough that all must know of it. */
function seen(fault: Fault, scenario: Omit<Scenario, "faults">): Fault {
  if (fault.kind !== "cut" || fault.for_ms === undefined) return fault;
  const { detection_ms } = boundsOf({ ...scenario, faults: [] }, geographyOf(scenario.regions));
  return { ...fault, for_ms: Math.max(fault.for_ms, Math.ceil(detection_ms) + seenFor_ms) };
}

function endOf_ms({ at_ms, for_ms = 0 }: Fault): number {
  return at_ms + for_ms;
}

/** The chance of one fault. */
class Draw {
  constructor(
    private readonly scenario: Omit<Scenario, "faults">,
    readonly prng: Prng,
    readonly at_ms: number,
    private readonly end_ms: number,
  ) {}

  /** Ends before the quiet time. */
  for_ms(low_ms: number, high_ms: number): number {
    return Math.max(least_ms, Math.min(this.prng.between(low_ms, high_ms), this.end_ms - this.at_ms));
  }

  later_ms(high_ms: number): number {
    return this.at_ms + this.prng.between(least_ms, high_ms);
  }

  one(): string {
    return nodeName(this.prng.below(this.scenario.nodes));
  }

  /** Up to a tenth of the nodes. */
  few(): string {
    return this.#some(1 + this.prng.below(Math.max(1, Math.floor(this.scenario.nodes / 10))));
  }

  /** Up to half of them. */
  many(): string {
    return this.#some(1 + this.prng.below(Math.max(1, Math.floor(this.scenario.nodes / 2))));
  }

  region(): string {
    return this.prng.pick(geographyOf(this.scenario.regions).names) ?? "";
  }

  all(): number[] {
    return Array.from({ length: this.scenario.nodes }, (_, node) => node);
  }

  #some(count: number): string {
    const chosen = this.prng.shuffle(this.all()).slice(0, count);
    return formatNodeSet(chosen.sort((a, b) => a - b));
  }
}

/**
 * One that runs behind a cut, and has said something new there, is removed meanwhile: neither its own words nor those of
 * who was with it bring it back.
 */
function expulsion(draw: Draw): Fault[] {
  const { at_ms, prng } = draw;
  const [removed, beside, by] = prng.shuffle(draw.all()).map(nodeName);
  if (removed === undefined || beside === undefined || by === undefined) return [];
  const nodes = `${removed},${beside}`;
  return [
    { kind: "cut", at_ms, for_ms: draw.for_ms(16_000, 20_000), nodes },
    { kind: "pause", at_ms: at_ms + 4_000, for_ms: 6_000, nodes: removed },
    { kind: "remove", at_ms: at_ms + 13_000, nodes: removed, by },
  ];
}

const makers: Readonly<Record<FaultName, (draw: Draw) => Fault[]>> = {
  crash: (draw) => {
    const { at_ms, prng } = draw;
    const nodes = draw.few();
    const how = prng.pick([{ silent: true }, { silent: false }, { certified: true }]);
    const crash: Fault = { kind: "crash", at_ms, nodes, ...how };
    return [prng.chance(0.3) ? crash : { ...crash, for_ms: draw.for_ms(500, 25_000) }];
  },
  leave: (draw) => [
    { kind: "leave", at_ms: draw.at_ms, for_ms: draw.for_ms(12_000, 25_000), nodes: draw.one() },
  ],
  remove: (draw) => {
    const nodes = draw.one();
    if (draw.prng.chance(0.4)) return expulsion(draw);
    return [
      { kind: "crash", at_ms: draw.at_ms, nodes, for_ms: 20_000 },
      { kind: "remove", at_ms: draw.later_ms(10_000), nodes, by: draw.one() },
    ];
  },
  pause: (draw) => [
    { kind: "pause", at_ms: draw.at_ms, for_ms: draw.for_ms(200, 20_000), nodes: draw.few() },
  ],
  stall: (draw) => [
    { kind: "stall", at_ms: draw.at_ms, for_ms: draw.for_ms(200, 20_000), nodes: draw.few() },
  ],
  slow: (draw) => {
    const cost_ms = draw.prng.between(1, 100);
    return [
      { kind: "slow", at_ms: draw.at_ms, for_ms: draw.for_ms(1_000, 20_000), nodes: draw.few(), cost_ms },
    ];
  },
  wedge: (draw) => [
    { kind: "wedge", at_ms: draw.at_ms, for_ms: draw.for_ms(1_000, 15_000), nodes: draw.one() },
  ],
  cut: (draw) => [{ kind: "cut", at_ms: draw.at_ms, for_ms: draw.for_ms(500, 25_000), nodes: draw.many() }],
  "one-way-cut": (draw) => [
    { kind: "cut", at_ms: draw.at_ms, for_ms: draw.for_ms(500, 20_000), nodes: draw.few(), oneWay: true },
  ],
  "partial-cut": (draw) => [
    {
      kind: "cut",
      at_ms: draw.at_ms,
      for_ms: draw.for_ms(500, 25_000),
      nodes: draw.few(),
      peers: draw.few(),
    },
  ],
  "region-cut": (draw) => {
    const nodes = `region:${draw.region()}`;
    return [{ kind: "cut", at_ms: draw.at_ms, for_ms: draw.for_ms(5_000, 30_000), nodes }];
  },
  degrade: (draw) => {
    const { at_ms, prng } = draw;
    const [loss, duplication, delay_ms] = [prng.below(50) / 100, prng.below(30) / 100, prng.below(300)];
    const for_ms = draw.for_ms(1_000, 20_000);
    return [{ kind: "degrade", at_ms, for_ms, nodes: draw.few(), loss, duplication, delay_ms }];
  },
  clock: (draw) => {
    const { at_ms, prng } = draw;
    const [skew_ms, drift] = [prng.between(-3_600_000, 3_600_000), prng.between(98, 103) / 100];
    return [{ kind: "clock", at_ms, for_ms: draw.for_ms(5_000, 30_000), nodes: draw.few(), skew_ms, drift }];
  },
  disk: (draw) => {
    const { at_ms, prng } = draw;
    return [
      { kind: "disk", at_ms, for_ms: draw.for_ms(500, 15_000), nodes: draw.few(), errors: prng.chance(0.5) },
    ];
  },
  flap: (draw) => [{ kind: "flap", at_ms: draw.at_ms, nodes: draw.few() }],
  deploy: (draw) => {
    const { at_ms, prng } = draw;
    const nodes = draw.few();
    return [
      { kind: "deploy", at_ms, nodes, count: prng.between(1, 100) },
      { kind: "retire", at_ms: draw.later_ms(10_000), nodes, count: prng.between(1, 50) },
    ];
  },
  replay: ({ at_ms }) => [{ kind: "replay", at_ms, count: 200 }],
  lie: (draw) => [{ kind: "lie", at_ms: draw.at_ms, nodes: draw.one(), about: draw.one(), step: lieStep }],
  restart: (draw) => [{ kind: "crash", at_ms: draw.at_ms, for_ms: draw.for_ms(500, 3_000), nodes: "all" }],
};
