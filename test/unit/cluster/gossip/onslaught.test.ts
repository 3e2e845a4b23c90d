import { describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { encodeRecord, type GossipRecord, joinRecords } from "../../../../src/wire/gossip-records.ts";
import { onslaught } from "../../../support/hostile-packets.ts";
import { addressOf, benchTags } from "../../../support/swim-bench.ts";
import { World, type WorldNode } from "../../../support/gossip-world.ts";

const packets = Math.ceil(Number(process.env["CAXTON_FUZZ_PACKETS"] ?? 100_000) / 5);

describe("packets of strangers", () => {
  test(`${packets} of outsiders, other clusters, other versions and damaged ones change nothing`, async () => {
    const { classes, dropped, before, after, refusedReports, alive } = await onslaught(packets, 11);
    expect(Object.keys(classes).length).toBe(8);
    expect(after).toEqual(before);
    // Each is counted under a reason, whatever it is.
    expect(Object.values(dropped).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(packets);
    for (const reason of ["malformed", "version", "unknown_key", "bad_seal", "replayed"])
      expect(dropped[reason], reason).toBeGreaterThan(0);
    expect(refusedReports).toBeLessThanOrEqual(1);
    expect(alive).toEqual(["n1", "n1", "n2", "n2"]);
  }, 600_000);
});

/** What a member with a valid key may say of others, true or not. */
function lie(prng: Prng, about: WorldNode): GossipRecord {
  const member = about.driver.members().find(({ id }) => id === about.id);
  const counter = (member?.incarnation ?? 0) + prng.below(3);
  const incarnation = { boot: about.boot, counter };
  const [node, accuser] = [about.id, "liar" as NodeId];
  const lies: GossipRecord[] = [
    { kind: "suspect", node, incarnation, accuser },
    { kind: "failed", node, incarnation, accuser },
    { kind: "left", node, incarnation },
    { kind: "alive", node, incarnation, address: addressOf("elsewhere"), tags: benchTags },
    { kind: "failed", node, incarnation: { boot: about.boot, counter: 0xffff_ffff }, accuser },
    {
      kind: "alive",
      node,
      incarnation: { boot: 2 ** 47, counter: 1 },
      address: addressOf("elsewhere"),
      tags: benchTags,
    },
    {
      kind: "load",
      node,
      boot: about.boot,
      sequence: 2 ** 40,
      load: { agents: 9, cpu_percent: 9, memory_bytes: 9, memory_percent: 9 },
    },
    { kind: "head", owner: node, head: { boot: about.boot, complete: 2 ** 40, hash: 1 } },
    { kind: "tags-digest", node, boot: about.boot, digest: { sequence: 9, hash: 1 } },
    {
      kind: "coordinate",
      coordinate: { vector_ms: [Number.NaN, 0, 0, 0, 0, 0, 0, 0], error: 1, adjustment_ms: 0, height_ms: 1 },
    },
    {
      kind: "coordinate",
      coordinate: { vector_ms: [], error: Infinity, adjustment_ms: -1e300, height_ms: -5 },
    },
  ];
  return lies[prng.below(lies.length)] as GossipRecord;
}

describe("a member that lies about others", () => {
  test("makes nobody fail for long, moves nobody, and is forgotten when it stops", async () => {
    for (const seed of [71, 72]) {
      const world = new World(seed);
      const nodes = await world.cluster(6);
      const liar = nodes[5] as WorldNode;
      const honest = nodes.slice(0, 5);
      const [owner] = honest as [WorldNode];
      const module = "0".repeat(64) as ModuleHash;
      owner.driver.announce(
        [{ agent: "kept" as AgentName, epoch: 1, revision: 1, status: "running", module }],
        [],
      );
      world.clock.advance(10_000);
      const prng = new Prng(seed);
      const addresses = new Map(honest.map(({ id, host }) => [id, host]));
      let down_ms = 0;
      for (let at = 0; at < 30_000; at += 50) {
        const [about, to] = [honest[prng.below(5)] as WorldNode, honest[prng.below(5)] as WorldNode];
        // Over its own stream, which needs no forging at all.
        to.driver.frame(liar.id, joinRecords([encodeRecord(lie(prng, about))]));
        world.clock.advance(50);
        if (honest.some((node) => world.alive(node).length < 6)) down_ms += 50;
        for (const node of honest)
          for (const { id, address } of node.driver.members())
            if (addresses.has(id)) expect(address.host, `${id} at ${node.id}`).toBe(addresses.get(id));
      }
      // It may be doubted, again and again; that is not the same as gone.
      expect(down_ms).toBeLessThan(30_000);
      const agree = (): boolean =>
        honest.every((node) => honest.every((one) => world.statusAt(node, one) === "alive"));
      expect(world.clock.runUntil(agree, 5_000)).toBe(true);
      world.clock.advance(20_000);
      expect(agree()).toBe(true);
      for (const node of honest)
        expect(node.driver.directory.locate("kept" as AgentName)?.node).toBe(owner.id);
    }
  });
});
