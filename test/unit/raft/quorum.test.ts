import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { defaultMember, type Member, type RaftId, raftIdOf } from "../../../src/raft/configuration.ts";
import { Quorum } from "../../../src/raft/quorum.ts";

const ids = ["a", "b", "c", "d", "e", "f", "g"].map((name) => raftIdOf(name as NodeId, 1));
const members = fc
  .subarray(ids, { minLength: 1 })
  .map((some): Member[] => some.map((id) => defaultMember(id, "voter")));
const configuration = fc.record({ members, outgoing: fc.option(members) });
const values = fc.array(fc.nat(9), { minLength: ids.length, maxLength: ids.length });

function valueIn(list: readonly number[]): (id: RaftId) => number {
  return (id) => list[ids.indexOf(id)] ?? 0;
}

describe("majorities", () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [7, 4],
  ])("of %i voters %i are one", (count, needed) => {
    const quorum = new Quorum({
      members: ids.slice(0, count).map((id) => defaultMember(id, "voter")),
      outgoing: null,
    });
    expect(quorum.satisfied((id) => ids.indexOf(id) < needed)).toBe(true);
    expect(quorum.satisfied((id) => ids.indexOf(id) < needed - 1)).toBe(false);
  });

  test("learners have no voice, witnesses have one", () => {
    const [a, b, c] = ids as [RaftId, RaftId, RaftId];
    const quorum = new Quorum({
      members: [defaultMember(a, "voter"), defaultMember(b, "learner"), defaultMember(c, "witness")],
      outgoing: null,
    });
    expect(quorum.voters).toEqual([a, c]);
    expect(quorum.satisfied((id) => id !== c)).toBe(false);
  });

  test("of nobody there is none", () => {
    const quorum = new Quorum({ members: [], outgoing: null });
    expect(quorum.satisfied(() => true)).toBe(false);
    expect(quorum.agreed(() => 7)).toBe(0);
    expect(quorum.outcome(new Map())).not.toBe("won");
  });

  test("the agreed value is the highest that a majority has, of both lists while joint", () => {
    fc.assert(
      fc.property(configuration, values, (config, list) => {
        const quorum = new Quorum(config);
        const agreed = quorum.agreed(valueIn(list));
        expect(quorum.satisfied((id) => valueIn(list)(id) >= agreed)).toBe(true);
        expect(quorum.satisfied((id) => valueIn(list)(id) > agreed)).toBe(false);
      }),
    );
  });

  test("two majorities always meet, across the joint configuration, too", () => {
    fc.assert(
      fc.property(configuration, fc.subarray(ids), fc.subarray(ids), (config, one, two) => {
        const joint = new Quorum(config);
        const before = new Quorum({ members: config.outgoing ?? config.members, outgoing: null });
        const after = new Quorum({ members: config.members, outgoing: null });
        if (!joint.satisfied((id) => one.includes(id))) return;
        for (const other of [joint, before, after])
          if (other.satisfied((id) => two.includes(id)))
            expect(one.some((id) => two.includes(id))).toBe(true);
      }),
    );
  });

  test("a vote is won or lost once nothing can change it", () => {
    const [a, b, c] = ids as [RaftId, RaftId, RaftId];
    const quorum = new Quorum({ members: [a, b, c].map((id) => defaultMember(id, "voter")), outgoing: null });
    expect(quorum.outcome(new Map([[a, true]]))).toBe("open");
    expect(quorum.outcome(new Map([[a, true], [b, true]]))).toBe("won"); // prettier-ignore
    expect(quorum.outcome(new Map([[a, false], [b, false]]))).toBe("lost"); // prettier-ignore
    expect(quorum.outcome(new Map([[a, true], [b, false]]))).toBe("open"); // prettier-ignore
  });
});
