import { describe, expect, test } from "vitest";
import { neighboursCount } from "../../../src/swim/neighbours.ts";
import { World } from "../../support/gossip-world.ts";

describe("streams to neighbours", () => {
  test("none is dialled while the ring changes, and all are once it does not for three seconds", async () => {
    const world = new World(1);
    const [first] = await world.cluster(5);
    if (!first) throw new Error("there is a first node");
    for (let joined = 6; joined <= 20; joined++) {
      await world.start(`n${joined}`, { seeds: ["n1"] });
      world.clock.advance(1_000);
      if (joined === 6) expect(first.neighbours).toEqual([]);
    }
    world.clock.advance(5_000);
    for (const node of world.nodes.values()) expect(node.neighbours).toHaveLength(neighboursCount);
  });
});
