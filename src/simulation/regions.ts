/** Where nodes are and how long packets take between them: round trips of regions, in ms. */
import { assert, present } from "../base/assert.ts";
import type { RegionPlan } from "./scenario.ts";

export interface Geography {
  readonly names: readonly string[];
  /** Round trip of two regions; of two machines in one region on the diagonal. */
  readonly roundTrip_ms: readonly (readonly number[])[];
}

const cities = ["frankfurt", "virginia", "oregon", "sao-paulo", "singapore", "tokyo"];
/** Between the cities' large data centres as operators commonly measure them. Upper triangle, by rows. */
const between_ms = [
  [0.6, 90, 150, 205, 160, 235],
  [0.6, 65, 115, 225, 160],
  [0.6, 175, 165, 95],
  [0.6, 330, 260],
  [0.6, 70],
  [0.6],
];

export function geographyOf(plan: RegionPlan): Geography {
  switch (plan) {
    case "one":
      return { names: ["here"], roundTrip_ms: [[0.5]] };
    case "zones":
      return {
        names: ["zone-a", "zone-b", "zone-c"],
        roundTrip_ms: mirrored([[0.4, 1.2, 1.6], [0.4, 1.4], [0.4]]),
      };
    case "cities":
      return { names: cities, roundTrip_ms: mirrored(between_ms) };
  }
}

/** Regions get equal shares of the nodes, in order: the region's index. */
export function regionOf(geography: Geography, node: number, nodes: number): number {
  return Math.floor((node * geography.names.length) / nodes);
}

export function longestRoundTrip_ms(geography: Geography): number {
  return Math.max(...geography.roundTrip_ms.flat());
}

function mirrored(triangle: readonly (readonly number[])[]): number[][] {
  const size = triangle.length;
  assert(
    triangle.every((row, i) => row.length === size - i),
    "a triangle",
  );
  return triangle.map((_row, from) =>
    Array.from({ length: size }, (_, to) =>
      present(triangle[Math.min(from, to)]?.[Math.abs(to - from)], "a round trip"),
    ),
  );
}
