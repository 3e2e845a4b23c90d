import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import {
  Coordinates,
  dimensions,
  distance_ms,
  errorMost,
  estimate_ms,
  estimateBetween_ms,
  heightLeast_ms,
  isSane,
  originCoordinate,
} from "../../../src/swim/coordinates.ts";
import { ringOf, RoundTrips, samplesLeast } from "../../../src/swim/round-trips.ts";
import type { Coordinate } from "../../../src/wire/gossip-coordinate.ts";
import { thorough } from "../../support/thorough.ts";

const id = (i: number): NodeId => `n${i}` as NodeId;

type Phantom = (a: number, b: number) => number;

interface Errors {
  readonly mean: number;
  readonly most: number;
  readonly nodes: readonly Coordinates[];
}

/** Each cycle every node measures the way to one random other. Relative errors over all pairs. */
function settle(count: number, truth_ms: Phantom, cycles = 1_000, seed = 1): Errors {
  const prng = new Prng(seed);
  const nodes = Array.from({ length: count }, (_, i) => new Coordinates(seed * 1_000 + i));
  for (let cycle = 0; cycle < cycles; cycle++) {
    for (const [i, node] of nodes.entries()) {
      const j = (i + 1 + prng.below(count - 1)) % count;
      node.observe(id(j), truth_ms(i, j), nodes[j]?.own ?? originCoordinate);
    }
  }
  const errors: number[] = [];
  for (const [i, a] of nodes.entries()) {
    for (const [j, b] of nodes.entries()) {
      if (j > i) errors.push(Math.abs(distance_ms(a.own, b.own) - truth_ms(i, j)) / truth_ms(i, j));
    }
  }
  return {
    mean: errors.reduce((sum, one) => sum + one, 0) / errors.length,
    most: Math.max(...errors),
    nodes,
  };
}

