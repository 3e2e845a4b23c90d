/** The membership core and its driver under Deno: three nodes find each other, and notice one that died. */
import { World } from "../support/gossip-world.ts";
import { same, smoke } from "./smoke.ts";

const patience_ms = 20_000;

smoke("three nodes join, one dies, the others know", async () => {
  const world = new World(5);
  const [first, second, third] = await world.cluster(3);
  if (first === undefined || second === undefined || third === undefined) throw new Error("no cluster");
  await world.kill(third);
  const known = world.clock.runUntil(
    () => world.statusAt(first, third) === "failed" && world.statusAt(second, third) === "failed",
    patience_ms,
  );
  same([known, world.alive(first)], [true, ["n1", "n2"]]);
});
