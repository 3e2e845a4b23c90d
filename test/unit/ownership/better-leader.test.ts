import { expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { betterLeader } from "../../../src/ownership/better-leader.ts";
import type { NodeSight } from "../../../src/ownership/partition-map.ts";

const [a, b, c, d] = ["a", "b", "c", "d"] as unknown as [NodeId, NodeId, NodeId, NodeId];
const reaches = (...unreached: readonly NodeId[]): NodeSight => ({ minority: false, leader: a, unreached });
const sights = (...of: readonly (readonly [NodeId, NodeSight | null])[]) => new Map(of);

test("a voter that reaches all leads better, the first by name", () => {
  expect(betterLeader([b], [a, b, c, d], sights([d, reaches()], [c, reaches()]))).toBe(c);
  expect(betterLeader([b], [a, b, c, d], sights([c, reaches(d)], [d, reaches()]))).toBe(d);
});

test("nobody does who does not reach the unheard, or somebody else, or is unheard or cut off itself, or does not say", () => {
  expect(betterLeader([b], [a, b, c], sights([c, reaches(b)]))).toBeNull();
  expect(betterLeader([b], [a, c], sights([c, reaches(b)]))).toBeNull();
  expect(betterLeader([b], [a, b, c], sights([c, reaches(a)]))).toBeNull();
  expect(betterLeader([b], [a, b], sights([b, reaches()]))).toBeNull();
  expect(betterLeader([b], [a, b, c], sights([c, { ...reaches(), minority: true }]))).toBeNull();
  expect(betterLeader([b], [a, b, c], sights([c, null]))).toBeNull();
  expect(betterLeader([b], [a, b], sights())).toBeNull();
});
