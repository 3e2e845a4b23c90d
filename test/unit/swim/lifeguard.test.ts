import { describe, expect, test } from "vitest";
import { present } from "../../../src/base/assert.ts";
import { Awareness } from "../../../src/swim/awareness.ts";
import { stormCaution } from "../../../src/swim/join-storm.ts";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { timingOf } from "../../../src/swim/timing.ts";
import { decodeRecords, type GossipRecord, joinRecords } from "../../../src/wire/gossip-records.ts";
import { accusation, addressOf, aliveRecord, at, id, SwimBench } from "../../support/swim-bench.ts";

const { probe_ms, timeout_ms } = timingOf("lan");

/** Acks every probe to these as they would. */
function answering(bench: SwimBench, names: readonly string[]): (effect: SwimEffect) => void {
  return (effect) => {
    if (effect.kind !== "send" || !names.includes(effect.node)) return;
    for (const record of decodeRecords(joinRecords(effect.records))) {
      if (record.kind === "probe" && record.target === effect.node)
        bench.hear(effect.node, { kind: "ack", sequence: record.sequence });
    }
  };
}

describe("local health", () => {
  test("stays between 0 and 7, and caution is a floor until its time is over", () => {
    const awareness = new Awareness();
    awareness.change(-3);
    expect(awareness.score).toBe(0);
    awareness.change(99);
    expect([awareness.score, awareness.factor]).toEqual([7, 8]);
    awareness.change(-7);
    awareness.caution(2, 100);
    expect(awareness.score).toBe(2);
    awareness.elapse(99);
    expect(awareness.score).toBe(2);
    awareness.elapse(100);
    expect(awareness.score).toBe(0);
  });

  test("a point of it stretches the interval between probes and the time-out alike", () => {
    const bench = new SwimBench();
    bench.run(3_000, answering(bench, ["b", "c"]));
    bench.step({ kind: "lag" });
    expect(bench.swim.localHealth).toBe(1);
    const sent: [number, string][] = [];
    // Nobody answers: the probe after the present one is of the stretched kind.
    bench.run(2_000, (effect) => {
      if (effect.kind !== "send") return;
      for (const { kind } of decodeRecords(joinRecords(effect.records))) {
        if (kind === "probe" || kind === "probe-request") sent.push([bench.now, kind]);
      }
    });
    const probe = sent.findIndex(([when, kind]) => kind === "probe" && when > 3_000 + probe_ms / 2);
    const asked = sent.slice(probe).find(([, kind]) => kind === "probe-request");
    expect((asked?.[0] ?? 0) - (sent[probe]?.[0] ?? 0)).toBeGreaterThanOrEqual(2 * timeout_ms);
  });

  test("hears a late loop before it is late enough to void a probe, once a period", () => {
    const bench = new SwimBench();
    bench.run(3_000, answering(bench, ["b", "c"]));
    bench.now = bench.swim.wake + 0.6 * timeout_ms;
    bench.step({ kind: "tick" });
    bench.step({ kind: "lag" });
    expect(bench.swim.localHealth).toBe(1);
  });

  test("kept from running for a moment, hears what came meanwhile before it accuses anybody", () => {
    const bench = new SwimBench();
    bench.run(3_000, answering(bench, ["b", "c"]));
    let asked: { readonly node: string; readonly sequence: number; readonly at: number } | null = null;
    bench.run(probe_ms, (effect) => {
      if (effect.kind !== "send") return;
      for (const record of decodeRecords(joinRecords(effect.records)))
        if (record.kind === "probe") asked ??= { ...record, node: effect.node, at: bench.now };
    });
    const {
      node,
      sequence,
      at: sent,
    } = present<{ node: string; sequence: number; at: number }>(asked, "a probe");
    bench.run(Math.max(0, sent + probe_ms - 1 - bench.now));
    bench.now = sent + probe_ms + 0.4 * timeout_ms;
    // Another packet is read before the ack.
    const other = node === "b" ? "c" : "b";
    bench.hear(other, { kind: "nack", sequence: 0 });
    bench.hear(node, { kind: "ack", sequence });
    bench.step({ kind: "tick" });
    expect([bench.state("b"), bench.state("c")]).toEqual(["alive 1.0", "alive 5.3"]);
  });

  test("a sleeper that is woken by a packet, not by its timer, accuses nobody either", () => {
    const bench = new SwimBench();
    bench.run(3_000, answering(bench, ["b", "c"]));
    bench.run(probe_ms * 0.9);
    bench.now += 16_000;
    const effects = bench.hear("b", { kind: "ack", sequence: 1 });
    expect(effects.filter(({ kind }) => kind === "member")).toEqual([]);
    bench.run(timeout_ms * 0.9);
    expect([bench.state("b"), bench.state("c")]).toEqual(["alive 1.0", "alive 5.3"]);
  });
});

