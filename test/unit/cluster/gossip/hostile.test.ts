import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import type { Address } from "../../../../src/ports/datagrams.ts";
import { createGossipSealer } from "../../../../src/security/gossip-sealer.ts";
import { encodeHello } from "../../../../src/wire/gossip-hello.ts";
import { encodeRecords } from "../../../../src/wire/gossip-records.ts";
import { protocolRange } from "../../../../src/wire/protocol-version.ts";
import { clusterUuid, World, type WorldNode } from "../../../support/gossip-world.ts";

const runs = Math.ceil(Number(process.env["CAXTON_FUZZ_PACKETS"] ?? 100_000) / 20);

/** All that gossip may change. */
function stateOf(node: WorldNode): unknown {
  const members = node.driver.members().map(({ lastSeen_ms: _, ...member }) => member);
  return { members, heads: node.driver.directory.heads(), uuid: node.driver.uuid };
}

async function two(seed: number): Promise<{ world: World; node: WorldNode; other: WorldNode }> {
  const world = new World(seed);
  const [node, other] = await world.cluster(2);
  if (!node || !other) throw new Error("two nodes were wanted");
  world.clock.advance(2_000);
  return { world, node, other };
}

function randomBytes(prng: Prng, limit: number): Uint8Array {
  const bytes = new Uint8Array(prng.below(limit));
  for (let i = 0; i < bytes.length; i++) bytes[i] = prng.below(256);
  return bytes;
}

describe("hostile input changes nothing", () => {
  test("datagrams that nobody sealed are dropped and counted", async () => {
    const { world, node } = await two(41);
    const before = stateOf(node);
    const stranger = await world.datagrams.bind(
      { host: "10.0.9.9", port: 1 },
      { packet: () => undefined, refused: () => undefined },
    );
    const prng = new Prng(1);
    const target: Address = { host: node.host, port: 7946 };
    for (let i = 0; i < runs; i++) stranger.send(target, randomBytes(prng, 300));
    world.clock.advance(10);
    expect(stateOf(node)).toEqual(before);
    const { dropped } = node.driver.stats();
    expect((dropped["malformed"] ?? 0) + (dropped["version"] ?? 0) + (dropped["unknown_key"] ?? 0)).toBe(
      runs,
    );
  });

  test("sealed garbage of a real member is counted as malformed", async () => {
    const { world, node, other } = await two(42);
    const before = stateOf(node);
    const options = { node: "n9" as NodeId, bootEpoch: 1, clusterName: "test", clusterUuid };
    const sealer = createGossipSealer({ ...options, keys: [new Uint8Array(32).fill(7)] });
    const socket = await world.datagrams.bind(
      { host: "10.0.9.9", port: 1 },
      { packet: () => undefined, refused: () => undefined },
    );
    const prng = new Prng(2);
    const good = encodeRecords([
      {
        kind: "alive",
        node: other.id,
        incarnation: { boot: 1, counter: 0 },
        address: { host: other.host, port: 7946 },
        tags: { version: "", region: "", zone: "", api: "", maxAgents: 0, weight: 0, services: [] },
      },
    ]);
    for (let i = 0; i < runs; i++) {
      const payload = prng.chance(0.5)
        ? randomBytes(prng, 200)
        : good.slice(0, 2 + prng.below(good.length - 2));
      socket.send({ host: node.host, port: 7946 }, sealer.seal(payload));
    }
    world.clock.advance(10);
    expect(stateOf(node)).toEqual(before);
    expect(node.driver.stats().dropped["malformed"]).toBeGreaterThan(runs / 2);
  });

  test("stream frames and hellos of any bytes are refused, and the node lives on", async () => {
    const { world, node, other } = await two(43);
    const before = stateOf(node);
    const prng = new Prng(3);
    const hello = encodeHello({
      cluster: "test",
      uuid: null,
      node: "n9" as NodeId,
      boot: 1,
      protocol: protocolRange,
      records: new Uint8Array(0),
    });
    for (let i = 0; i < runs; i++) {
      node.driver.frame(other.id, randomBytes(prng, 300));
      const bytes = prng.chance(0.5) ? randomBytes(prng, 200) : hello.slice();
      bytes[prng.below(bytes.length)] = prng.below(256);
      node.driver.answerHello(bytes, "n9" as NodeId, { host: "10.0.9.9", port: 1 });
    }
    expect(stateOf(node)).toEqual(before);
    // One report a source and minute, however many tries.
    expect(node.reports.filter((report) => report.kind === "refused").length).toBeLessThanOrEqual(1);
    world.clock.advance(5_000);
    expect(world.alive(node)).toHaveLength(2);
  });

  test("a packet that is sent again is not taken again", async () => {
    const { world, node } = await two(44);
    world.network.setRules({ duplication: 1 });
    world.clock.advance(5_000);
    expect(node.driver.stats().dropped["replayed"]).toBeGreaterThan(10);
    expect(world.events("suspect")).toEqual([]);
  });
});
