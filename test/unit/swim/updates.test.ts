import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { membersLimit } from "../../../src/swim/members.ts";
import { Swim } from "../../../src/swim/swim.ts";
import { timingOf } from "../../../src/swim/timing.ts";
import { decodeRecords, type GossipRecord, joinRecords } from "../../../src/wire/gossip-records.ts";
import { idleLoad } from "../../../src/wire/gossip-tags.ts";
import { compareIncarnations, counterLimit, type Incarnation } from "../../../src/wire/gossip-values.ts";
import { gossipRecord } from "../wire/gossip-arbitraries.ts";

const id = (name: string): NodeId => name as NodeId;
const addressOf = (name: string) => ({ host: `10.0.0.${name.charCodeAt(0) - 96}`, port: 7946 });
const tags = { version: "1", region: "", zone: "", api: "", maxAgents: 1, weight: 1, services: [] };

const alive = (name: string, incarnation: Incarnation): GossipRecord => ({
  kind: "alive",
  node: id(name),
  incarnation,
  address: addressOf(name),
  tags,
});
const accuse = (
  kind: "suspect" | "failed",
  name: string,
  incarnation: Incarnation,
  accuser = "b",
): GossipRecord => ({
  kind,
  node: id(name),
  incarnation,
  accuser: id(accuser),
});
const at = (boot: number, counter: number): Incarnation => ({ boot, counter });

class Bench {
  readonly swim: Swim;
  now = 0;

  constructor() {
    const options = {
      self: id("a"),
      boot: 1,
      address: addressOf("a"),
      tags,
      timing: timingOf("lan"),
      seed: 1,
    };
    this.swim = new Swim({ ...options, payloadLimit_bytes: 1_280, reserved_bytes: 0 }, 0);
    this.swim.setBootCeiling(1_000_000);
    this.swim.step({ kind: "enter" }, 0);
    this.hear("b", alive("b", at(1, 0)));
    this.hear("c", alive("c", at(5, 3)));
  }

  hear(from: string, ...records: GossipRecord[]): readonly SwimEffect[] {
    const input = {
      kind: "packet",
      from: id(from),
      boot: this.bootOf(from),
      address: addressOf(from),
      records,
    } as const;
    return this.swim.step(input, this.now);
  }

  /** Another says that it failed, and it does not refute. */
  fail(name: string, incarnation: Incarnation): void {
    this.hear("b", accuse("failed", name, incarnation));
    const end = this.now + 1_000;
    for (; this.swim.wake <= end; this.swim.step({ kind: "tick" }, this.now))
      this.now = Math.max(this.now, this.swim.wake);
  }

  bootOf(name: string): number {
    return this.swim.member(id(name))?.incarnation.boot ?? 1;
  }

  /** Records sent to a node by these effects. */
  sentTo(name: string, effects: readonly SwimEffect[]): GossipRecord[] {
    return effects.flatMap((effect) =>
      effect.kind === "send" && effect.node === name ? decodeRecords(joinRecords(effect.records)) : [],
    );
  }

  state(name: string): string {
    const member = this.swim.member(id(name));
    return member ? `${member.status} ${member.incarnation.boot}.${member.incarnation.counter}` : "unknown";
  }

  refused(reason: string): number {
    return this.swim.refused.get(reason) ?? 0;
  }
}

describe("at one incarnation", () => {
  test.each([
    ["alive", "alive 5.3"],
    ["suspect", "suspect 5.3"],
    ["failed", "failed 5.3"],
    ["left", "left 5.3"],
  ])("%s is not beaten by anything weaker", (status, expected) => {
    const order = ["alive", "suspect", "failed", "left"];
    const bench = new Bench();
    const record = (kind: string): GossipRecord => {
      if (kind === "alive") return alive("c", at(5, 3));
      if (kind === "left") return { kind, node: id("c"), incarnation: at(5, 3) };
      return accuse(kind as "suspect", "c", at(5, 3));
    };
    if (status === "failed") bench.fail("c", at(5, 3));
    else bench.hear("b", record(status));
    for (const weaker of order.slice(0, order.indexOf(status) + 1)) bench.hear("b", record(weaker));
    expect(bench.state("c")).toBe(expected);
  });
});

