import { describe, expect, test } from "vitest";
import type { DatagramHandlers, Datagrams } from "../../../../src/ports/datagrams.ts";
import { createCertifier } from "../../../../src/security/death-certifier.ts";
import { encodeCertificatePacket } from "../../../../src/wire/death-certificate.ts";
import { clusterUuid, World, type WorldNode } from "../../../support/gossip-world.ts";
import { thorough } from "../../../support/thorough.ts";

const port = 7946;

function others(world: World, gone: WorldNode): WorldNode[] {
  return [...world.nodes.values()].filter((node) => node !== gone && !node.down);
}

function victimOf(nodes: readonly WorldNode[], seed: number): WorldNode {
  const victim = nodes[seed % nodes.length];
  if (!victim) throw new Error("there are nodes");
  return victim;
}

/** From the end of a node until all others know, ms. */
function knownAfter_ms(world: World, gone: WorldNode): number {
  const began = world.clock.now_ms();
  const known = (): boolean => others(world, gone).every((node) => world.statusAt(node, gone) === "failed");
  expect(world.clock.runUntil(known, 20_000)).toBe(true);
  return world.clock.now_ms() - began;
}

describe("hints in a cluster", () => {
  test.each(thorough ? [1, 2, 3, 4, 5, 6] : [1, 2])(
    "kill -9 of one of 30 is known to all within 1.5 s, seed %i",
    async (seed) => {
      const world = new World(seed);
      const nodes = await world.cluster(30);
      world.clock.advance(15_000 + 41 * seed);
      const victim = victimOf(nodes, 7 * seed);
      await world.kill(victim);
      expect(knownAfter_ms(world, victim)).toBeLessThan(1_500);
      const failed = world.events("failed").filter((event) => !event.startsWith(`${victim.id} at`));
      expect(failed).toEqual([]);
    },
  );

  test("a machine that goes silent gives no hint, and is found by probes", async () => {
    const world = new World(3);
    const nodes = await world.cluster(10);
    world.clock.advance(15_000);
    const victim = victimOf(nodes, 4);
    await world.silence(victim);
    const took_ms = knownAfter_ms(world, victim);
    expect(took_ms).toBeGreaterThan(1_500);
    expect(took_ms).toBeLessThan(5_000);
  });

  test("a firewall that rejects all packets between two nodes makes neither fail", async () => {
    const world = new World(4);
    const rejecting = (blocked: string): Datagrams => ({
      bind: async (local, handlers: DatagramHandlers) => {
        const socket = await world.datagrams.bind(local, handlers);
        return {
          local: socket.local,
          send: (to, bytes) => {
            if (to.host !== blocked) return socket.send(to, bytes);
            world.clock.after(0.1, () => handlers.refused(to));
            return "sent";
          },
          close: () => socket.close(),
        };
      },
    });
    await world.start("n1", { datagrams: rejecting("10.0.0.2") });
    await world.start("n2", { seeds: ["n1"], datagrams: rejecting("10.0.0.1") });
    for (const name of ["n3", "n4", "n5"]) await world.start(name, { seeds: ["n1"] });
    world.clock.advance(120_000);
    expect(world.events("failed")).toEqual([]);
    expect(world.events("suspect")).toEqual([]);
  });

  test("a crash and a start within a second is a restart, and no failure", async () => {
    for (const seed of [5, 6, 7]) {
      const world = new World(seed);
      const nodes = await world.cluster(5);
      world.clock.advance(10_000);
      const victim = victimOf(nodes, seed);
      await world.kill(victim);
      world.clock.advance(990);
      await world.start(victim.id, { boot: 2, seeds: ["n1", "n2"] });
      world.clock.advance(30_000);
      expect(world.events("failed"), `seed ${seed}`).toEqual([]);
    }
  });

  test("streams that close while both ends live are asked about, and nothing comes of it", async () => {
    const world = new World(8);
    const nodes = await world.cluster(6);
    for (let i = 0; i < 200; i++) {
      const [a, b] = [victimOf(nodes, i), victimOf(nodes, 5 * i + 1)];
      if (a !== b) a.driver.hint(b.id, b.boot);
      world.clock.advance(50);
    }
    expect([...world.events("suspect"), ...world.events("failed")]).toEqual([]);
  });
});

describe("a launcher's death certificate", () => {
  const certifier = (fill: number) =>
    createCertifier({ clusterName: "test", clusterUuid, keys: [new Uint8Array(32).fill(fill)] });

  async function tell(world: World, to: WorldNode, packet: Uint8Array): Promise<void> {
    const socket = await world.datagrams.bind(
      { host: "10.0.9.9", port: 0 },
      { packet: () => undefined, refused: () => undefined },
    );
    socket.send({ host: to.host, port }, packet);
    await socket.close();
  }

  test("to one member is known to all within a gossip round or four", async () => {
    const world = new World(9);
    const nodes = await world.cluster(30);
    world.clock.advance(15_000);
    const victim = victimOf(nodes, 12);
    await world.silence(victim);
    const packet = encodeCertificatePacket(certifier(7).sign(victim.id, victim.boot));
    await tell(world, victimOf(nodes, 3), packet);
    expect(knownAfter_ms(world, victim)).toBeLessThan(1_000);
    expect(world.events("suspect")).toEqual([]);
  });

  test("of another key, another life's boot epoch, cut or damaged changes nothing", async () => {
    const world = new World(10);
    const nodes = await world.cluster(3);
    world.clock.advance(2_000);
    const [target, victim] = [victimOf(nodes, 0), victimOf(nodes, 1)];
    const good = encodeCertificatePacket(certifier(7).sign(victim.id, victim.boot));
    const otherLife = good.slice();
    otherLife[2 + 1 + victim.id.length] = 9;
    const packets = [
      encodeCertificatePacket(certifier(8).sign(victim.id, victim.boot)),
      otherLife,
      good.slice(0, -1),
      new Uint8Array([0xc2]),
      new Uint8Array([0xc2, 9, ...good.slice(2)]),
    ];
    for (const packet of packets) await tell(world, target, packet);
    world.clock.advance(5_000);
    expect(world.statusAt(target, victim)).toBe("alive");
    expect(target.driver.stats().dropped).toMatchObject({ false_certificate: 2, malformed: 3 });
  });
});
