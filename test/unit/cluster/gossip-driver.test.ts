import { describe, expect, test } from "vitest";
import { World } from "../../support/gossip-world.ts";

describe("gossip drivers over a simulated network", () => {
  test("three nodes join one after the other and know each other", async () => {
    const world = new World(1);
    const nodes = await world.cluster(3);
    for (const node of nodes) expect(world.alive(node)).toHaveLength(3);
    expect(world.clock.now_ms()).toBeLessThan(2_000);
  });

  test("a killed node is known as failed by all others within 3.5 seconds, at any seed", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(seed);
      const nodes = await world.cluster(3);
      world.clock.advance(5_000 + seed * 37);
      const [a, b, c] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]];
      await world.kill(c);
      const killed = world.clock.now_ms();
      expect(world.clock.runUntil(() => world.statusAt(a, c) === "failed" && world.statusAt(b, c) === "failed", 10_000)).toBe(true);
      expect(world.clock.now_ms() - killed, `seed ${seed}`).toBeLessThan(3_500);
      expect(world.statusAt(a, b)).toBe("alive");
    }
  });
});
