import { describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import {
  decodeRecords,
  encodeRecord,
  encodeRecords,
  type GossipRecord,
  joinRecords,
} from "../../../../src/wire/gossip-records.ts";
import { idleLoad } from "../../../../src/wire/gossip-tags.ts";
import { flipped, onslaught } from "../../../support/hostile-packets.ts";
import { addressOf, benchTags } from "../../../support/swim-bench.ts";
import { World, type WorldNode } from "../../../support/gossip-world.ts";

/** `CAXTON_FUZZ_PACKETS=10000000` throws as many at one driver. */
const packets = Number(process.env["CAXTON_FUZZ_PACKETS"] ?? 20_000);
const limit_ms = 3_600_000;

describe("packets of strangers", () => {
  test(
    `${packets} of outsiders, other clusters, other versions and damaged ones change nothing`,
    async () => {
      const { classes, dropped, before, after, refusedReports, alive } = await onslaught(packets, 11);
      expect(Object.keys(classes).length).toBe(8);
      expect(after).toEqual(before);
      // Each is counted under a reason, whatever it is.
      expect(Object.values(dropped).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(packets);
      for (const reason of ["malformed", "version", "unknown_key", "bad_seal", "replayed"])
        expect(dropped[reason], reason).toBeGreaterThan(0);
      expect(refusedReports).toBeLessThanOrEqual(1);
      expect(alive).toEqual(["n1", "n1", "n2", "n2"]);
    },
    limit_ms,
  );
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

/** Everything that a member may say of the other two, as packets of one to three records. */
function honestPackets(nodes: readonly WorldNode[], prng: Prng): Uint8Array[] {
  const module = "0".repeat(64) as ModuleHash;
  const claim = { epoch: 1, revision: 1, status: "running", module } as const;
  const records = nodes.flatMap(({ id: node, host, boot }): GossipRecord[] => {
    const [incarnation, address] = [
      { boot, counter: 0 },
      { host, port: 7_946 },
    ];
    const row = { node, incarnation, address, tags: benchTags };
    return [
      { kind: "probe", sequence: 7, target: node },
      { kind: "probe-request", sequence: 8, target: node, address, wait_ms: 100 },
      { kind: "ack", sequence: 7 },
      { kind: "nack", sequence: 8 },
      { kind: "introduce" },
      { kind: "push-pull", reply: true },
      { kind: "alive", ...row },
      { kind: "suspect", node, incarnation, accuser: node },
      { kind: "failed", node, incarnation, accuser: node },
      { kind: "left", node, incarnation },
      { kind: "load", node, boot, sequence: 1, load: idleLoad },
      { kind: "member", ...row, status: "alive", age_ms: 9, loadSequence: 1, load: idleLoad },
      { kind: "member", ...row, status: "failed", age_ms: 9, loadSequence: 1, load: idleLoad },
      { kind: "head", owner: node, head: { boot, complete: 1, hash: 3 } },
      { kind: "change", owner: node, boot, change: { agent: "kept" as AgentName, sequence: 2, claim } },
      { kind: "pull", owner: node, boot, since: 0 },
      { kind: "tags-digest", node, boot, digest: { sequence: 9, hash: 1 } },
      {
        kind: "coordinate",
        coordinate: { vector_ms: [1, 2, 3, 4, 5, 6, 7, 8], error: 1, adjustment_ms: 0, height_ms: 1 },
      },
    ];
  });
  return Array.from({ length: 256 }, () =>
    encodeRecords(
      Array.from({ length: 1 + prng.below(3) }, () => prng.pick(records) ?? { kind: "introduce" }),
    ),
  );
}

/** An operator's word, a new life, a new member: whoever holds the key can say these in anybody's name. */
function isAuthority(record: GossipRecord, members: readonly WorldNode[]): boolean {
  switch (record.kind) {
    case "removed":
    case "grave":
      return true;
    case "alive":
    case "member":
      return members.every(({ id, boot }) => record.node !== id || record.incarnation.boot !== boot);
    default:
      return false;
  }
}

describe("a member whose memory flips bits before it seals", () => {
  // Time goes on between them, which costs more than they do.
  const runs = Math.min(100_000, Math.ceil(packets / 4));

  test(
    `${runs} of its packets throw nothing, and do no lasting harm`,
    async () => {
      const world = new World(81);
      const nodes = await world.cluster(3);
      const [one, two, faulty] = nodes as [WorldNode, WorldNode, WorldNode];
      const module = "0".repeat(64) as ModuleHash;
      one.driver.announce(
        [{ agent: "kept" as AgentName, epoch: 1, revision: 1, status: "running", module }],
        [],
      );
      world.clock.advance(5_000);
      const prng = new Prng(81);
      const honest = honestPackets([one, two], prng);
      let read = 0;
      for (let i = 0; i < runs; i++) {
        const bytes = flipped((prng.pick(honest) ?? new Uint8Array(1)).slice(), prng);
        let records: readonly GossipRecord[] = [];
        try {
          records = decodeRecords(bytes);
        } catch {
          // It is the reader's to refuse: so below.
        }
        if (records.some((record) => isAuthority(record, nodes))) continue;
        if (records.length > 0) read++;
        for (const { driver } of [one, two]) driver.frame(faulty.id, bytes);
        if (i % 20 === 19) world.clock.advance(20);
      }
      expect(read).toBeGreaterThan(runs / 4);
      const agree = (): boolean =>
        [one, two].every((node) => [one, two].every((other) => world.statusAt(node, other) === "alive"));
      expect(world.clock.runUntil(agree, 30_000)).toBe(true);
      world.clock.advance(30_000);
      expect(agree()).toBe(true);
      for (const { driver } of nodes) expect(driver.directory.locate("kept" as AgentName)?.node).toBe(one.id);
      for (const { id, host } of [one, two])
        expect(two.driver.members().find((member) => member.id === id)?.address.host).toBe(host);
    },
    limit_ms,
  );
});