describe("poisoned values are refused, counted, and change nothing", () => {
  test.each<[string, string, GossipRecord]>([
    ["a counter far ahead", "poisoned", alive("c", at(5, 3 + 1_001))],
    ["an accusation far ahead", "poisoned", accuse("failed", "c", at(5, 3 + 1_001))],
    ["an accusation of a life never announced", "poisoned", accuse("failed", "c", at(6, 0))],
    ["a boot epoch of the future", "poisoned", alive("c", at(1_000_001, 0))],
    ["a new life with a used-up counter", "poisoned", alive("c", at(6, counterLimit - 1))],
    [
      "another address in the same life",
      "poisoned",
      { ...alive("c", at(5, 4)), address: addressOf("z") } as GossipRecord,
    ],
    ["an accuser that nobody knows", "unknown_accuser", accuse("suspect", "c", at(5, 3), "z")],
    ["an old word", "stale", alive("c", at(4, 9))],
    ["an old accusation", "stale", accuse("failed", "c", at(5, 2))],
  ])("%s", (_what, reason, record) => {
    const bench = new Bench();
    bench.hear("b", record);
    expect(bench.state("c")).toBe("alive 5.3");
    expect(bench.refused(reason)).toBe(1);
  });

  test("a stranger of the future, or one too many", () => {
    const bench = new Bench();
    bench.hear("b", alive("d", at(1_000_001, 0)));
    expect(bench.state("d")).toBe("unknown");
    for (let i = 0; i < membersLimit; i++)
      bench.hear("b", { ...alive("d", at(1, 0)), node: id(`node-${i}`) } as GossipRecord);
    expect([...bench.swim.members]).toHaveLength(membersLimit);
    expect(bench.refused("too_many_members")).toBe(3);
  });

  test("a stranger far ahead, by another's news; not by its own, nor out of a table", () => {
    const far = alive("d", at(6, 5_000)) as Extract<GossipRecord, { kind: "alive" }>;
    const bench = new Bench();
    bench.hear("b", far);
    expect(bench.state("d")).toBe("unknown");
    expect(bench.refused("poisoned")).toBe(1);
    bench.hear("d", far);
    expect(bench.state("d")).toBe("alive 6.5000");
    const other = new Bench();
    const row = { status: "alive", age_ms: 0, loadSequence: 0, load: idleLoad } as const;
    other.hear("b", { ...far, ...row, kind: "member" });
    expect(other.state("d")).toBe("alive 6.5000");
  });

  test("an ack that nobody may give", () => {
    const bench = new Bench();
    let sequence: number | undefined;
    for (bench.now = 0; sequence === undefined && bench.now < 2_000; bench.now += 10) {
      const effects = bench.swim.step({ kind: "tick" }, bench.now);
      const probe = bench.sentTo("b", effects).find((record) => record.kind === "probe");
      if (probe?.kind === "probe") sequence = probe.sequence;
    }
    bench.hear("c", { kind: "ack", sequence: sequence ?? 0 });
    expect(bench.refused("unexpected")).toBe(1);
  });
});

describe("where a member is", () => {
  const elsewhere = (counter: number): GossipRecord =>
    ({ ...alive("d", at(7, counter)), address: addressOf("z") }) as GossipRecord;
  const where = (bench: Bench) => bench.swim.member(id("d"))?.address;

  test("it knows best itself, whatever was told of it before", () => {
    for (const counter of [0, 1]) {
      const bench = new Bench();
      bench.hear("b", elsewhere(0));
      bench.hear("c", alive("d", at(7, counter)));
      expect(where(bench)).toEqual(addressOf("z"));
      bench.hear("d", alive("d", at(7, counter)));
      expect([bench.state("d"), where(bench)]).toEqual([`alive 7.${counter}`, addressOf("d")]);
      bench.hear("b", elsewhere(2));
      expect(where(bench)).toEqual(addressOf("d"));
    }
  });

  test("it is asked a few times when it speaks from elsewhere", () => {
    const bench = new Bench();
    bench.hear("b", elsewhere(0));
    const probe: GossipRecord = { kind: "probe", sequence: 9, target: id("a") };
    const asked = (name: string): boolean =>
      bench.sentTo(name, bench.hear(name, probe)).some(({ kind }) => kind === "introduce");
    expect(Array.from({ length: 5 }, () => asked("d"))).toEqual([true, true, true, false, false]);
    expect(asked("b")).toBe(false);
    bench.hear("d", alive("d", at(8, 0)));
    expect(asked("d")).toBe(false);
  });
});

