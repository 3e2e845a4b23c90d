import { describe, expect, test } from "vitest";
import type { GossipRecord, MemberStatus } from "../../../src/wire/gossip-records.ts";
import type { Incarnation } from "../../../src/wire/gossip-values.ts";
import { idleLoad } from "../../../src/wire/gossip-tags.ts";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { addressOf, aliveRecord, at, benchTags, id, SwimBench } from "../../support/swim-bench.ts";

const asked = (bench: SwimBench, effects: readonly SwimEffect[]): boolean =>
  bench.sentTo("c", effects).some(({ kind }) => kind === "introduce");

const rowOf = (incarnation: Incarnation, status: MemberStatus): GossipRecord => ({
  kind: "member",
  node: id("c"),
  incarnation,
  address: addressOf("c"),
  tags: benchTags,
  status,
  age_ms: 0,
  loadSequence: 0,
  load: idleLoad,
});

describe("a new life of a member", () => {
  test("is believed of itself at once", () => {
    const bench = new SwimBench();
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("is asked who it is when it probes, until it has said so", () => {
    const bench = new SwimBench();
    bench.run(10_000);
    const told = (boot: number): string[] => {
      const records: GossipRecord[] = [{ kind: "probe", sequence: 7, target: id("a") }];
      const packet = { kind: "packet", from: id("b"), boot, address: addressOf("b"), records } as const;
      return bench.sentTo("b", bench.step(packet)).map(({ kind }) => kind);
    };
    bench.hear("b", aliveRecord("b", at(1, 1)));
    bench.run(10_000);
    expect(told(2)).toContain("introduce");
    bench.hear("b", aliveRecord("b", at(2, 0)));
    expect(told(2)).not.toContain("introduce");
  });

  test("tells of its load from the first on, however much the last one told", () => {
    const bench = new SwimBench();
    const load = (boot: number, sequence: number, agents: number): GossipRecord => {
      return { kind: "load", node: id("c"), boot, sequence, load: { ...idleLoad, agents } };
    };
    bench.hear("c", load(5, 9, 3));
    bench.hear("c", aliveRecord("c", at(6, 0)), load(6, 1, 4));
    bench.hear("c", load(5, 10, 5));
    expect(bench.swim.member(id("c"))?.load.agents).toBe(4);
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

  test("is asked for without wasting news on where another says that it is, once a period whatever lives it tells of", () => {
    const bench = new SwimBench();
    bench.run(60_000);
    bench.hear("b", aliveRecord("b", at(1, 1)));
    const lies = Array.from({ length: 20 }, (_, i) => {
      return { ...aliveRecord("c", at(6 + i, 0)), address: addressOf("evil") } as GossipRecord;
    });
    const sent = bench.hear("b", ...lies).filter((effect) => effect.kind === "send" && effect.node === "c");
    expect(bench.sentTo("c", sent).map(({ kind }) => kind)).toEqual(["introduce"]);
    expect(sent).toHaveLength(1);
  });

  test("nor of one other's table, nor by calling it another life each time", () => {
    const bench = new SwimBench();
    bench.hear("b", rowOf(at(6, 0), "alive"));
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

  test("is taken as the two say it alike: the second adds no other address, and no counter out of its reach", () => {
    for (const lie of [
      aliveRecord("c", at(6, 1_000_000)),
      { ...aliveRecord("c", at(6, 0)), address: addressOf("evil") } as GossipRecord,
      rowOf(at(6, 1_000_000), "alive"),
    ]) {
      const bench = new SwimBench();
      bench.fill(3);
      bench.hear("n1", aliveRecord("c", at(6, 0)));
      for (let again = 0; again < 3; again++) bench.hear("n2", lie);
      expect(bench.state("c")).toBe("alive 5.3");
      bench.hear("n3", aliveRecord("c", at(6, 1)));
      expect(bench.state("c")).toBe("alive 6.1");
      expect(bench.swim.member(id("c"))?.address).toEqual(addressOf("c"));
    }
  });

  test("is not believed of strangers, however many there are", () => {
    const bench = new SwimBench();
    for (let i = 0; i < 10; i++) bench.hear(`x${i}`, aliveRecord("c", at(6, 0)));
    bench.hear("b", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 5.3");
  });

  test("is not kept out by a lie that came first", () => {
    const bench = new SwimBench();
    bench.fill(3);
    bench.hear("n1", aliveRecord("c", at(6, 1_000_000)));
    bench.hear("n2", aliveRecord("c", at(6, 0)));
    bench.hear("n3", aliveRecord("c", at(6, 1)));
    expect(bench.state("c")).toBe("alive 6.1");
  });

  test("that has ended as well is nothing to learn of one who is gone", () => {
    const bench = new SwimBench();
    bench.fill(2);
    bench.hear("c", { kind: "left", node: id("c"), incarnation: at(5, 4) });
    for (const name of ["n1", "n2"]) bench.hear(name, rowOf(at(6, 0), "failed"));
    expect(bench.state("c")).toBe("left 5.4");
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

describe("a new life that one other tells of a member that is not heard here at all", () => {
  test("is believed when it was told so for long, until the member itself says another", () => {
    const bench = new SwimBench();
    bench.now += 1_000;
    bench.hear("b", aliveRecord("c", at(6, 0)));
    bench.now += 2_900;
    bench.hear("b", aliveRecord("c", at(6, 0)));
    expect(bench.swim.member(id("c"))?.incarnation.boot).toBe(5);
    bench.now += 200;
    bench.hear("b", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
    // It was a lie: the one that was never gone says what it is, once asked.
    const records: GossipRecord[] = [{ kind: "probe", sequence: 7, target: id("a") }];
    const probe = { kind: "packet", from: id("c"), boot: 5, address: addressOf("c"), records } as const;
    expect(bench.sentTo("c", bench.step(probe)).map(({ kind }) => kind)).toContain("introduce");
    bench.hear("c", aliveRecord("c", at(5, 7)));
    expect(bench.state("c")).toBe("alive 5.7");
  });

  test("is not while it is heard, nor where it is told each time otherwise", () => {
    for (const [heard, port] of [
      [true, 1],
      [false, 2],
    ] as const) {
      const bench = new SwimBench();
      for (let again = 0; again < 20; again++) {
        bench.now += 1_000;
        const { host } = addressOf("c");
        const address = { host, port: 7_000 + (port === 1 ? 0 : again) };
        bench.hear("b", { ...aliveRecord("c", at(6, 0)), address } as GossipRecord);
        if (heard) bench.hear("c", { kind: "nack", sequence: 1 });
      }
      expect(bench.swim.member(id("c"))?.incarnation.boot).toBe(5);
    }
  });
});

describe("what others told of a node before it was ever heard here", () => {
  test.each(["failed", "left", "alive"] as const)(
    "as %s in a later life than any real one, gives way to its own word",
    (status) => {
      const bench = new SwimBench();
      const row = { ...rowOf(at(900_000, 0), status), node: id("x") } as GossipRecord;
      bench.step({ kind: "frame", from: id("b"), records: [row] });
      expect(bench.state("x")).toBe(`${status} 900000.0`);
      const records: GossipRecord[] = [{ kind: "probe", sequence: 7, target: id("a") }];
      const probe = { kind: "packet", from: id("x"), boot: 7, address: addressOf("x"), records } as const;
      expect(bench.sentTo("x", bench.step(probe)).map(({ kind }) => kind)).toContain("introduce");
      bench.hear("x", { ...aliveRecord("x", at(7, 0)), address: addressOf("c") } as GossipRecord);
      expect(bench.state("x")).toBe("alive 7.0");
      // Once it was heard, only a later life of its own.
      bench.hear("x", { ...aliveRecord("x", at(6, 0)), address: addressOf("c") } as GossipRecord);
      bench.step({ kind: "frame", from: id("b"), records: [row] });
      expect(bench.state("x")).toBe("alive 7.0");
    },
  );

  test("leaves no grave when its time is over", () => {
    const bench = new SwimBench();
    const row = { ...rowOf(at(900_000, 0), "left"), node: id("x") } as GossipRecord;
    bench.step({ kind: "frame", from: id("b"), records: [row] });
    bench.now += 11 * 60_000;
    bench.step({ kind: "tick" });
    expect(bench.state("x")).toBe("unknown");
    expect(bench.swim.buriedBoot(id("x"))).toBeUndefined();
  });
});