function randomPhantom(count: number, mean_ms: number, deviation_ms: number, seed: number): Phantom {
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

describe("the usual phantoms, against the bounds that serf publishes for them", () => {
  test("ten nodes in a line, 10 ms apart", () => {
    const { mean, most } = settle(10, (a, b) => Math.abs(a - b) * 10);
    expect(mean).toBeLessThan(0.0031);
    expect(most).toBeLessThan(0.013);
  });

  test("a grid of 25 nodes, 10 ms apart", () => {
    const place = (i: number): [number, number] => [i % 5, Math.floor(i / 5)];
    const { mean, most } = settle(25, (a, b) => {
      const [[ax, ay], [bx, by]] = [place(a), place(b)];
      return Math.hypot(ax - bx, ay - by) * 10;
    });
    expect(mean).toBeLessThan(0.0016);
    expect(most).toBeLessThan(0.023);
  });

  test("two data centres of 1 ms, 10 ms apart", () => {
    const { mean, most } = settle(25, (a, b) => (a < 12 === b < 12 ? 1 : 11), 1_000, 3);
    expect(mean).toBeLessThan(0.00006);
    expect(most).toBeLessThan(0.00048);
  });

  test("at any seed the mean error of lines, grids and data centres is below 1 %", () => {
    const truths: Phantom[] = [
      (a, b) => Math.abs(a - b) * 10,
      (a, b) => Math.hypot((a % 5) - (b % 5), Math.floor(a / 5) - Math.floor(b / 5)) * 10,
      (a, b) => (a < 12 === b < 12 ? 1 : 11),
    ];
    for (const truth of truths) {
      for (let seed = 10; seed < (thorough ? 14 : 12); seed++)
        expect(settle(20, truth, 600, seed).mean).toBeLessThan(0.01);
    }
  });

  test("24 nodes on a circle of 100 ms, and one in the middle", () => {
    const { mean, most } = settle(25, (a, b) => {
      if (a === 0 || b === 0) return 100;
      const angle = (i: number): number => (2 * Math.PI * i) / 25;
      return Math.hypot(
        100 * (Math.cos(angle(a)) - Math.cos(angle(b))),
        100 * (Math.sin(angle(a)) - Math.sin(angle(b))),
      );
    });
    expect(mean).toBeLessThan(0.0025);
    expect(most).toBeLessThan(0.064);
  });

  test("25 and 100 nodes at random, 100 ms with a deviation of 10 ms", () => {
    for (const [count, cycles, meanBound] of [
      [25, 1_000, 0.075],
      // Ten times the pairs in the same eight dimensions; the truth itself deviates by 10 %.
      [100, 300, 0.1],
    ] as const) {
      const { mean, most } = settle(count, randomPhantom(count, 100, 10, 5), cycles);
      expect(mean, `${count} nodes`).toBeLessThan(meanBound);
      expect(most, `${count} nodes`).toBeLessThan(0.8);
    }
  });

  test("nobody drifts: after the same again each place is about where it was", () => {
    const { nodes } = settle(25, (a, b) => (a < 12 === b < 12 ? 1 : 11), thorough ? 4_000 : 2_000);
    const centre = Array.from(
      { length: dimensions },
      (_, k) => nodes.reduce((sum, node) => sum + (node.own.vector_ms[k] ?? 0), 0) / nodes.length,
    );
    expect(Math.hypot(...centre)).toBeLessThan(20);
  });
});

describe("poisoned coordinates and round trips", () => {
  const good: Coordinate = {
    vector_ms: [1, 2, 3, 4, 5, 6, 7, 8],
    error: 0.2,
    adjustment_ms: 0,
    height_ms: 1,
  };
  test.each<[string, Coordinate]>([
    ["NaN in the vector", { ...good, vector_ms: [Number.NaN, 2, 3, 4, 5, 6, 7, 8] }],
    ["infinity in the vector", { ...good, vector_ms: [1, 2, 3, 4, 5, 6, 7, -Infinity] }],
    ["a number that overflows", { ...good, vector_ms: [3e38, 2, 3, 4, 5, 6, 7, 8] }],
    ["fewer dimensions", { ...good, vector_ms: [1, 2, 3] }],
    ["more dimensions", { ...good, vector_ms: [1, 2, 3, 4, 5, 6, 7, 8, 9] }],
    ["no dimension", { ...good, vector_ms: [] }],
    ["NaN error", { ...good, error: Number.NaN }],
    ["negative error", { ...good, error: -0.1 }],
    ["an error above the most", { ...good, error: errorMost + 0.1 }],
    ["NaN height", { ...good, height_ms: Number.NaN }],
    ["a height below the least", { ...good, height_ms: 0 }],
    ["infinite adjustment", { ...good, adjustment_ms: Infinity }],
  ])("%s is refused and changes nothing", (_what, said) => {
    const node = new Coordinates(1);
    node.observe(id(1), 10, good);
    const before = JSON.stringify(node.own);
    expect(node.observe(id(2), 10, said)).toBe("bad_coordinate");
    expect(JSON.stringify(node.own)).toBe(before);
    expect(node.of(id(2))).toBeUndefined();
  });

  test.each([0, -1, -1e-9, Number.NaN, Infinity, 10_000.001])(
    "a round trip of %d ms is refused",
    (roundTrip_ms) => {
      const node = new Coordinates(1);
      expect(node.observe(id(1), roundTrip_ms, good)).toBe("bad_round_trip");
      expect(node.own).toBe(originCoordinate);
    },
  );

  test("whatever is said and measured, the own coordinate stays sane", () => {
    const part = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const anything = fc.double();
    const said = fc.record({
      vector_ms: fc.oneof(
        fc.array(part, { minLength: dimensions, maxLength: dimensions }),
        fc.array(anything, { maxLength: 10 }),
      ),
      error: fc.oneof(fc.double({ min: 0, max: errorMost, noNaN: true }), anything),
      adjustment_ms: fc.oneof(part, anything),
      height_ms: fc.oneof(fc.double({ min: heightLeast_ms, max: 1e6, noNaN: true }), anything),
    });
    const roundTrip = fc.oneof(fc.double({ min: 1e-9, max: 10_000, noNaN: true }), anything);
    fc.assert(
      fc.property(fc.array(fc.tuple(said, roundTrip), { maxLength: 60 }), (samples) => {
        const node = new Coordinates(3);
        for (const [i, [coordinate, roundTrip_ms]] of samples.entries()) {
          node.observe(id(i % 4), roundTrip_ms, coordinate);
          expect(isSane(node.own)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a place that is driven out of bounds begins anew, and is counted", () => {
    const node = new Coordinates(4);
    // A liar that always says it is a hair beside this node, and far above it.
    for (let i = 0; i < 50 && node.resets === 0; i++) {
      const vector_ms = node.own.vector_ms.map((part, k) => (k === 0 ? part + 0.002 : part));
      node.observe(id(1), 10_000, { ...good, vector_ms, height_ms: 5_000, error: 0 });
    }
    expect(node.resets).toBeGreaterThan(0);
    expect(isSane(node.own)).toBe(true);
  });

  test("one late packet among three does not move the place", () => {
    const [a, b] = [new Coordinates(1), new Coordinates(1)];
    const feed = (node: Coordinates, samples: readonly number[]): void => {
      for (const roundTrip_ms of samples) node.observe(id(1), roundTrip_ms, good);
    };
    feed(a, [10, 10, 10, 10, 10]);
    feed(b, [10, 10, 10, 9_000, 10]);
    expect(b.own).toEqual(a.own);
  });
});

describe("rings of measured distance", () => {
  test("borders at 6, 15, 50, 100 and 200 ms", () => {
    expect([0.1, 5.9, 6, 14, 15, 49, 50, 99, 100, 199, 200, 9_000].map(ringOf)).toEqual([
      0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5,
    ]);
  });

  test("no ring and no median below 20 samples", () => {
    const trips = new RoundTrips();
    for (let i = 1; i < samplesLeast; i++) trips.add(3);
    expect([trips.ring, trips.median_ms]).toEqual([undefined, undefined]);
    trips.add(3);
    expect([trips.ring, trips.median_ms]).toEqual([0, 3]);
  });

  test("a member at a border stays in its ring; one that moved far changes it", () => {
    const trips = new RoundTrips();
    const feed = (roundTrip_ms: number): number | undefined => {
      for (let i = 0; i < samplesLeast; i++) trips.add(roundTrip_ms);
      return trips.ring;
    };
    expect([5.9, 6.1, 5.9, 6.5, 6.7, 5.9, 5.3].map(feed)).toEqual([0, 0, 0, 0, 1, 1, 0]);
  });

  test("while places are vague what was measured is told, and of two others nothing", () => {
    const node = new Coordinates(1);
    const vague = { ...originCoordinate, error: 1.4 };
    for (let i = 0; i < samplesLeast; i++) node.observe(id(1), 42, vague);
    const place = node.of(id(1));
    if (!place) throw new Error("the place is known");
    expect(estimate_ms(node.own, place)).toBe(42);
    expect(estimateBetween_ms(place, place)).toBeUndefined();
    node.forget(id(1));
    expect(node.of(id(1))).toBeUndefined();
    expect(node.ring(id(1))).toBeUndefined();
  });
});
