import { describe, expect, test } from "vitest";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { neighboursCount, neighboursOf } from "../../../src/swim/neighbours.ts";
import { timingOf } from "../../../src/swim/timing.ts";
import { decodeRecords, joinRecords } from "../../../src/wire/gossip-records.ts";
import { accusation, aliveRecord, at, id, SwimBench } from "../../support/swim-bench.ts";

const { probe_ms, timeout_ms } = timingOf("lan");
const firstAnswers_ms = 1.5 * timeout_ms;

/** Answers probes as these members would, after no time; helpers answer for `through`. */
function living(bench: SwimBench, names: readonly string[], through: readonly string[] = []) {
  return (effect: SwimEffect): void => {
    if (effect.kind !== "send" || !names.includes(effect.node)) return;
    for (const record of decodeRecords(joinRecords(effect.records))) {
      const direct = record.kind === "probe" && record.target === effect.node;
      const indirect = record.kind === "probe-request" && through.includes(record.target);
      if (direct || indirect) bench.hear(effect.node, { kind: "ack", sequence: record.sequence });
    }
  };
}

function settled(): SwimBench {
  const bench = new SwimBench();
  bench.run(2_000, living(bench, ["b", "c"]));
  return bench;
}

describe("a hint", () => {
  test("probes at once: directly, through helpers, and by stream", () => {
    const bench = settled();
    const effects = bench.step({ kind: "hint", node: id("c"), boot: 5 });
    expect(bench.sentTo("c", effects).map(({ kind }) => kind)).toContain("probe");
    expect(bench.sentTo("b", effects).map(({ kind }) => kind)).toContain("probe-request");
    expect(effects.some((effect) => effect.kind === "stream" && effect.node === "c")).toBe(true);
    expect(bench.state("c")).toBe("alive 5.3");
  });

  test("is no proof: without any answer the member is suspected, then failed soon after a second", () => {
    const bench = settled();
    const began = bench.now;
    bench.step({ kind: "hint", node: id("c"), boot: 5 });
    bench.run(firstAnswers_ms - 1, living(bench, ["b"]));
    expect(bench.state("c")).toBe("alive 5.3");
    bench.run(2, living(bench, ["b"]));
    expect(bench.state("c")).toBe("suspect 5.3");
    bench.run(3 * probe_ms - 20, living(bench, ["b"]));
    expect(bench.state("c")).toBe("suspect 5.3");
    bench.run(30, living(bench, ["b"]));
    expect(bench.state("c")).toBe("failed 5.3");
    expect(bench.now - began).toBeLessThan(1_200);
  });

  test("after sleep is not followed for a while: others gave up their streams to this node meanwhile", () => {
    const bench = settled();
    bench.now += 16_000;
    bench.step({ kind: "tick" });
    bench.run(100, living(bench, ["b", "c"]));
    const effects = bench.step({ kind: "hint", node: id("c"), boot: 5 });
    expect(bench.sentTo("c", effects)).toEqual([]);
    bench.run(2_000, living(bench, ["b", "c"]));
    const later = bench.step({ kind: "hint", node: id("c"), boot: 5 });
    expect(bench.sentTo("c", later).map(({ kind }) => kind)).toContain("probe");
  });

  test("a member under short suspicion is asked and told again and again, and refutes", () => {
    const bench = settled();
    bench.step({ kind: "hint", node: id("c"), boot: 5 });
    bench.run(firstAnswers_ms + 1, living(bench, ["b"]));
    const before = bench.effects.length;
    bench.run(2 * timeout_ms, living(bench, ["b"]));
    const told = bench.sentTo("c", bench.effects.slice(before)).map(({ kind }) => kind);
    expect(told.filter((kind) => kind === "probe").length).toBeGreaterThanOrEqual(2);
    expect(told).toContain("suspect");
    bench.hear("c", aliveRecord("c", at(5, 4)));
    bench.run(5_000, living(bench, ["b", "c"]));
    expect(bench.state("c")).toBe("alive 5.4");
  });

  test("a helper's late word takes the short deadline away, and leaves the ordinary one", () => {
    const bench = settled();
    bench.step({ kind: "hint", node: id("c"), boot: 5 });
    bench.run(firstAnswers_ms + 1, living(bench, ["b"]));
    bench.run(timeout_ms + 1, living(bench, ["b"], ["c"]));
    bench.run(3 * probe_ms, living(bench, ["b"], ["c"]));
    expect(bench.state("c")).toBe("suspect 5.3");
  });

  test("shortens a suspicion that is there already", () => {
    const bench = settled();
    bench.hear("b", accusation("suspect", "c", at(5, 3)));
    bench.step({ kind: "hint", node: id("c"), boot: 5 });
    bench.run(firstAnswers_ms + 3 * probe_ms + 20, living(bench, ["b"]));
    expect(bench.state("c")).toBe("failed 5.3");
  });

  test("only the node itself or an asked helper can answer", () => {
    const bench = settled();
    const effects = bench.step({ kind: "hint", node: id("c"), boot: 5 });
    const probe = bench.sentTo("c", effects).find(({ kind }) => kind === "probe");
    if (probe?.kind !== "probe") throw new Error("a hint is followed by a probe");
    bench.hear("d", aliveRecord("d", at(1, 0)));
    bench.hear("d", { kind: "ack", sequence: probe.sequence });
    expect(bench.refused("unexpected")).toBe(1);
    bench.run(firstAnswers_ms + 1, living(bench, ["b"]));
    expect(bench.state("c")).toBe("suspect 5.3");
  });
});

