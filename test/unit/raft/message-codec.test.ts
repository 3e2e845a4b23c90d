import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { type Configuration, defaultMember, raftIdOf } from "../../../src/raft/configuration.ts";
import { encodeConfiguration } from "../../../src/raft/configuration-codec.ts";
import type { Entry } from "../../../src/raft/entry.ts";
import { decodeRaftMessage, encodeRaftMessage } from "../../../src/raft/message-codec.ts";
import type { RaftMessage } from "../../../src/raft/messages.ts";
import { WireError } from "../../../src/wire/cursor.ts";

const u53 = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 100 });
const position = fc.record({ index: u53, term: u53 });
const member = fc
  .record({
    node: fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/),
    identity: fc.nat(2 ** 40),
    role: fc.constantFrom("voter", "learner", "witness"),
    priority: fc.nat(255),
  })
  .map(({ node, identity, role, priority }) => ({
    ...defaultMember(raftIdOf(node as NodeId, identity), role),
    priority,
  }));
const members = fc.uniqueArray(member, { selector: ({ id }) => id, maxLength: 5 });
const configuration: fc.Arbitrary<Configuration> = fc.record({ members, outgoing: fc.option(members) });
const k = <K extends RaftMessage["kind"]>(kind: K): fc.Arbitrary<K> => fc.constant(kind);

const data = fc.oneof(
  fc.record({ kind: fc.constantFrom("command", "noop", "stripped"), data: bytes }),
  configuration.map((value) => ({ kind: "configuration" as const, data: encodeConfiguration(value) })),
);
/** Entries in order, as only such are accepted, and a term that is not below theirs. */
const append = fc
  .record({
    previous: fc.record({ index: fc.nat(2 ** 40), term: fc.nat(2 ** 30) }),
    commit: u53,
    steps: fc.array(fc.tuple(fc.nat(3), data), { maxLength: 8 }),
    above: fc.nat(5),
  })
  .map(({ previous, commit, steps, above }): RaftMessage => {
    const entries: Entry[] = [];
    let { index, term } = previous;
    for (const [step, value] of steps) entries.push({ index: ++index, term: (term += step), ...value });
    return { kind: "append", term: term + above, previous, commit, entries };
  });

const message: fc.Arbitrary<RaftMessage> = fc.oneof(
  append,
  fc.record({ kind: k("vote"), term: u53, pre: fc.boolean(), transfer: fc.boolean(), last: position }),
  fc.record({ kind: k("vote-reply"), term: u53, pre: fc.boolean(), granted: fc.boolean() }),
  fc.record({ kind: k("appended"), term: u53, match: u53 }),
  fc.record({ kind: k("refused"), term: u53, previous: u53, hint: position, last: u53 }),
  fc.record({ kind: k("heartbeat"), term: u53, round: u53, commit: u53 }),
  fc.record({ kind: k("heartbeat-reply"), term: u53, round: u53 }),
  fc.record({
    kind: k("forward"),
    term: u53,
    proposals: fc.array(fc.record({ id: u53, data: bytes }), { maxLength: 5 }),
  }),
  fc.record({
    kind: k("forward-reply"),
    term: u53,
    results: fc.array(fc.record({ id: u53, position: fc.option(position) }), { maxLength: 5 }),
  }),
  fc.record({
    kind: k("forward-refused"),
    term: u53,
    id: u53,
    code: fc.stringMatching(/^[a-z_]{1,30}$/),
    detail: fc.string({ maxLength: 200, unit: "binary" }).map((text) => text.toWellFormed()),
  }),
  fc.record({ kind: k("read-index"), term: u53, token: u53 }),
  fc.record({ kind: k("read-index-reply"), term: u53, token: u53, index: fc.option(u53) }),
  fc.record({ kind: k("timeout-now"), term: u53 }),
  fc.record({
    kind: k("snapshot"),
    term: u53,
    mark: fc.record({ transfer: u53, position, configuration }),
    chunk: u53,
    bytes,
    final: fc.boolean(),
  }),
  fc.record({
    kind: k("snapshot-reply"),
    term: u53,
    transfer: u53,
    position,
    state: fc.constantFrom("receiving", "installed", "refused"),
    wanted: u53,
  }),
);

/** What came of it: a message or a `WireError`; anything else is thrown on. */
function read(input: Uint8Array): boolean {
  try {
    decodeRaftMessage(input);
    return true;
  } catch (thrown) {
    if (thrown instanceof WireError) return false;
    throw thrown;
  }
}

describe("raft messages on the wire", () => {
  test("decode to what was encoded", () => {
    fc.assert(
      fc.property(u53, u53, message, (from, to, sent) => {
        expect(decodeRaftMessage(encodeRaftMessage({ from, to, message: sent }).slice())).toEqual({
          from,
          to,
          message: sent,
        });
      }),
      { numRuns: 500 },
    );
  });

  test("cut short or with more behind they are refused", () => {
    fc.assert(
      fc.property(message, fc.nat(), (sent, cut) => {
        const whole = encodeRaftMessage({ from: 1, to: 2, message: sent }).slice();
        expect(read(whole.subarray(0, cut % whole.length))).toBe(false);
        expect(read(Uint8Array.from([...whole, 0]))).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("random and damaged bytes are messages or a wire error, never worse", () => {
    const prng = new Prng(5);
    const samples = fc
      .sample(message, { numRuns: 60, seed: 5 })
      .map((sent) => encodeRaftMessage({ from: 1, to: 2, message: sent }).slice());
    let refused = 0;
    for (let round = 0; round < 40_000; round++) {
      const input =
        round % 4 === 0
          ? Uint8Array.from({ length: prng.below(80) }, () => prng.below(256))
          : (samples[prng.below(samples.length)] as Uint8Array).slice();
      for (let flips = prng.below(4); flips > 0 && input.length > 0; flips--)
        input[prng.below(input.length)] = prng.below(256);
      if (!read(input)) refused++;
    }
    expect(refused).toBeGreaterThan(10_000);
  });

  const noop = (index: number, term: number): Entry => ({
    index,
    term,
    kind: "noop",
    data: new Uint8Array(),
  });

  test.each([
    ["a gap", [noop(8, 2), noop(10, 2)]],
    ["not after the previous one", [noop(9, 2)]],
    ["a term that falls", [noop(8, 3), noop(9, 2)]],
    ["a term above the leader's", [noop(8, 6)]],
  ])("an append whose entries have %s is refused", (_, entries) => {
    const bad = encodeRaftMessage({
      from: 1,
      to: 2,
      message: { kind: "append", term: 5, previous: { index: 7, term: 2 }, commit: 0, entries },
    });
    expect(() => decodeRaftMessage(bad)).toThrow("entries are not in order");
  });

  test("a configuration entry that cannot be read is refused", () => {
    const entries: Entry[] = [{ index: 1, term: 1, kind: "configuration", data: Uint8Array.of(9, 9) }];
    const bad = encodeRaftMessage({
      from: 1,
      to: 2,
      message: { kind: "append", term: 1, previous: { index: 0, term: 0 }, commit: 0, entries },
    });
    expect(() => decodeRaftMessage(bad)).toThrow(WireError);
  });
});
