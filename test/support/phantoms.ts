/**
 * The usual phantoms that network coordinates are judged by: round trips between imagined nodes that are known
 * exactly, and how far off nodes that measure them come to be. The bounds are those that serf publishes, of the last our own.
 */
import type { NodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { Coordinates, distance_ms, originCoordinate } from "../../src/swim/coordinates.ts";

/** The true round trip between two of them, in ms. */
export type RoundTrip = (a: number, b: number) => number;

export interface Errors {
  /** Relative, over all pairs. */
  readonly mean: number;
  readonly most: number;
  readonly nodes: readonly Coordinates[];
}

export interface Phantom {
  readonly name: string;
  readonly nodes: number;
  readonly cycles: number;
  readonly seed: number;
  readonly truth_ms: RoundTrip;
  readonly meanBelow: number;
  readonly mostBelow: number;
}

const gridSide = 5;
const circle_ms = 100;
const circleNodes = 25;

export const line: RoundTrip = (a, b) => Math.abs(a - b) * 10;

export const grid: RoundTrip = (a, b) =>
  Math.hypot((a % gridSide) - (b % gridSide), Math.floor(a / gridSide) - Math.floor(b / gridSide)) * 10;

export const split: RoundTrip = (a, b) => (a < 12 === b < 12 ? 1 : 11);

const circle: RoundTrip = (a, b) => {
  if (a === 0 || b === 0) return circle_ms;
  const angle = (i: number): number => (2 * Math.PI * i) / circleNodes;
  const [dx, dy] = [Math.cos(angle(a)) - Math.cos(angle(b)), Math.sin(angle(a)) - Math.sin(angle(b))];
  return circle_ms * Math.hypot(dx, dy);
};

function random(count: number, mean_ms: number, deviation_ms: number, seed: number): RoundTrip {
  const prng = new Prng(seed);
  const gauss = (): number => {
    const angle = 2 * Math.PI * prng.float();
    return Math.sqrt(-2 * Math.log(1 - prng.float())) * Math.cos(angle);
  };
  const table = Array.from({ length: count }, () =>
    Array.from({ length: count }, () => Math.max(1, mean_ms + deviation_ms * gauss())),
  );
  return (a, b) => table[Math.min(a, b)]?.[Math.max(a, b)] ?? mean_ms;
}

const usual = { cycles: 1_000, seed: 1 };

export const phantoms: readonly Phantom[] = [
  {
    name: "ten nodes in a line, 10 ms apart",
    ...{ ...usual, nodes: 10, truth_ms: line, meanBelow: 0.0031, mostBelow: 0.013 },
  },
  {
    name: "a grid of 25 nodes, 10 ms apart",
    ...{ ...usual, nodes: 25, truth_ms: grid, meanBelow: 0.0016, mostBelow: 0.023 },
  },
  {
    name: "two data centres of 1 ms, 10 ms apart",
    ...{ ...usual, seed: 3, nodes: 25, truth_ms: split, meanBelow: 0.00006, mostBelow: 0.00048 },
  },
  {
    name: "24 nodes on a circle of 100 ms, and one in the middle",
    ...{ ...usual, nodes: circleNodes, truth_ms: circle, meanBelow: 0.0025, mostBelow: 0.064 },
  },
  {
    name: "25 nodes at random, 100 ms with a deviation of 10 ms",
    ...{ ...usual, nodes: 25, truth_ms: random(25, 100, 10, 5), meanBelow: 0.075, mostBelow: 0.8 },
  },
  {
    // Ten times the pairs in the same eight dimensions; the truth itself deviates by 10 %.
    name: "100 nodes at random, 100 ms with a deviation of 10 ms",
    ...{
      cycles: 300,
      seed: 1,
      nodes: 100,
      truth_ms: random(100, 100, 10, 5),
      meanBelow: 0.1,
      mostBelow: 0.8,
    },
  },
];

/** Each cycle every node measures the way to one random other. */
export function settle(count: number, truth_ms: RoundTrip, cycles = usual.cycles, seed = usual.seed): Errors {
  const prng = new Prng(seed);
  const nodes = Array.from({ length: count }, (_, i) => new Coordinates(seed * 1_000 + i));
  for (let cycle = 0; cycle < cycles; cycle++) {
    for (const [i, node] of nodes.entries()) {
      const j = (i + 1 + prng.below(count - 1)) % count;
      node.observe(`n${j}` as NodeId, truth_ms(i, j), nodes[j]?.own ?? originCoordinate);
    }
  }
  const errors: number[] = [];
  for (const [i, a] of nodes.entries()) {
    for (const [j, b] of nodes.entries()) {
      if (j > i) errors.push(Math.abs(distance_ms(a.own, b.own) - truth_ms(i, j)) / truth_ms(i, j));
    }
  }
  const mean = errors.reduce((sum, one) => sum + one, 0) / errors.length;
  return { mean, most: Math.max(...errors), nodes };
}
