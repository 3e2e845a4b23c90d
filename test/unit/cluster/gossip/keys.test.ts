import { describe, expect, test } from "vitest";
import { createCertifier } from "../../../../src/security/death-certifier.ts";
import { encodeCertificatePacket } from "../../../../src/wire/death-certificate.ts";
import { clusterUuid, World, type WorldNode } from "../../../support/gossip-world.ts";

const [old, fresh] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(9)];

/** One node after the other takes these keys, with news under way all the time. */
function turn(world: World, nodes: readonly WorldNode[], keys: readonly Uint8Array[]): void {
  for (const node of nodes) {
    world.setKeys(node, keys);
    world.clock.advance(400);
  }
}

function dropped(nodes: readonly WorldNode[], reason: string): number {
  return nodes.reduce((sum, node) => sum + (node.driver.stats().dropped[reason] ?? 0), 0);
}

describe("rotating the gossip key of a live ring", () => {
  test("new key last, then first, then alone: no packet is lost and nobody is suspected", async () => {
    const world = new World(21);
    const nodes = await world.cluster(7);
    world.clock.advance(3_000);
    turn(world, nodes, [old, fresh]);
    turn(world, nodes, [fresh, old]);
    turn(world, nodes, [fresh]);
    world.clock.advance(10_000);
    expect([dropped(nodes, "unknown_key"), dropped(nodes, "bad_seal")]).toEqual([0, 0]);
    expect([...world.events("suspect"), ...world.events("failed")]).toEqual([]);
  });

  test("one that missed the rotation is told why, lives on by its streams, and speaks again with the key", async () => {
    const world = new World(22);
    const nodes = await world.cluster(4);
    const [late, ...others] = nodes;
    if (!late) throw new Error("four nodes were wanted");
    world.clock.advance(3_000);
    turn(world, others, [old, fresh]);
    turn(world, others, [fresh, old]);
    turn(world, others, [fresh]);
    world.clock.advance(20_000);
    expect(dropped(others, "unknown_key")).toBeGreaterThan(0);
    expect(world.events("failed")).toEqual([]);
    expect(
      late.reports.some((report) => report.kind === "refused" && /another cluster key/.test(report.reason)),
    ).toBe(true);
    world.setKeys(late, [fresh]);
    world.clock.advance(1_000);
    const before = dropped(nodes, "unknown_key");
    world.clock.advance(20_000);
    expect(dropped(nodes, "unknown_key")).toBe(before);
    expect(others.every((node) => world.statusAt(node, late) === "alive")).toBe(true);
  });

  test("a death certificate goes by the new keys, too", async () => {
    const world = new World(23);
    const nodes = await world.cluster(3);
    const [first, second] = nodes;
    if (!first || !second) throw new Error("three nodes were wanted");
    world.clock.advance(3_000);
    turn(world, nodes, [old, fresh]);
    const socket = await world.datagrams.bind(
      { host: "10.0.9.9", port: 0 },
      { packet: () => undefined, refused: () => undefined },
    );
    const signed = createCertifier({ clusterName: "test", clusterUuid, keys: [fresh] }).sign(second.id, 1);
    await world.silence(second);
    socket.send({ host: first.host, port: 7946 }, encodeCertificatePacket(signed));
    expect(world.clock.runUntil(() => world.statusAt(first, second) === "failed", 100)).toBe(true);
  });
});
