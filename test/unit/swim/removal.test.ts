import { describe, expect, test } from "vitest";
import { decodeRecords, type GossipRecord, joinRecords } from "../../../src/wire/gossip-records.ts";
import type { Incarnation } from "../../../src/wire/gossip-values.ts";
import { idleLoad } from "../../../src/wire/gossip-tags.ts";
import { addressOf, aliveRecord, at, benchTags, id, SwimBench } from "../../support/swim-bench.ts";

const hour_ms = 3_600_000;
const grave = (name: string, incarnation: Incarnation, age_ms = 0): GossipRecord => ({
  kind: "grave",
  node: id(name),
  incarnation,
  age_ms,
});
const removed = (name: string, incarnation: Incarnation): GossipRecord => ({
  kind: "removed",
  node: id(name),
  incarnation,
});
const rowOf = (name: string, incarnation: Incarnation) => ({
  node: id(name),
  incarnation,
  address: addressOf(name),
  tags: benchTags,
  status: "alive" as const,
  age_ms: 0,
  loadSequence: 0,
  load: idleLoad,
});
/** Two members tell it alike. */
const hearOfTwo = (bench: SwimBench, ...records: GossipRecord[]): void => {
  bench.fill(1);
  for (const teller of ["n1", "b"]) bench.hear(teller, ...records);
};
const table = (bench: SwimBench): GossipRecord[] =>
  bench.swim.table().flatMap((frame) => decodeRecords(joinRecords(frame)));