describe("what must not turn a hint into a false failure", () => {
  test("a firewall that rejects everything of this node: the helpers answer, and nobody is suspected", () => {
    const bench = settled();
    const helped = living(bench, ["b"], ["c"]);
    for (let i = 0; i < 100; i++) {
      for (const effect of bench.step({ kind: "hint", node: id("c"), boot: null })) helped(effect);
      bench.run(100, helped);
    }
    expect(bench.effects.some((effect) => effect.kind === "member" && effect.event === "suspect")).toBe(
      false,
    );
  });

  test("hints that keep coming though the member answers are followed ever less often", () => {
    const bench = settled();
    const before = bench.effects.length;
    const alive = living(bench, ["b", "c"]);
    for (let i = 0; i < 600; i++) {
      for (const effect of bench.step({ kind: "hint", node: id("c"), boot: 5 })) alive(effect);
      bench.run(100, alive);
    }
    const urgent = bench.sentTo("b", bench.effects.slice(before));
    expect(urgent.filter(({ kind }) => kind === "probe-request").length).toBeLessThan(10);
  });

  test("a restart in progress: the next life comes during the short suspicion and was never failed", () => {
    const bench = settled();
    bench.step({ kind: "hint", node: id("c"), boot: 5 });
    bench.run(firstAnswers_ms + probe_ms, living(bench, ["b"]));
    expect(bench.state("c")).toBe("suspect 5.3");
    bench.hear("c", aliveRecord("c", at(6, 0)));
    bench.run(5_000, living(bench, ["b", "c"]));
    expect(bench.state("c")).toBe("alive 6.0");
    expect(bench.effects.some((effect) => effect.kind === "member" && effect.event === "failed")).toBe(false);
  });

  test("a hint about the life before says nothing of the present one", () => {
    const bench = settled();
    bench.hear("c", aliveRecord("c", at(6, 0)));
    const effects = bench.step({ kind: "hint", node: id("c"), boot: 5 });
    expect(bench.sentTo("c", effects)).toEqual([]);
  });

  test("a link that flaps: an answer at last, and no failure however often", () => {
    const bench = settled();
    for (let flap = 0; flap < 30; flap++) {
      bench.step({ kind: "hint", node: id("c"), boot: 5 });
      // Away for longer than the first answers, back before the short suspicion is over.
      bench.run(firstAnswers_ms + probe_ms, living(bench, ["b"]));
      const { incarnation } = bench.swim.member(id("c")) ?? { incarnation: at(0, 0) };
      bench.hear("c", aliveRecord("c", at(5, incarnation.counter + 1)));
      bench.run(700, living(bench, ["b", "c"]));
    }
    expect(bench.effects.some((effect) => effect.kind === "member" && effect.event === "failed")).toBe(false);
  });

  test("all streams of this node closing at once: only a few are followed, none is failed at once", () => {
    const bench = new SwimBench();
    const names = bench.fill(40);
    for (const name of names) bench.step({ kind: "hint", node: id(name), boot: 1 });
    const asked = new Set(bench.effects.flatMap((effect) => (effect.kind === "stream" ? [effect.node] : [])));
    expect(asked.size).toBe(8);
    bench.run(10, living(bench, names));
    expect([...bench.swim.members].every(({ status }) => status === "alive")).toBe(true);
  });

  test("a sleeper follows no hint that it slept over", () => {
    const bench = settled();
    bench.step({ kind: "hint", node: id("c"), boot: 5 });
    bench.now += 10_000;
    bench.step({ kind: "tick" });
    expect(bench.state("c")).toBe("alive 5.3");
  });

  test("one about this node itself, a stranger, or one that is gone does nothing", () => {
    const bench = settled();
    bench.hear("c", { kind: "left", node: id("c"), incarnation: at(5, 4) });
    for (const name of ["a", "c", "nobody"]) {
      const effects = bench.step({ kind: "hint", node: id(name), boot: null });
      expect(effects.some(({ kind }) => kind === "stream")).toBe(false);
    }
  });
});

describe("the ring of neighbours", () => {
  test("each node watches three, and is watched by three", () => {
    const nodes = Array.from({ length: 30 }, (_, i) => id(`node-${i + 1}`));
    const watched = new Map(nodes.map((node) => [node, 0]));
    for (const node of nodes) {
      const neighbours = neighboursOf(node, nodes);
      expect(neighbours).toHaveLength(neighboursCount);
      expect(neighbours).not.toContain(node);
      for (const one of neighbours) watched.set(one, (watched.get(one) ?? 0) + 1);
    }
    expect([...watched.values()]).toEqual(nodes.map(() => neighboursCount));
  });

  test("one that leaves moves only its own watchers on", () => {
    const nodes = Array.from({ length: 30 }, (_, i) => id(`node-${i + 1}`));
    const rest = nodes.slice(1);
    const changed = rest.filter(
      (node) => neighboursOf(node, nodes).join(" ") !== neighboursOf(node, rest).join(" "),
    );
    expect(changed).toHaveLength(neighboursCount);
  });
});
