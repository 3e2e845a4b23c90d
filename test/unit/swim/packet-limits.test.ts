import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import {
  decodeRecords,
  frameLimit_bytes,
  type GossipRecord,
  joinRecords,
} from "../../../src/wire/gossip-records.ts";
import { accusation, at, id, SwimBench } from "../../support/swim-bench.ts";
import { gossipRecord } from "../wire/gossip-arbitraries.ts";

const payloadLimit_bytes = 1_280;

/** Bytes of the largest packet and the largest frame among these effects. */
function largest(effects: readonly SwimEffect[]): { packet: number; frame: number } {
  const sizes = { packet: 0, frame: 0 };
  for (const effect of effects) {
    if (effect.kind !== "send" && effect.kind !== "stream") continue;
    const kind = effect.kind === "send" ? "packet" : "frame";
    sizes[kind] = Math.max(sizes[kind], joinRecords(effect.records).length);
  }
  return sizes;
}

describe("no word of a member makes this node build something too large", () => {
  test("a packet full of old suspicions of this node is answered once", () => {
    const bench = new SwimBench();
    const old = Array.from({ length: 74 }, () => accusation("suspect", "a", at(0, 0)));
    const effects = bench.hear("b", ...old);
    expect(largest(effects).packet).toBeLessThanOrEqual(payloadLimit_bytes);
    const own = bench.sentTo("b", effects).filter((record) => record.kind === "alive" && record.node === "a");
    // The answer, and the news of this node's start.
    expect(own).toHaveLength(2);
  });

  test("a frame full of questions has a readable answer, and tables go back once", () => {
    const bench = new SwimBench();
    bench.fill(1_000);
    const probes = Array.from({ length: 2_000 }, (_, sequence): GossipRecord => ({
      kind: "probe",
      sequence,
      target: id("a"),
    }));
    const pushPulls = Array.from({ length: 40 }, (): GossipRecord => ({ kind: "push-pull", reply: true }));
    const effects = bench.step({ kind: "frame", from: id("b"), records: [...probes, ...pushPulls] });
    expect(largest(effects).frame).toBeLessThanOrEqual(frameLimit_bytes);
    expect(effects.filter(({ kind }) => kind === "exchange")).toHaveLength(1);
    for (const effect of effects) if (effect.kind === "stream") decodeRecords(joinRecords(effect.records));
  });

  test("a packet full of requests to probe others sets few packets off", () => {
    const bench = new SwimBench();
    bench.fill(30);
    const requests = Array.from({ length: 60 }, (_, sequence): GossipRecord => ({
      kind: "probe-request",
      sequence,
      target: id(`n${(sequence % 30) + 1}`),
      address: { host: "10.9.9.9", port: 1 },
      wait_ms: 100,
    }));
    const sent = bench.hear("b", ...requests).filter(({ kind }) => kind === "send");
    expect(sent.length).toBeLessThanOrEqual(8);
  });

  test("whatever is said, by packet or stream", () => {
    fc.assert(
      fc.property(
        fc.array(gossipRecord, { minLength: 40, maxLength: 60 }),
        fc.boolean(),
        (said, byPacket) => {
          const bench = new SwimBench();
          bench.fill(5);
          const told = said.map((record) =>
            "node" in record ? { ...record, node: id(record.kind.length % 2 === 0 ? "a" : "b") } : record,
          );
          const records: GossipRecord[] = [...said, ...Array.from({ length: 12 }, () => told).flat()];
          if (byPacket) bench.hear("b", ...records);
          else bench.step({ kind: "frame", from: id("b"), records });
          bench.run(2_000);
          const { packet, frame } = largest(bench.effects);
          expect(packet).toBeLessThanOrEqual(payloadLimit_bytes);
          expect(frame).toBeLessThanOrEqual(frameLimit_bytes);
        },
      ),
      { numRuns: 60 },
    );
  });
});
