import { describe, expect, test } from "vitest";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { Swim } from "../../../src/swim/swim.ts";
import { timingOf } from "../../../src/swim/timing.ts";
import { accusation, addressOf, at, benchTags, id, SwimBench } from "../../support/swim-bench.ts";

type Contact = Extract<SwimEffect, { kind: "contact" }>;

const isContact = (effect: SwimEffect): effect is Contact => effect.kind === "contact";
const timing = timingOf("lan");
const { streamTimeout_ms, reconnectLimit_ms } = timing;

interface Told extends Contact {
  readonly at_ms: number;
}

/** Runs, and ends each contact with its time-out. */
function contactsOf(bench: SwimBench, duration_ms: number): Told[] {
  const told: Told[] = [];
  const ended = new Set<number>();
  const end_ms = bench.now + duration_ms;
  for (let seen = bench.effects.length; bench.now < end_ms;) {
    for (const effect of bench.effects.slice(seen))
      if (isContact(effect)) told.push({ ...effect, at_ms: bench.now });
    seen = bench.effects.length;
    for (const { contact, at_ms, timeout_ms } of told) {
      if (ended.has(contact) || bench.now < at_ms + timeout_ms) continue;
      ended.add(contact);
      bench.step({ kind: "contacted", contact, by: null });
    }
    bench.run(50);
  }
  return told;
}

describe("looking for others by stream", () => {
  test("a joiner gives its seed ever more time, so that starved machines do not begin anew for ever", () => {
    const swim = new Swim(
      {
        self: id("a"),
        boot: 1,
        address: addressOf("a"),
        tags: benchTags,
        timing,
        seed: 1,
        payloadLimit_bytes: 1_280,
        reserved_bytes: 0,
      },
      0,
    );
    let now = 0;
    const given: number[] = [];
    for (let effects = swim.step({ kind: "join", seeds: [addressOf("b")] }, now); given.length < 7;) {
      for (const { contact, timeout_ms } of [...effects, ...swim.step({ kind: "tick" }, now)].filter(
        isContact,
      )) {
        given.push(timeout_ms);
        now += timeout_ms;
        swim.step({ kind: "contacted", contact, by: null }, now);
      }
      now = Math.max(now + 1, swim.wake);
      effects = [];
    }
    expect(given[0]).toBe(streamTimeout_ms);
    expect(given.toSorted((a, b) => a - b)).toEqual(given);
    expect(given.at(-1)).toBe(reconnectLimit_ms);
  });

  test("a lost member is contacted by few of many, and lost ones one after the other", () => {
    const bench = new SwimBench();
    const names = bench.fill(40);
    for (const name of names.slice(0, 10)) bench.hear("b", accusation("failed", name, at(1, 0)));
    const contacts = contactsOf(bench, 120_000);
    expect(contacts.length).toBeGreaterThan(10);
    for (const [i, { at_ms }] of contacts.entries()) {
      const before = contacts[i - 1];
      if (before) expect(at_ms).toBeGreaterThanOrEqual(before.at_ms + streamTimeout_ms);
    }
    const hosts = new Set(contacts.map(({ address }) => address.host));
    expect(hosts.size).toBeGreaterThan(5);
  });

  test("in a small cluster a lost member is contacted within seconds", () => {
    const bench = new SwimBench();
    bench.fail("c", at(5, 3));
    const [first] = contactsOf(bench, 5_000);
    expect(first?.address).toMatchObject(addressOf("c"));
  });
});
