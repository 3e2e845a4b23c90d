import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatNodeSet, parseNodeSet } from "../../../src/simulation/node-set.ts";
import { geographyOf, longestRoundTrip_ms, regionOf } from "../../../src/simulation/regions.ts";

const cities = geographyOf("cities");

describe("sets of nodes in words", () => {
  test("any set is read back from its words", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(49), { minLength: 1 }), (nodes) => {
        const sorted = nodes.toSorted((a, b) => a - b);
        expect(parseNodeSet(formatNodeSet(sorted), 50, cities)).toEqual(sorted);
      }),
    );
  });

  test("a region is its nodes, and all regions are all nodes", () => {
    const parts = cities.names.map((name) => parseNodeSet(`region:${name}`, 20, cities));
    expect(parts.flat().toSorted((a, b) => a - b)).toEqual(parseNodeSet("all", 20, cities));
    for (const [region, nodes] of parts.entries())
      for (const node of nodes) expect(regionOf(cities, node, 20)).toBe(region);
  });

  test.each(["", "n0", "n6", "n3-n2", "5", "region:mars", "n1;n2", "n1-", "all,x"])(
    "%j is refused",
    (text) => {
      expect(() => parseNodeSet(text, 5, cities)).toThrow();
    },
  );
});

describe("round trips between regions", () => {
  test.each(["one", "zones", "cities"] as const)(
    "of %s are the same both ways and shortest within one",
    (plan) => {
      const { names, roundTrip_ms } = geographyOf(plan);
      for (let a = 0; a < names.length; a++) {
        for (let b = 0; b < names.length; b++) {
          expect(roundTrip_ms[a]?.[b]).toBe(roundTrip_ms[b]?.[a]);
          if (a !== b) expect(roundTrip_ms[a]?.[b]).toBeGreaterThan(roundTrip_ms[a]?.[a] ?? 0);
        }
      }
      expect(longestRoundTrip_ms(geographyOf(plan))).toBeGreaterThan(0);
    },
  );
});
