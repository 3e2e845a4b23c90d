import { describe, expect, test } from "vitest";
import type { GossipRecord } from "../../../src/wire/gossip-records.ts";
import { idleLoad } from "../../../src/wire/gossip-tags.ts";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { addressOf, aliveRecord, at, benchTags, id, SwimBench } from "../../support/swim-bench.ts";

const asked = (bench: SwimBench, effects: readonly SwimEffect[]): boolean =>
  bench.sentTo("c", effects).some(({ kind }) => kind === "introduce");

describe("a new life of a member", () => {
  test("is believed of itself at once", () => {
    const bench = new SwimBench();
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("is not believed of one other, who may lie: it is asked itself, once a period", () => {
    const bench = new SwimBench();
    expect(asked(bench, bench.hear("b", aliveRecord("c", at(6, 0))))).toBe(true);
    expect(asked(bench, bench.hear("b", aliveRecord("c", at(6, 0))))).toBe(false);
    bench.now += 400;
    expect(asked(bench, bench.hear("b", aliveRecord("c", at(6, 0))))).toBe(true);
    expect([bench.state("c"), bench.refused("unvouched_life")]).toEqual(["alive 5.3", 3]);
    // So its present life is heard as before.
    bench.hear("c", aliveRecord("c", at(5, 4)));
    expect(bench.state("c")).toBe("alive 5.4");
  });

  test("nor of one other's table, nor by calling it another life each time", () => {
    const bench = new SwimBench();
    const row: GossipRecord = {
      kind: "member",
      node: id("c"),
      incarnation: at(6, 0),
      address: addressOf("b"),
      tags: benchTags,
      status: "alive",
      age_ms: 0,
      loadSequence: 0,
      load: idleLoad,
    };
    bench.hear("b", row);
    for (let boot = 7; boot < 3_000; boot++) bench.hear("b", aliveRecord("c", at(boot, 0)));
    expect(bench.state("c")).toBe("alive 5.3");
  });

  test("is believed of two others, when it cannot be reached from here", () => {
    const bench = new SwimBench();
    bench.fill(2);
    bench.hear("n1", aliveRecord("c", at(6, 0)));
    bench.hear("n1", aliveRecord("c", at(6, 1)));
    expect(bench.state("c")).toBe("alive 5.3");
    bench.hear("n2", aliveRecord("c", at(6, 1)));
    expect(bench.state("c")).toBe("alive 6.1");
  });

  test("is not believed of two who say so long after each other", () => {
    const bench = new SwimBench();
    bench.fill(2);
    bench.hear("n1", aliveRecord("c", at(6, 0)));
    bench.now += 40_000;
    bench.hear("n2", aliveRecord("c", at(6, 0)));
    expect(bench.swim.member(id("c"))?.incarnation.boot).toBe(5);
  });

  test("of one that failed is asked for, too", () => {
    const bench = new SwimBench();
    bench.fail("c", at(5, 3));
    expect(asked(bench, bench.hear("b", aliveRecord("c", at(6, 0))))).toBe(true);
    expect(bench.state("c")).toBe("failed 5.3");
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });
});