describe("join storms", () => {
  test("many that join at once raise caution, which ends when they have", () => {
    const bench = new SwimBench();
    bench.fill(5);
    expect(bench.swim.localHealth).toBe(0);
    const names = bench.fill(30);
    expect(bench.swim.localHealth).toBe(stormCaution);
    bench.run(10_000, answering(bench, [...names, "b", "c"]));
    expect(bench.swim.localHealth).toBe(0);
  });

  test("who came with many others but now is asked, and neither accused nor dialled for its silence", () => {
    const bench = new SwimBench();
    const names = bench.fill(30);
    bench.effects.length = 0;
    bench.run(4_500, answering(bench, ["b", "c"]));
    expect(names.map((name) => bench.state(name))).toEqual(names.map(() => "alive 1.0"));
    expect(names.some((name) => bench.sentTo(name, bench.effects).some(({ kind }) => kind === "probe"))).toBe(
      true,
    );
    expect(bench.effects.filter(({ kind }) => kind === "stream")).toEqual([]);
    bench.run(10_000, answering(bench, ["b", "c"]));
    expect(names.filter((name) => bench.state(name) !== "alive 1.0").length).toBeGreaterThan(0);
  });

  test("who was there before them is accused in the storm like ever", () => {
    const bench = new SwimBench();
    const old = bench.fill(20);
    bench.run(20_000, answering(bench, [...old, "b", "c"]));
    const newcomers = bench.fill(32).slice(20);
    bench.run(4_500, answering(bench, newcomers));
    expect(bench.swim.localHealth).toBeGreaterThanOrEqual(stormCaution);
    expect(old.filter((name) => bench.state(name) === "suspect 1.0").length).toBeGreaterThan(0);
  });

  test("one that joins a large cluster is no storm", () => {
    const bench = new SwimBench();
    const names = bench.fill(60);
    bench.run(20_000, answering(bench, [...names, "b", "c"]));
    bench.hear("z", aliveRecord("z", at(1, 0)));
    expect(bench.swim.localHealth).toBe(0);
  });
});

describe("buddies", () => {
  test("a suspect is told so with each probe, also with one for somebody else and by stream", () => {
    const bench = new SwimBench();
    bench.hear("b", accusation("suspect", "c", at(5, 3)));
    const relayed = bench.hear("b", {
      kind: "probe-request",
      sequence: 9,
      target: id("c"),
      address: addressOf("c"),
      wait_ms: 100,
    });
    const kinds = bench.sentTo("c", relayed).map(({ kind }) => kind);
    expect(kinds.slice(0, 2)).toEqual(["probe", "suspect"]);
  });
});

describe("helping others to probe", () => {
  const request = (sequence: number, target = "c", wait_ms = 60_000): GossipRecord => {
    return { kind: "probe-request", sequence, target: id(target), address: addressOf("evil"), wait_ms };
  };
  const helped = (bench: SwimBench, from: string, ...records: GossipRecord[]): number =>
    bench.sentTo("c", bench.hear(from, ...records)).filter(({ kind }) => kind === "probe").length;

  test("one that asks without end is not the only one that is helped", () => {
    const bench = new SwimBench();
    bench.fill(2);
    for (let i = 0; i < 1_000; i++) bench.hear("n1", request(i));
    expect(helped(bench, "n1", request(5_000))).toBe(0);
    expect(helped(bench, "n2", request(1), request(2))).toBe(2);
  });

  test("spends no news on a target that only the other knows", () => {
    const bench = new SwimBench();
    bench.run(60_000);
    bench.hear("b", aliveRecord("d", at(1, 0)));
    const sent = bench.sentTo("stranger", bench.hear("b", request(1, "stranger")));
    expect(sent.map(({ kind }) => kind)).toEqual(["probe"]);
  });
});

