import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { neighboursCount, neighboursOf } from "../../../../src/swim/neighbours.ts";
import { World } from "../../../support/gossip-world.ts";

describe("streams to neighbours", () => {
  test("in a storm of joins none is dialled until the ring has been the same for a while", async () => {
    const world = new World(1);
    const [first] = await world.cluster(5);
    if (!first) throw new Error("there is a first node");
    world.clock.advance(10_000);
    const before = first.neighbours;
    expect(before).toHaveLength(neighboursCount);
    for (let joined = 6; joined <= 35; joined++) await world.start(`n${joined}`, { seeds: ["n1"] });
    world.clock.advance(1_600);
    expect(world.alive(first).length).toBeGreaterThan(30);
    expect(first.neighbours).toBe(before);
    world.clock.advance(5_000);
    expect(first.neighbours).not.toEqual(before);
    for (const node of world.nodes.values()) expect(node.neighbours).toHaveLength(neighboursCount);
  });

  test("in a storm in which the ring never stays the same they are dialled after a while all the same", async () => {
    const world = new World(4);
    const [first] = await world.cluster(5);
    if (!first) throw new Error("there is a first node");
    world.clock.advance(10_000);
    let before = first.neighbours;
    const newcomers = Array.from({ length: 34 }, (_, i) => `n${i + 6}` as NodeId);
    // Each that comes is nearer to the first on the ring than all before.
    for (const [i, name] of neighboursOf(first.id, newcomers, newcomers.length).toReversed().entries()) {
      await world.start(name, { seeds: ["n1"] });
      world.clock.advance(450);
      // By now there is a storm.
      if (i === 12) before = first.neighbours;
    }
    expect(world.alive(first).length).toBeGreaterThan(30);
    expect(first.neighbours).not.toBe(before);
  });

  test("outside of one who comes into the ring is dialled with the next look", async () => {
    const world = new World(2);
    const [first] = await world.cluster(3);
    if (!first) throw new Error("there is a first node");
    world.clock.advance(10_000);
    expect(first.neighbours).toHaveLength(2);
    await world.start("n4", { seeds: ["n1"] });
    world.clock.runUntil(() => world.alive(first).length === 4, 5_000);
    world.clock.advance(1_100);
    expect(first.neighbours).toHaveLength(3);
  });
});
