import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import {
  Coordinates,
  dimensions,
  errorMost,
  estimate_ms,
  estimateBetween_ms,
  heightLeast_ms,
  isSane,
  originCoordinate,
} from "../../../src/swim/coordinates.ts";
import { ringOf, RoundTrips, samplesLeast } from "../../../src/swim/round-trips.ts";
import type { Coordinate } from "../../../src/wire/gossip-coordinate.ts";
import { grid, line, phantoms, settle, split } from "../../support/phantoms.ts";
import { thorough } from "../../support/thorough.ts";

const id = (i: number): NodeId => `n${i}` as NodeId;

describe("the usual phantoms, against the bounds that serf publishes for them", () => {
  test.each(phantoms)("$name", ({ nodes, truth_ms, cycles, seed, meanBelow, mostBelow }) => {
    const { mean, most } = settle(nodes, truth_ms, cycles, seed);
    expect(mean).toBeLessThan(meanBelow);
    expect(most).toBeLessThan(mostBelow);
  });

  test("at any seed the mean error of lines, grids and data centres is below 1 %", () => {
    for (const truth of [line, grid, split]) {
      for (let seed = 10; seed < (thorough ? 14 : 12); seed++)
        expect(settle(20, truth, 600, seed).mean).toBeLessThan(0.01);
    }
  });

  test("nobody drifts: after the same again each place is about where it was", () => {
    const { nodes } = settle(25, split, thorough ? 4_000 : 2_000);
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
