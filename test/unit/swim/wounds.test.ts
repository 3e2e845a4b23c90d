/** What other implementations of SWIM were hurt by, each with its issue; those not here stand in test/README.md. */
import { present } from "../../../src/base/assert.ts";
import { describe, expect, test } from "vitest";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { decodeRecords, type GossipRecord, joinRecords } from "../../../src/wire/gossip-records.ts";
import { accusation, addressOf, aliveRecord, at, id, SwimBench } from "../../support/swim-bench.ts";

const minute_ms = 60_000;
const left = (name: string, counter = 0): GossipRecord => ({
  kind: "left",
  node: id(name),
  incarnation: at(1, counter),
});
const rows = (bench: SwimBench): GossipRecord[] =>
  bench.swim.table().flatMap((frame) => decodeRecords(joinRecords(frame)));

/** Ticks at their time, without what is between: nobody answers. */
function pass(bench: SwimBench, duration_ms: number): void {
  bench.now += duration_ms;
  bench.step({ kind: "tick" });
}

describe("wounds of others", () => {
  test("everyone restarts at incarnation 1 and stays dead (memberlist 311, 345)", () => {
    const bench = new SwimBench();
    bench.hear("c", aliveRecord("c", at(5, 900)));
    bench.fail("c", at(5, 900));
    bench.hear("c", aliveRecord("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("a name is held after its address changed (memberlist 157)", () => {
    const bench = new SwimBench();
    bench.fail("c", at(5, 3));
    const moved = { ...aliveRecord("c", at(6, 0)), address: addressOf("elsewhere") };
    bench.hear("c", moved);
    expect(bench.swim.member(id("c"))).toMatchObject({ status: "alive", address: addressOf("elsewhere") });
  });

  test("left nodes stay in the tables until these outgrow every limit (memberlist 253, consul 11970)", () => {
    const bench = new SwimBench();
    for (const name of bench.fill(2_000)) bench.hear(name, left(name));
    expect(rows(bench).filter((row) => row.kind === "member" && row.status === "left")).toHaveLength(2_000);
    for (let i = 0; i < 12; i++) pass(bench, minute_ms);
    expect(rows(bench).filter((row) => row.kind === "member" && row.status === "left")).toEqual([]);
    expect(bench.swim.table()).toHaveLength(1);
  });

  test("a leave times out in a large cluster (consul 8435)", () => {
    const bench = new SwimBench();
    bench.fill(1_000);
    pass(bench, 1);
    bench.step({ kind: "leave" });
    const told = (): boolean => bench.effects.some(({ kind }) => kind === "left-told");
    bench.run(3_000);
    expect(told()).toBe(true);
    const goodbyes = bench.effects.filter(
      (effect) =>
        effect.kind === "send" &&
        decodeRecords(joinRecords(effect.records)).some(
          ({ kind, ...rest }) => kind === "left" && "node" in rest,
        ),
    );
    expect(goodbyes.length).toBeGreaterThan(10);
  });

  test("where all leave at once, the last waits for nobody", () => {
    const bench = new SwimBench();
    bench.step({ kind: "leave" });
    const told = (): boolean => bench.effects.some(({ kind }) => kind === "left-told");
    bench.hear("b", left("b"));
    expect(told()).toBe(false);
    bench.hear("c", { kind: "left", node: id("c"), incarnation: at(5, 3) });
    expect(told()).toBe(true);
  });

  test("who leaves does not take its goodbye back by refuting what is said of it", () => {
    const bench = new SwimBench();
    bench.step({ kind: "leave" });
    const own = () => bench.swim.member(id("a"))?.incarnation;
    const incarnation = present(own(), "its own incarnation");
    bench.hear("b", accusation("suspect", "a", incarnation));
    bench.hear("c", accusation("failed", "a", incarnation, "c"));
    expect(own()).toEqual(incarnation);
  });

  test("all members are lost for ever (foca 15)", () => {
    const bench = new SwimBench();
    const contacts = (): SwimEffect[] => bench.effects.filter(({ kind }) => kind === "contact");
    const nobody = (effect: SwimEffect): void => {
      if (effect.kind === "contact") bench.step({ kind: "contacted", contact: effect.contact, by: null });
    };
    bench.run(10 * minute_ms, nobody);
    expect([bench.state("b"), bench.state("c")]).toEqual(["failed 1.0", "failed 5.3"]);
    const before = contacts().length;
    bench.run(minute_ms, nobody);
    expect(contacts().length - before).toBeGreaterThan(4);
  });

  test("the roster takes 20 minutes to learn (foca 19): one table has all of 1,000", () => {
    const [old, joiner] = [new SwimBench(1), new SwimBench(2)];
    old.fill(1_000);
    for (const frame of old.swim.table())
      joiner.step({ kind: "frame", from: id("b"), records: decodeRecords(joinRecords(frame)) });
    expect([...joiner.swim.members].filter(({ status }) => status === "alive")).toHaveLength(1_003);
  });

  test("400 nodes grow to 6,000 ghosts (foca 31): restarts, also elsewhere, leave one row a name", () => {
    const bench = new SwimBench();
    const names = bench.fill(40);
    for (let life = 2; life < 20; life++) {
      for (const name of names) {
        const record = { ...aliveRecord(name, at(life, 0)), address: addressOf(`${name} ${life}`) };
        bench.hear(name, record);
      }
    }
    expect([...bench.swim.members]).toHaveLength(names.length + 3);
    expect(rows(bench).filter(({ kind }) => kind === "member")).toHaveLength(names.length + 3);
  });

  test("membership starves all other traffic in a cluster of 1,000 (memberlist 299)", () => {
    const bench = new SwimBench();
    bench.fill(1_000);
    const bytes = new Uint8Array(60).fill(255);
    bench.step({ kind: "rumor", key: "directory", priority: "directory", bytes });
    const before = bench.effects.length;
    bench.run(300);
    const carried = bench.effects
      .slice(before)
      .filter((effect) => effect.kind === "send" && effect.records.includes(bytes));
    expect(carried.length).toBeGreaterThan(0);
  });
});
