import { describe, expect, test } from "vitest";
import { timingOf } from "../../../src/swim/timing.ts";
import { signature_bytes } from "../../../src/wire/death-certificate.ts";
import { decodeRecords, type GossipRecord, joinRecords } from "../../../src/wire/gossip-records.ts";
import { accusation, aliveRecord, at, id, SwimBench } from "../../support/swim-bench.ts";

const certificate = (name: string, boot: number): GossipRecord => ({
  kind: "certificate",
  node: id(name),
  boot,
  keyId: new Uint8Array(8),
  signature: new Uint8Array(signature_bytes),
});

describe("death certificates", () => {
  test("the life that ended is failed at once, without suspicion, and the reason is told", () => {
    const bench = new SwimBench();
    const effects = bench.hear("b", certificate("c", 5));
    expect(effects.find(({ kind }) => kind === "member")).toMatchObject({
      event: "failed",
      reason: "its launcher certified the end of boot epoch 5",
    });
    expect(bench.state("c")).toBe("failed 5.3");
  });

  test("of a life that is failed already it is told that this is certain now", () => {
    const bench = new SwimBench();
    bench.fail("c", at(5, 3));
    expect(bench.state("c")).toBe("failed 5.3");
    const effects = bench.hear("b", certificate("c", 5));
    expect(effects.find(({ kind }) => kind === "member")).toMatchObject({
      event: "updated",
      reason: "its launcher certified the end of boot epoch 5",
    });
    expect(bench.hear("b", certificate("c", 5)).filter(({ kind }) => kind === "member")).toEqual([]);
  });

  test("no word brings that life back, its next life comes at once", () => {
    const bench = new SwimBench();
    bench.hear("b", certificate("c", 5));
    const answer = bench.sentTo("c", bench.hear("c", aliveRecord("c", at(5, 9))));
    expect(answer.map(({ kind }) => kind)).toContain("certificate");
    bench.hear("b", aliveRecord("c", at(5, 500)));
    expect(bench.state("c")).toBe("failed 5.3");
    expect(bench.refused("certified_dead")).toBe(2);
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
    bench.hear("b", certificate("c", 5));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("one of a life that was never seen ends the older ones, and one of the future is refused", () => {
    const bench = new SwimBench();
    bench.hear("b", certificate("c", 1_000_001));
    expect([bench.state("c"), bench.refused("poisoned")]).toEqual(["alive 5.3", 1]);
    bench.hear("b", certificate("c", 7));
    expect(bench.state("c")).toBe("failed 5.3");
    bench.hear("c", aliveRecord("c", at(7, 0)));
    expect(bench.state("c")).toBe("failed 5.3");
  });

  test("one that comes before its node is known keeps it out; an older one says nothing new", () => {
    const bench = new SwimBench();
    bench.hear("b", certificate("d", 3), certificate("d", 2));
    bench.hear("b", aliveRecord("d", at(3, 0)));
    expect(bench.state("d")).toBe("unknown");
  });

  test("a suspect that is certified dead is failed", () => {
    const bench = new SwimBench();
    bench.hear("b", accusation("suspect", "c", at(5, 3)), certificate("c", 5));
    expect(bench.state("c")).toBe("failed 5.3");
  });

  test("it spreads as news and in whole tables, before the row of its node", () => {
    const bench = new SwimBench();
    bench.hear("b", certificate("c", 5));
    bench.run(200);
    const spread = bench.sentTo("b", bench.effects).filter(({ kind }) => kind === "certificate");
    expect(spread.length).toBeGreaterThan(0);
    const table = bench.swim.table().flatMap((frame) => decodeRecords(joinRecords(frame)));
    const mine = table.filter((record) => "node" in record && record.node === "c").map(({ kind }) => kind);
    expect(mine).toEqual(["certificate", "member"]);
  });

  test("one of this node's own running life is a conflict and nothing more", () => {
    const bench = new SwimBench();
    const effects = bench.hear("b", certificate("a", 1));
    expect(effects.find(({ kind }) => kind === "conflict")).toMatchObject({ node: "a", source: "b" });
    expect(bench.state("a")).toBe("alive 1.0");
    expect(bench.hear("b", certificate("a", 0)).filter(({ kind }) => kind === "conflict")).toEqual([]);
  });

  test("it expires with the grave of its node", () => {
    const bench = new SwimBench();
    const { grave_ms } = timingOf("lan");
    bench.hear("b", certificate("d", 3));
    bench.now = grave_ms - 1_000;
    bench.step({ kind: "tick" });
    bench.hear("b", aliveRecord("d", at(3, 0)));
    expect(bench.state("d")).toBe("unknown");
    bench.now = grave_ms + 2_000;
    bench.step({ kind: "tick" });
    bench.hear("b", aliveRecord("d", at(3, 0)));
    expect(bench.state("d")).toBe("alive 3.0");
  });
});