describe("a node that hears of itself", () => {
  test("refutes an accusation with a higher counter and tells the accuser at once", () => {
    const bench = new Bench();
    const effects = bench.hear("b", accuse("suspect", "a", at(1, 0)));
    expect(bench.state("a")).toBe("alive 1.1");
    expect(
      bench
        .sentTo("b", effects)
        .some((record) => record.kind === "alive" && record.incarnation.counter === 1),
    ).toBe(true);
    expect(bench.swim.localHealth).toBe(1);
  });

  test("answers an accusation that it refuted already, without raising again", () => {
    const bench = new Bench();
    bench.hear("b", accuse("suspect", "a", at(1, 0)));
    const effects = bench.hear("b", accuse("failed", "a", at(1, 0)));
    expect(bench.state("a")).toBe("alive 1.1");
    expect(bench.sentTo("b", effects).some((record) => record.kind === "alive")).toBe(true);
  });

  test("does not follow a poisoned counter, and reports a life that it never had", () => {
    const bench = new Bench();
    bench.hear("b", accuse("failed", "a", at(1, 5_000)));
    expect(bench.state("a")).toBe("alive 1.0");
    const effects = bench.hear("b", alive("a", at(2, 0)));
    expect(effects.some((effect) => effect.kind === "conflict" && effect.source === "b")).toBe(true);
    expect(bench.state("a")).toBe("alive 1.0");
  });
});

describe("a stale word of a member about itself", () => {
  test("is answered with what is held against it", () => {
    const bench = new Bench();
    bench.fail("c", at(5, 3));
    const effects = bench.hear("c", alive("c", at(5, 3)));
    expect(bench.state("c")).toBe("failed 5.3");
    expect(bench.sentTo("c", effects)).toContainEqual(accuse("failed", "c", at(5, 3), "a"));
  });

  test("an old life's word is answered with the new one's", () => {
    const bench = new Bench();
    const effects = bench.hear("c", alive("c", at(4, 9)));
    expect(bench.sentTo("c", effects)).toContainEqual(alive("c", at(5, 3)));
  });

  test("whoever accuses one that has left, and missed its goodbye, is told of it", () => {
    for (const kind of ["suspect", "failed"] as const) {
      const bench = new Bench();
      bench.hear("c", { kind: "left", node: id("c"), incarnation: at(5, 4) });
      const told = (incarnation: Incarnation): GossipRecord[] =>
        bench.sentTo("b", bench.hear("b", accuse(kind, "c", incarnation)));
      // Of what it said before its goodbye, and of the goodbye's own incarnation.
      for (const counter of [3, 4])
        expect(told(at(5, counter))).toContainEqual({ kind: "left", node: id("c"), incarnation: at(5, 4) });
      expect(told(at(5, 5)).some((record) => record.kind === "left")).toBe(false);
    }
  });

  test("a probe of a failed member is acked with its accusation, one of a stranger with a question", () => {
    const bench = new Bench();
    bench.fail("c", at(5, 3));
    const probe: GossipRecord = { kind: "probe", sequence: 9, target: id("a") };
    const known = bench.sentTo("c", bench.hear("c", probe)).map(({ kind }) => kind);
    expect(known.slice(0, 2)).toEqual(["ack", "failed"]);
    const strange = bench.sentTo("d", bench.hear("d", probe)).map(({ kind }) => kind);
    expect(strange.slice(0, 2)).toEqual(["ack", "introduce"]);
  });

  test("a probe for another node is not answered", () => {
    const bench = new Bench();
    const effects = bench.hear("b", { kind: "probe", sequence: 9, target: id("z") });
    expect(bench.sentTo("b", effects)).toEqual([]);
    expect(bench.refused("misaddressed")).toBe(1);
  });
});

