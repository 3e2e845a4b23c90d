import { describe, expect, test } from "vitest";
import type { GossipRecord } from "../../../src/wire/gossip-records.ts";
import { idleLoad } from "../../../src/wire/gossip-tags.ts";
import { accusation, aliveRecord, at, id, SwimBench } from "../../support/swim-bench.ts";

/** Two probe periods: in them a refutation comes. */
const refutable_ms = 600;

describe("another's word that a member failed", () => {
  test("is an accusation that the member is told of at once, and can refute", () => {
    const bench = new SwimBench();
    const effects = bench.hear("b", accusation("failed", "c", at(5, 3)));
    expect(bench.state("c")).toBe("suspect 5.3");
    expect(bench.sentTo("c", effects)).toContainEqual(accusation("suspect", "c", at(5, 3), "a"));
    bench.run(refutable_ms / 2);
    bench.hear("c", aliveRecord("c", at(5, 4)));
    bench.run(refutable_ms);
    expect(bench.state("c")).toBe("alive 5.4");
  });

  test("stands when the member says nothing in that time, much sooner than a suspicion alone", () => {
    const bench = new SwimBench();
    bench.hear("b", accusation("failed", "c", at(5, 3)));
    bench.run(refutable_ms);
    expect(bench.state("c")).toBe("failed 5.3");
  });

  test("is taken at once of a member that was suspected here for as long", () => {
    const bench = new SwimBench();
    bench.hear("b", accusation("suspect", "c", at(5, 3)));
    bench.run(refutable_ms);
    expect(bench.state("c")).toBe("suspect 5.3");
    bench.hear("b", accusation("failed", "c", at(5, 3)));
    expect(bench.state("c")).toBe("failed 5.3");
  });

  test("said again by many, does not reach the member as many packets from here", () => {
    const bench = new SwimBench();
    const names = bench.fill(20);
    const said = names.map((name) => accusation("failed", "c", at(5, 3), name));
    const packets = said.flatMap((word) => bench.hear("b", word)).filter(({ kind }) => kind === "send");
    expect(packets.filter((effect) => "node" in effect && effect.node === "c")).toHaveLength(1);
  });

  test("of one that is suspected for long, though of something older, leaves it time to refute the newer", () => {
    const bench = new SwimBench();
    bench.hear("b", accusation("suspect", "c", at(5, 3)));
    bench.run(1_000);
    bench.hear("b", accusation("failed", "c", at(5, 4)));
    expect(bench.state("c")).toBe("suspect 5.4");
    bench.run(refutable_ms + 1);
    expect(bench.state("c")).toBe("failed 5.4");
  });

  test("of too many members by one source is not heard", () => {
    const bench = new SwimBench();
    const names = bench.fill(50);
    bench.hear("b", ...names.map((name) => accusation("failed", name, at(1, 0))));
    expect([...bench.swim.members].filter(({ status }) => status === "suspect")).toHaveLength(8);
  });
});

describe("who missed a goodbye", () => {
  test.each(["suspect", "failed"] as const)("and says %s instead, is told of it", (what) => {
    const bench = new SwimBench();
    const goodbye: GossipRecord = { kind: "left", node: id("c"), incarnation: at(5, 3) };
    bench.hear("c", goodbye);
    expect(bench.sentTo("b", bench.hear("b", accusation(what, "c", at(5, 3))))).toContainEqual(goodbye);
    // Of a member that failed nothing better is known here.
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
    bench.fail("c", at(6, 0));
    expect(bench.sentTo("b", bench.hear("b", accusation(what, "c", at(6, 0))))).toEqual([]);
  });
});

describe("a suspicion that nobody spoke of for long", () => {
  test("is told its subject once more before it ends, in time to answer", () => {
    const bench = new SwimBench();
    bench.hear("b", accusation("suspect", "c", at(5, 3)));
    let told_ms = 0;
    bench.run(10_000, (effect) => {
      const calls = effect.kind === "send" && effect.node === "c" && effect.records.length > 0;
      if (calls && bench.state("c").startsWith("suspect")) told_ms = bench.now;
    });
    const failed = bench.swim.member(id("c"));
    expect(failed?.status).toBe("failed");
    expect((failed?.since ?? 0) - told_ms).toBeLessThanOrEqual(refutable_ms);
  });
});

describe("what a member says of others that was lost itself", () => {
  const row = (status: "suspect" | "failed"): GossipRecord => {
    const { address, incarnation, tags } = aliveRecord("c", at(5, 3)) as Extract<
      GossipRecord,
      { kind: "alive" }
    >;
    const load = { loadSequence: 0, load: idleLoad };
    return { kind: "member", node: id("c"), address, incarnation, tags, status, age_ms: 0, ...load };
  };
  const words = [
    row("failed"),
    row("suspect"),
    accusation("failed", "c", at(5, 3)),
    accusation("suspect", "c", at(5, 3)),
  ];

  test.each(words)("is told its subject, which nobody here doubts: $kind $status", (word) => {
    for (const isBack of [false, true]) {
      const bench = new SwimBench();
      bench.fill(8);
      bench.hear("n1", accusation("failed", "b", at(1, 0)));
      bench.run(1_000);
      expect(bench.state("b")).toBe("failed 1.0");
      bench.hear("c", aliveRecord("c", at(5, 3)));
      if (isBack) bench.hear("b", aliveRecord("b", at(1, 1)));
      const effects = bench.hear("b", word);
      expect(bench.state("c")).toBe("alive 5.3");
      expect(bench.sentTo("c", effects)).toContainEqual(accusation("failed", "c", at(5, 3)));
    }
  });

  test("does not end a suspicion that others have had for long, nor does a stranger's word", () => {
    for (const apart of ["b", "x"]) {
      const bench = new SwimBench();
      bench.fill(8);
      bench.hear("b", accusation("suspect", "c", at(5, 3)));
      bench.hear("n1", accusation("failed", "b", at(1, 0)));
      bench.run(1_000);
      bench.hear("b", aliveRecord("b", at(1, 1)));
      expect([bench.state("b"), bench.state("c")]).toEqual(["alive 1.1", "suspect 5.3"]);
      bench.hear("b", accusation("failed", "c", at(5, 3), apart));
      bench.run(10);
      expect(bench.state("c"), apart).toBe("suspect 5.3");
      bench.hear("n2", accusation("failed", "c", at(5, 3), "n2"));
      expect(bench.state("c")).toBe("failed 5.3");
    }
  });

  test("counts again when its own probes had time to show it who is there, and of a new life at once", () => {
    for (const [back, wait_ms] of [
      [aliveRecord("b", at(1, 1)), 7_000],
      [aliveRecord("b", at(2, 0)), 0],
    ] as const) {
      const bench = new SwimBench();
      bench.fill(8);
      bench.hear("n1", accusation("failed", "b", at(1, 0)));
      bench.run(1_000);
      bench.hear("b", back);
      bench.now += wait_ms;
      bench.hear("b", accusation("suspect", "c", at(5, 3)));
      expect(bench.state("c")).toBe("suspect 5.3");
    }
  });
});
