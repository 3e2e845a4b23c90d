import { describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../../src/base/ids.ts";
import { DirectorySync } from "../../../../src/cluster/gossip/directory-sync.ts";
import { RecentSamples } from "../../../../src/cluster/gossip/statistics.ts";
import { Directory } from "../../../../src/ownership/directory.ts";
import { decodeRecords, joinRecords } from "../../../../src/wire/gossip-records.ts";
import { World, type WorldNode } from "../../../support/gossip-world.ts";

const module = "cd".repeat(32) as ModuleHash;
const named = (prefix: string, count: number) =>
  Array.from(
    { length: count },
    (_, i) =>
      ({ agent: `${prefix}-${i}` as AgentName, epoch: 1, revision: 1, status: "running", module }) as const,
  );

/** How many agents of `owner` a node can locate. */
function located(node: WorldNode, owner: WorldNode): number {
  return [...node.driver.directory.entries()].filter((entry) => entry.node === owner.id).length;
}

function first(nodes: readonly WorldNode[]): WorldNode {
  const [node] = nodes;
  if (!node) throw new Error("a node was wanted");
  return node;
}

describe("the agent directory over gossip", () => {
  test("a few changes ride in packets alone, within a second at ten nodes", async () => {
    const world = new World(31);
    const nodes = await world.cluster(10);
    const owner = first(nodes);
    world.clock.advance(3_000);
    const before = world.streamed_bytes;
    owner.driver.announce(named("a", 3), []);
    expect(world.clock.runUntil(() => nodes.every((node) => located(node, owner) === 3), 1_000)).toBe(true);
    expect(world.streamed_bytes).toBe(before);
  });

  test("10,000 agents reach ten nodes in five seconds, by stream, and packets stay small", async () => {
    const world = new World(32);
    const nodes = await world.cluster(10);
    const owner = first(nodes);
    owner.driver.announce(named("a", 10_000), []);
    const known = (): boolean => nodes.every((node) => located(node, owner) === 10_000);
    for (let i = 0; i < 50 && !known(); i++) world.clock.advance(100);
    expect(known()).toBe(true);
    // About 30 bytes an agent and node; twice that would be a melt-down in the making.
    expect(world.streamed_bytes).toBeLessThan(10 * 10_000 * 60);
    const { packetsSent, bytesSent } = owner.driver.stats();
    expect(bytesSent / packetsSent).toBeLessThan(700);
    const before = world.streamed_bytes;
    world.clock.advance(10_000);
    expect(world.streamed_bytes - before).toBeLessThan(100_000);
  });

  test("changes made while a node was cut off reach it after the heal", async () => {
    const world = new World(33);
    const nodes = await world.cluster(3);
    const owner = first(nodes);
    owner.driver.announce(named("a", 20), []);
    world.clock.advance(2_000);
    world.network.cut(
      [owner.host],
      nodes.slice(1).map((node) => node.host),
    );
    world.clock.advance(10_000);
    owner.driver.announce(
      named("b", 500),
      named("a", 10).map(({ agent }) => agent),
    );
    world.clock.advance(10_000);
    world.network.heal();
    expect(world.clock.runUntil(() => nodes.every((node) => located(node, owner) === 510), 15_000)).toBe(
      true,
    );
  });

  test("lost packets are made up for: all converge under 20 % loss", async () => {
    const world = new World(34);
    const nodes = await world.cluster(5);
    world.network.setRules({ loss: 0.2, delay_ms: [1, 30] });
    for (let round = 0; round < 20; round++) {
      for (const [i, node] of nodes.entries()) node.driver.announce(named(`n${i}-${round}`, 5), []);
      world.clock.advance(200);
    }
    const known = (): boolean => nodes.every((node) => nodes.every((owner) => located(node, owner) === 100));
    expect(world.clock.runUntil(known, 20_000)).toBe(true);
  });

  test("a restarted node's agents stay located until it speaks of them anew", async () => {
    const world = new World(35);
    const nodes = await world.cluster(3);
    const [a, , c] = nodes as [WorldNode, WorldNode, WorldNode];
    c.driver.announce(named("x", 40), []);
    world.clock.advance(3_000);
    await world.kill(c);
    const again = await world.start("n3", { boot: 2, seeds: ["n1"] });
    world.clock.advance(2_000);
    expect(located(a, again)).toBe(40);
    again.driver.announce(named("x", 39), []);
    expect(world.clock.runUntil(() => located(a, again) === 39, 2_000)).toBe(true);
  });

  test("a restarted node without agents ends its old claims within ten seconds", async () => {
    const world = new World(36);
    const [a, , c] = (await world.cluster(3)) as [WorldNode, WorldNode, WorldNode];
    c.driver.announce(named("x", 4), []);
    world.clock.advance(3_000);
    await world.kill(c);
    const again = await world.start("n3", { boot: 2, seeds: ["n1"] });
    expect(world.clock.runUntil(() => located(a, again) === 0, 10_000)).toBe(true);
  });

  test("agents of a failed node stay located, those of one that left do not", async () => {
    const world = new World(37);
    const [a, b, c] = (await world.cluster(3)) as [WorldNode, WorldNode, WorldNode];
    b.driver.announce(named("b", 2), []);
    c.driver.announce(named("c", 2), []);
    world.clock.advance(2_000);
    await world.kill(b);
    c.driver.leave();
    world.clock.advance(10_000);
    expect([located(a, b), located(a, c)]).toEqual([2, 0]);
  });

  test("a copy that is false, though as long as the truth, is found out by the owner's own word", async () => {
    const world = new World(39);
    const nodes = await world.cluster(2);
    const owner = first(nodes);
    const node = first(nodes.slice(1));
    owner.driver.announce(named("true", 3), []);
    expect(world.clock.runUntil(() => located(node, owner) === 3, 5_000)).toBe(true);
    const { directory } = node.driver;
    const boot = directory.head(owner.id)?.boot ?? 0;
    directory.forget(owner.id);
    directory.begin(owner.id, boot);
    for (const [i, { agent, ...claim }] of named("false", 3).entries())
      directory.take(owner.id, boot, { agent, sequence: i + 1, claim });
    const agents = (): string[] => [...directory.entries()].map((entry) => entry.agent).toSorted();
    expect(agents()).toEqual(["false-0", "false-1", "false-2"]);
    const isTrue = (): boolean => agents().join() === "true-0,true-1,true-2";
    expect(world.clock.runUntil(isTrue, 10_000)).toBe(true);
  });

  test("convergence is measured", async () => {
    const world = new World(38);
    const owner = first(await world.cluster(3));
    world.clock.advance(1_000);
    owner.driver.announce(named("a", 3), []);
    world.clock.advance(5_000);
    const [sample] = owner.driver.stats().convergence_ms;
    expect(sample).toBeGreaterThan(0);
    expect(sample).toBeLessThan(2_000);
  });

  test("news told while everybody else was out of reach is not slow news", async () => {
    const world = new World(39);
    const nodes = await world.cluster(3);
    const owner = first(nodes);
    world.clock.advance(1_000);
    world.network.cut(
      [owner.host],
      nodes.slice(1).map((node) => node.host),
    );
    owner.driver.announce(named("a", 3), []);
    world.clock.advance(30_000);
    world.network.heal();
    world.clock.advance(30_000);
    expect(nodes.map((node) => located(node, owner))).toEqual([3, 3, 3]);
    expect(owner.driver.stats().convergence_ms).toEqual([]);
    owner.driver.announce(named("b", 1), []);
    world.clock.advance(5_000);
    expect(owner.driver.stats().convergence_ms).toHaveLength(1);
  });
});

/** One node, `n1`, and what it spreads. */
function alone(spread: string[]): DirectorySync {
  return new DirectorySync(
    {
      self: "n1" as NodeId,
      boot: 1,
      directory: new Directory(),
      bootOf: () => 1,
      aliveOthers: () => [],
      send: () => true,
      spread: (_key, bytes) => {
        for (const record of decodeRecords(joinRecords([bytes])))
          spread.push(record.kind === "head" ? `head ${record.owner} ${record.head.complete}` : record.kind);
      },
      refuse: () => undefined,
      convergence: new RecentSamples(1),
    },
    0,
  );
}

test("a row of changes is followed by its owner's head, once, for whom their news has missed", () => {
  const spread: string[] = [];
  const sync = alone(spread);
  sync.announce(named("a", 2), [], 0);
  sync.announce(named("b", 1), [], 1_000);
  const tick = (): number => {
    const now = sync.due();
    sync.run(now);
    return now;
  };
  expect(spread).toEqual(["change", "change", "change"]);
  expect(tick()).toBeGreaterThan(1_000);
  expect(spread.slice(3)).toEqual(["head n1 3"]);
  expect(sync.due()).toBe(Infinity);
  expect(spread).toHaveLength(4);
});

test("whoever took them as news says so too, since what the owner alone says reaches but a few", () => {
  const spread: string[] = [];
  const sync = alone(spread);
  sync.run(10_000);
  const owner = new Directory();
  for (const change of owner.announce("n2" as NodeId, 1, named("a", 3), []))
    sync.hear("n3" as NodeId, { kind: "change", owner: "n2" as NodeId, boot: 1, change }, 10_000);
  expect(spread.splice(0)).toEqual(["change", "change", "change"]);
  sync.run(10_500);
  expect(spread).toEqual([]);
  sync.run(13_000);
  sync.run(16_000);
  expect(spread).toEqual(["head n2 3"]);
  expect(sync.due()).toBe(Infinity);
});