describe("the limit of accusations of one source", () => {
  test("one that accuses everybody is heard eight times, then refused and counted", () => {
    const bench = new SwimBench();
    const names = bench.fill(50);
    bench.hear("b", ...names.map((name) => accusation("suspect", name, at(1, 0))));
    const suspects = [...bench.swim.members].filter(({ status }) => status === "suspect");
    expect(suspects).toHaveLength(8);
    expect(bench.refused("too_many_accusations")).toBe(42);
  });

  test("neither does calling them failed, who were alive here a moment ago", () => {
    const bench = new SwimBench();
    const names = bench.fill(50);
    bench.hear("b", ...names.map((name) => accusation("failed", name, at(1, 0))));
    expect([...bench.swim.members].filter(({ status }) => status !== "alive")).toHaveLength(8);
  });

  test("an honest source, one a period, is always heard; several sources are heard each", () => {
    const bench = new SwimBench();
    const names = bench.fill(40);
    for (const name of names.slice(0, 20)) {
      bench.now += probe_ms;
      bench.hear("b", accusation("suspect", name, at(1, 0)));
    }
    expect(bench.refused("too_many_accusations")).toBe(0);
    bench.hear("c", ...names.slice(20, 28).map((name) => accusation("suspect", name, at(1, 0), "c")));
    expect(bench.refused("too_many_accusations")).toBe(0);
  });

  test("each refuted accusation costs its source more than one that stands", () => {
    const bench = new SwimBench();
    const names = bench.fill(20);
    for (const name of names.slice(0, 3)) {
      bench.hear("b", accusation("suspect", name, at(1, 0)));
      bench.hear(name, aliveRecord(name, at(1, 1)));
    }
    bench.hear("b", accusation("suspect", "n10", at(1, 0)));
    expect(bench.refused("too_many_accusations")).toBe(1);
    bench.now += 4 * probe_ms;
    bench.hear("b", accusation("suspect", "n10", at(1, 0)));
    expect(bench.state("n10")).toBe("suspect 1.0");
  });
});

describe("stored incarnations", () => {
  test.each(["suspect", "failed"] as const)(
    "a %s of a failed member with a newer one changes nothing but that, so that no stale alive revives it",
    (kind) => {
      const bench = new SwimBench();
      bench.fail("c", at(5, 3));
      bench.hear("b", accusation(kind, "c", at(5, 6)));
      expect(bench.state("c")).toBe("failed 5.6");
      bench.hear("b", aliveRecord("c", at(5, 5)));
      expect(bench.state("c")).toBe("failed 5.6");
      bench.hear("c", aliveRecord("c", at(5, 7)));
      expect(bench.state("c")).toBe("alive 5.7");
    },
  );

  test("a newer word of the left about itself is kept, too", () => {
    const bench = new SwimBench();
    bench.hear("c", { kind: "left", node: id("c"), incarnation: at(5, 4) });
    bench.hear("c", { kind: "left", node: id("c"), incarnation: at(5, 8) });
    bench.hear("b", aliveRecord("c", at(5, 7)));
    expect(bench.state("c")).toBe("left 5.8");
  });
});

describe("two nodes of one name", () => {
  test("the newer boot epoch has it, and that the older one still spoke is told", () => {
    const bench = new SwimBench();
    const elsewhere = { ...aliveRecord("c", at(6, 0)), address: addressOf("z") };
    const effects = bench.hear("c", elsewhere);
    expect(effects.find(({ kind }) => kind === "conflict")).toMatchObject({
      node: "c",
      reason: expect.stringMatching(/newer boot epoch 6 has the name/),
    });
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("a node that moved after it was silent for a while is no conflict", () => {
    const bench = new SwimBench();
    bench.now = 5_000;
    const elsewhere = { ...aliveRecord("c", at(6, 0)), address: addressOf("z") };
    expect(bench.hear("c", elsewhere).filter(({ kind }) => kind === "conflict")).toEqual([]);
  });

  test("the one that lost the name hears it", () => {
    const bench = new SwimBench();
    const effects = bench.hear("b", aliveRecord("a", at(2, 0)));
    expect(effects.find(({ kind }) => kind === "conflict")).toMatchObject({ node: "a", source: "b" });
    expect(bench.state("a")).toBe("alive 1.0");
  });
});