describe("an operator's removal", () => {
  test("is in the table that is exchanged, with its age, and ends there after two days", () => {
    const bench = new SwimBench();
    bench.step({ kind: "remove", node: id("c"), boot: 5 });
    bench.now = hour_ms;
    bench.step({ kind: "tick" });
    expect(table(bench)).toContainEqual(grave("c", at(5, 3), hour_ms));
    bench.now = 49 * hour_ms;
    bench.step({ kind: "tick" });
    expect(table(bench).filter(({ kind }) => kind === "grave")).toEqual([]);
  });

  test("out of a table is as good as by packet, and goes round again", () => {
    const bench = new SwimBench();
    bench.fill(1);
    for (const teller of ["b", "n1"])
      bench.step({ kind: "frame", from: id(teller), records: [grave("c", at(5, 3), hour_ms)] });
    expect(bench.state("c")).toBe("unknown");
    bench.hear("b", aliveRecord("c", at(5, 3)));
    expect(bench.state("c")).toBe("unknown");
    expect(table(bench)).toContainEqual(grave("c", at(5, 3), hour_ms));
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("of a later life than was heard of here ends a failed member, but nobody who is present", () => {
    const bench = new SwimBench();
    hearOfTwo(bench, grave("c", at(6, 2)));
    expect(bench.state("c")).toBe("alive 5.3");
    bench.fail("c", at(5, 3));
    hearOfTwo(bench, grave("c", at(6, 2)));
    expect(bench.state("c")).toBe("unknown");
    bench.hear("b", aliveRecord("c", at(6, 2)));
    expect(bench.state("c")).toBe("unknown");
  });

  test("given behind a cut, where a later word of the removed one was not heard, counts where it has failed", () => {
    const bench = new SwimBench();
    bench.hear("c", aliveRecord("c", at(5, 4)));
    bench.fail("c", at(5, 4));
    hearOfTwo(bench, grave("c", at(5, 3)));
    expect(bench.state("c")).toBe("unknown");
    bench.hear("b", aliveRecord("c", at(5, 4)));
    expect(bench.state("c")).toBe("unknown");
  });

  test("is not undone by a table in which the same life has failed at a later word of its own", () => {
    const bench = new SwimBench();
    bench.step({ kind: "remove", node: id("c"), boot: 5 });
    const row = (boot: number): GossipRecord => ({
      ...(aliveRecord("c", at(boot, 9)) as Extract<GossipRecord, { kind: "alive" }>),
      kind: "member",
      status: "failed",
      age_ms: 0,
      loadSequence: 0,
      load: { agents: 0, cpu_percent: 0, memory_bytes: 0, memory_percent: 0 },
    });
    bench.step({ kind: "frame", from: id("b"), records: [row(5)] });
    expect(bench.state("c")).toBe("unknown");
    bench.step({ kind: "frame", from: id("b"), records: [row(6)] });
    expect(bench.state("c")).toBe("failed 6.9");
  });

  test("of a stranger is kept, so that nobody brings it back; from the future or too old it is not", () => {
    const bench = new SwimBench();
    hearOfTwo(bench, grave("x", at(7, 0)), grave("y", at(2_000_000, 0)), grave("z", at(1, 0), 48 * hour_ms));
    bench.hear("b", aliveRecord("x", at(7, 0)), aliveRecord("y", at(1, 0)), aliveRecord("z", at(1, 0)));
    expect([bench.state("x"), bench.state("y"), bench.state("z")]).toEqual([
      "unknown",
      "alive 1.0",
      "alive 1.0",
    ]);
    expect(bench.refused("poisoned")).toBe(2);
  });

  test("is about one life, whatever that life says afterwards", () => {
    const bench = new SwimBench();
    bench.step({ kind: "remove", node: id("c"), boot: 5 });
    bench.hear("c", aliveRecord("c", at(5, 9)));
    bench.hear("b", { kind: "member", ...rowOf("c", at(5, 9)) });
    expect(bench.state("c")).toBe("unknown");
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("counts though its subject said something new meanwhile", () => {
    for (const word of ["removed", "grave"] as const) {
      const bench = new SwimBench();
      bench.hear("c", aliveRecord("c", at(5, 4)));
      hearOfTwo(bench, word === "grave" ? grave("c", at(5, 3)) : removed("c", at(5, 3)));
      bench.hear("b", aliveRecord("c", at(5, 4)));
      expect(bench.state("c"), word).toBe("unknown");
    }
  });

  test("ends no later life, though that began while it was being decided", () => {
    const bench = new SwimBench();
    bench.hear("c", aliveRecord("c", at(6, 0)));
    const effects = bench.step({ kind: "remove", node: id("c"), boot: 5 });
    expect(bench.state("c")).toBe("alive 6.0");
    expect(bench.sentTo("c", effects)).toEqual([]);
    bench.hear("b", removed("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("is told its subject at once, and again whenever it speaks", () => {
    const bench = new SwimBench();
    expect(bench.sentTo("c", bench.step({ kind: "remove", node: id("c"), boot: 5 }))).toContainEqual(
      removed("c", at(5, 3)),
    );
    const probe = { kind: "probe", sequence: 7, target: id("a") } as const;
    const packet = { kind: "packet", from: id("c"), boot: 5, address: addressOf("c") } as const;
    const told = (records: GossipRecord[]): GossipRecord[] =>
      bench.sentTo("c", bench.step({ ...packet, records })).filter(({ kind }) => kind === "removed");
    expect(told([probe])).toContainEqual(removed("c", at(5, 3)));
    expect(told([aliveRecord("c", at(5, 8))])).toContainEqual(removed("c", at(5, 3)));
  });

  test("is told to whoever probes from the removed life long after the news of it; another life is asked who it is", () => {
    const bench = new SwimBench();
    bench.step({ kind: "remove", node: id("c"), boot: 5 });
    // No packet carries it as news any more.
    bench.run(60_000);
    const told = (boot: number): string[] => {
      const records: GossipRecord[] = [{ kind: "probe", sequence: 7, target: id("a") }];
      const packet = { kind: "packet", from: id("c"), boot, address: addressOf("c"), records } as const;
      return bench.sentTo("c", bench.step(packet)).map(({ kind }) => kind);
    };
    expect(told(5)).toEqual(["ack", "removed", "coordinate"]);
    expect(told(6)).toEqual(["ack", "introduce", "coordinate"]);
  });

  test("of this node itself ends its part for good; of another life it changes nothing", () => {
    for (const word of [removed("a", at(1, 0)), grave("a", at(1, 0))]) {
      const bench = new SwimBench();
      hearOfTwo(bench, grave("a", at(9, 0)), removed("a", at(9, 0)), removed("a", at(0, 5)));
      expect(bench.state("a")).toBe("alive 1.0");
      hearOfTwo(bench, word);
      expect(bench.effects).toContainEqual({ kind: "removed", source: "b" });
      const before = bench.effects.length;
      bench.hear("b", word, aliveRecord("d", at(1, 0)));
      bench.run(60_000);
      expect(bench.effects.slice(before)).toEqual([]);
      expect(bench.step({ kind: "leave" })).toEqual([{ kind: "left-told" }]);
    }
  });

  test("a table carries the newest 256", () => {
    const bench = new SwimBench();
    for (const name of bench.fill(300)) bench.step({ kind: "remove", node: id(name), boot: 1 });
    const graves = table(bench).filter((record) => record.kind === "grave");
    expect(graves).toHaveLength(256);
    expect(graves.at(-1)).toMatchObject({ node: "n300" });
  });
});

describe("a removal that one member alone tells", () => {
  const words = (name: string): readonly GossipRecord[] => [removed(name, at(5, 3)), grave(name, at(5, 3))];

  test("changes nothing, however often it is told, and is not passed on; nor does a stranger's word help", () => {
    for (const word of words("c")) {
      const bench = new SwimBench();
      for (let again = 0; again < 20; again++) bench.hear("b", word);
      bench.hear("x", word);
      bench.fail("c", at(5, 3));
      bench.hear("b", word);
      expect([bench.state("c"), bench.refused("unproven_removal")]).toEqual(["failed 5.3", 22]);
      expect(table(bench).some(({ kind }) => kind === "grave")).toBe(false);
      bench.hear("c", aliveRecord("c", at(5, 4)));
      expect(bench.state("c")).toBe("alive 5.4");
    }
  });

  test.each(words("c"))(
    "makes this node ask another for its table, not the teller, and three at most",
    (word) => {
      const bench = new SwimBench();
      bench.fill(3);
      const asked: string[] = [];
      for (let again = 0; again < 20; again++) {
        bench.now += 500;
        for (const effect of bench.hear("b", word)) if (effect.kind === "exchange") asked.push(effect.node);
      }
      expect(asked).toHaveLength(3);
      for (const node of asked) expect(["n1", "n2", "n3"]).toContain(node);
    },
  );

  test("is passed on as news once it is proven", () => {
    const bench = new SwimBench();
    hearOfTwo(bench, grave("c", at(5, 3)));
    const news: GossipRecord[] = [];
    bench.run(1_000, (effect) => {
      if (effect.kind === "send") news.push(...decodeRecords(joinRecords(effect.records)));
    });
    expect(news).toContainEqual(removed("c", at(5, 3)));
  });

  test("of ever other lives makes this node ask ever less, until what the teller says proves true", () => {
    const bench = new SwimBench();
    bench.fill(3);
    const asks = (seconds: number, teller: string, life: number): number => {
      let asked = 0;
      for (let second = 0; second < seconds; second++) {
        bench.now += 1_000;
        const effects = bench.hear(teller, removed("x", at(life + second, 0)));
        asked += effects.filter(({ kind }) => kind === "exchange").length;
      }
      return asked;
    };
    bench.run(20_000);
    for (const name of ["n1", "n2", "n3", "b", "c"]) bench.hear(name, aliveRecord(name, at(9, 0)));
    // Whole tables are exchanged each 15 s anyway.
    expect(asks(1_000, "b", 1_000)).toBeLessThan(100);
    // One who lies costs the others nothing.
    expect(asks(1, "n1", 9_000)).toBe(1);
    bench.hear("n2", removed("x", at(1_999, 0)));
    expect(asks(1, "b", 9_100)).toBe(1);
  });

  test("is believed when the log of this node says so, before or after", () => {
    for (const logFirst of [true, false]) {
      const bench = new SwimBench();
      const log = (): unknown => bench.step({ kind: "removals", lives: [{ node: id("c"), boot: 5 }] });
      const tell = (): unknown => bench.hear("b", removed("c", at(5, 3)));
      for (const act of logFirst ? [log, tell] : [tell, log]) act();
      expect(bench.state("c")).toBe("unknown");
      expect(table(bench)).toContainEqual(grave("c", at(5, 3)));
      bench.hear("c", aliveRecord("c", at(5, 9)));
      expect(bench.state("c")).toBe("unknown");
      bench.hear("c", aliveRecord("c", at(6, 0)));
      // The log goes on saying it.
      log();
      expect(bench.state("c")).toBe("alive 6.0");
    }
  });

  test("does not end this node, but its log does, or the only other member", () => {
    const bench = new SwimBench();
    for (let again = 0; again < 5; again++) bench.hear("b", removed("a", at(1, 0)), grave("a", at(1, 0)));
    expect(bench.state("a")).toBe("alive 1.0");
    bench.step({ kind: "removals", lives: [{ node: id("a"), boot: 0 }] });
    expect(bench.effects.some(({ kind }) => kind === "removed")).toBe(false);
    bench.step({ kind: "removals", lives: [{ node: id("a"), boot: 1 }] });
    expect(bench.effects).toContainEqual({ kind: "removed", source: "a" });

    const pair = new SwimBench();
    pair.hear("b", removed("a", at(1, 0)));
    expect(pair.state("a")).toBe("alive 1.0");
    pair.step({ kind: "remove", node: id("c"), boot: 5 });
    pair.hear("b", removed("a", at(1, 0)));
    expect(pair.effects).toContainEqual({ kind: "removed", source: "b" });
  });

  test("of a name that nobody here knows does not keep it out", () => {
    const bench = new SwimBench();
    bench.hear("b", grave("x", at(900_000, 0)));
    bench.hear("x", aliveRecord("x", at(7, 0)));
    expect(bench.state("x")).toBe("alive 7.0");
  });
});

describe("a member that was forgotten after it was lost for long", () => {
  test("is told that it failed, not that it was removed: so it refutes that, and is back", () => {
    const bench = new SwimBench();
    bench.fail("c", at(5, 3));
    bench.now = 25 * hour_ms;
    bench.step({ kind: "tick" });
    expect(bench.state("c")).toBe("unknown");
    const said = bench.sentTo("c", bench.hear("c", aliveRecord("c", at(5, 3))));
    expect(said).toContainEqual({ kind: "failed", node: "c", incarnation: at(5, 3), accuser: "a" });
    expect(said.some(({ kind }) => kind === "removed")).toBe(false);
    bench.hear("c", aliveRecord("c", at(5, 4)));
    expect(bench.state("c")).toBe("alive 5.4");
  });
});
