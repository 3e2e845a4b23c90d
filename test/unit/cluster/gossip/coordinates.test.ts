import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { Distances } from "../../../../src/cluster/gossip/distances.ts";
import { Swim } from "../../../../src/swim/swim.ts";
import { timingOf } from "../../../../src/swim/timing.ts";
import type { Coordinate } from "../../../../src/wire/gossip-coordinate.ts";
import { decodeRecords, type GossipRecord, joinRecords } from "../../../../src/wire/gossip-records.ts";
import { World, type WorldNode } from "../../../support/gossip-world.ts";

const id = (name: string): NodeId => name as NodeId;
const tags = { version: "1", region: "", zone: "", api: "", maxAgents: 1, weight: 1, services: [] };
const sane: Coordinate = { vector_ms: [1, 0, 0, 0, 0, 0, 0, 0], error: 1, adjustment_ms: 0, height_ms: 1 };

function distancesOf(node: WorldNode): Distances {
  const distances = new Distances(node.id);
  for (const report of node.reports) {
    if (report.kind === "places") distances.learn(report.own, report.places);
  }
  return distances;
}

describe("coordinates over gossip", () => {
  test("after a minute every node tells the round trip to and between the others within a tenth", async () => {
    const world = new World(5);
    const nodes = await world.cluster(6);
    const far = (node: WorldNode): boolean => Number(node.host.split(".")[3]) > 3;
    const oneWay_ms = (a: WorldNode, b: WorldNode): number => (far(a) === far(b) ? 1 : 20);
    for (const a of nodes) {
      for (const b of nodes) {
        world.network.setLink(a.host, b.host, { delay_ms: [oneWay_ms(a, b), oneWay_ms(a, b) * 1.02] });
      }
    }
    world.clock.advance(120_000);
    for (const at of nodes) {
      const distances = distancesOf(at);
      for (const a of nodes) {
        for (const b of nodes) {
          const estimate = distances.between_ms(a.id, b.id) ?? Number.NaN;
          const truth = a === b ? 0 : 2 * oneWay_ms(a, b);
          expect(Math.abs(estimate - truth), `${a.id} to ${b.id} at ${at.id}`).toBeLessThan(truth / 10 + 0.3);
        }
      }
    }
  });

  test("of a node never heard of nothing is told, and of a forgotten one nothing any more", async () => {
    const world = new World(6);
    const [first, second] = await world.cluster(2);
    if (!first || !second) throw new Error("two nodes were wanted");
    world.clock.advance(30_000);
    const distances = distancesOf(first);
    expect(distances.between_ms(second.id, first.id)).toBeGreaterThan(0);
    expect(distances.between_ms(id("stranger"), first.id)).toBeUndefined();
    distances.forget(second.id);
    expect(distances.between_ms(second.id, first.id)).toBeUndefined();
  });

  test.each<[string, Coordinate, string]>([
    ["NaN", { ...sane, vector_ms: [Number.NaN, 0, 0, 0, 0, 0, 0, 0] }, "bad_coordinate"],
    ["infinity", { ...sane, height_ms: Infinity }, "bad_coordinate"],
    ["other dimensions", { ...sane, vector_ms: [1, 2] }, "bad_coordinate"],
  ])("an ack with a coordinate of %s is an ack, and the coordinate is refused", (_what, said, reason) => {
    const address = { host: "10.0.0.1", port: 7946 };
    const swim = new Swim(
      {
        self: id("a"),
        boot: 1,
        address,
        tags,
        timing: timingOf("lan"),
        seed: 1,
        payloadLimit_bytes: 1_280,
        reserved_bytes: 0,
      },
      0,
    );
    swim.step({ kind: "enter" }, 0);
    const incarnation = { boot: 1, counter: 0 };
    const hear = (now: number, ...records: GossipRecord[]) =>
      swim.step(
        {
          kind: "packet",
          from: id("b"),
          boot: 1,
          address,
          records: decodeRecords(joinRecords([])).concat(records),
        },
        now,
      );
    hear(1, { kind: "alive", node: id("b"), incarnation, address: { host: "10.0.0.2", port: 7946 }, tags });
    const effects = swim.step({ kind: "ping", ping: 7, node: id("b"), timeout_ms: 1_000 }, 2);
    const probes = effects.flatMap((effect) =>
      effect.kind === "send" ? decodeRecords(joinRecords(effect.records)) : [],
    );
    const probe = probes.find((record) => record.kind === "probe");
    if (probe?.kind !== "probe") throw new Error("a ping is a probe");
    const answer = hear(
      5,
      { kind: "ack", sequence: probe.sequence },
      { kind: "coordinate", coordinate: said },
    );
    expect(answer).toContainEqual({ kind: "pinged", ping: 7, roundTrip_ms: 3 });
    expect(swim.refused.get(reason)).toBe(1);
    expect(swim.coordinates.of(id("b"))).toBeUndefined();
  });
});