describe("push-pull", () => {
  const row = (
    name: string,
    status: "alive" | "suspect" | "failed" | "left",
    incarnation: Incarnation,
    age_ms = 0,
  ): GossipRecord => ({
    ...(alive(name, incarnation) as Extract<GossipRecord, { kind: "alive" }>),
    kind: "member",
    status,
    age_ms,
    loadSequence: 0,
    load: idleLoad,
  });

  test("turns another's failed into a suspicion, which the member can refute", () => {
    const bench = new Bench();
    bench.hear("b", row("c", "failed", at(5, 3)));
    expect(bench.state("c")).toBe("suspect 5.3");
  });

  test("confirms no suspicion: it may be this node's own that is told back", () => {
    const bench = new Bench();
    bench.hear("d", alive("d", at(2, 0)));
    bench.hear("b", accuse("suspect", "c", at(5, 3)));
    bench.hear("d", row("c", "suspect", at(5, 3)), row("c", "failed", at(5, 3)));
    expect(bench.swim.member(id("c"))?.suspicion?.confirmations).toBe(0);
    bench.hear("d", accuse("suspect", "c", at(5, 3), "d"));
    expect(bench.swim.member(id("c"))?.suspicion?.confirmations).toBe(1);
  });

  test("shows a newcomer who failed before it came, with the age, but nobody gone for long", () => {
    const bench = new Bench();
    bench.now = 10_000;
    bench.hear(
      "b",
      row("d", "failed", at(1, 0), 5_000),
      row("e", "failed", at(1, 0), 25 * 3_600_000),
      row("f", "left", at(1, 0), 11 * 60_000),
    );
    expect([bench.state("d"), bench.state("e"), bench.state("f")]).toEqual([
      "failed 1.0",
      "unknown",
      "unknown",
    ]);
    expect(bench.swim.member(id("d"))?.since).toBe(5_000);
  });

  test("does not bring back who was removed", () => {
    const bench = new Bench();
    bench.swim.step({ kind: "remove", node: id("c"), boot: 5 }, 0);
    bench.hear("b", row("c", "alive", at(5, 3)), row("c", "failed", at(5, 3)), alive("c", at(5, 3)));
    expect(bench.state("c")).toBe("unknown");
    bench.hear("b", alive("c", at(6, 0)));
    expect(bench.state("c")).toBe("alive 6.0");
  });

  test("a member failed for a day is forgotten, and its old word does not bring it back", () => {
    const bench = new Bench();
    bench.fail("c", at(5, 3));
    bench.now = 25 * 3_600_000;
    bench.swim.step({ kind: "tick" }, bench.now);
    expect(bench.state("c")).toBe("unknown");
    bench.hear("b", row("c", "alive", at(5, 3)));
    expect(bench.state("c")).toBe("unknown");
  });
});

describe("a node that was asleep", () => {
  test("fails nobody whose suspicion ended meanwhile, and suspects nobody for the probe under way", () => {
    const bench = new Bench();
    bench.hear("b", accuse("suspect", "c", at(5, 3)));
    while (
      bench.sentTo("b", bench.swim.step({ kind: "tick" }, bench.now)).every(({ kind }) => kind !== "probe")
    ) {
      bench.now = Math.max(bench.now, bench.swim.wake);
    }
    bench.now += 60_000;
    bench.swim.step({ kind: "tick" }, bench.now);
    expect([bench.state("b"), bench.state("c")]).toEqual(["alive 1.0", "suspect 5.3"]);
    expect(bench.swim.localHealth).toBeGreaterThan(0);
    for (let ticks = 0; ticks < 200; ticks++) {
      bench.now = Math.max(bench.now, bench.swim.wake);
      bench.swim.step({ kind: "tick" }, bench.now);
    }
    expect(bench.state("c")).toBe("failed 5.3");
  });
});

describe("whatever a member says", () => {
  test("no incarnation goes back, this node's row stays its own, and packets keep their limit", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom("b", "c"), gossipRecord), { maxLength: 60 }), (heard) => {
        const bench = new Bench();
        for (const [from, record] of heard) {
          const target = { ...record, ...("node" in record ? { node: id("c") } : {}) } as GossipRecord;
          const before = new Map([...bench.swim.members].map((member) => [member.id, member.incarnation]));
          bench.now += 50;
          for (const effect of bench.hear(from, target)) {
            if (effect.kind === "send") expect(joinRecords(effect.records).length).toBeLessThanOrEqual(1_280);
          }
          for (const { id: member, incarnation } of bench.swim.members) {
            const known = before.get(member);
            if (known) expect(compareIncarnations(incarnation, known)).toBeGreaterThanOrEqual(0);
          }
          expect(bench.state("a")).toBe("alive 1.0");
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("the partner of a push-pull", () => {
  test("is mostly one of three neighbours, to whom there is a stream, and now and then anybody", () => {
    const bench = new Bench();
    const names = ["b", "c", ...Array.from({ length: 40 }, (_, i) => `m${i}`)];
    const partners = new Map<string, number>();
    for (let second = 1; second <= 3_000; second++) {
      bench.now = second * 1_000;
      bench.hear("b", ...names.map((name) => alive(name, at(5, second))));
      for (const effect of bench.swim.step({ kind: "tick" }, bench.now))
        if (effect.kind === "exchange") partners.set(effect.node, (partners.get(effect.node) ?? 0) + 1);
    }
    const times = [...partners.values()].toSorted((a, b) => b - a);
    const all = times.reduce((sum, one) => sum + one, 0);
    const near = times.slice(0, 3).reduce((sum, one) => sum + one, 0);
    expect(all).toBeGreaterThan(80);
    expect(near / all).toBeGreaterThan(0.65);
    expect(near / all).toBeLessThan(0.85);
  });
});
