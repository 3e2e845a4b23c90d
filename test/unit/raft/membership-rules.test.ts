import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import {
  type Configuration,
  defaultMember,
  type Member,
  type MemberRole,
  raftIdOf,
} from "../../../src/raft/configuration.ts";
import { decodeConfiguration, encodeConfiguration } from "../../../src/raft/configuration-codec.ts";
import { firstStep, refusalOf } from "../../../src/raft/membership-rules.ts";

function list(...words: string[]): Member[] {
  return words.map((word) => {
    const [name = "", role = "voter"] = word.split("/");
    return defaultMember(raftIdOf(name as NodeId, 1), role as MemberRole);
  });
}

function alone(...words: string[]): Configuration {
  return { members: list(...words), outgoing: null };
}

const all = (): boolean => true;
const none = (): boolean => false;

describe("changes of members", () => {
  test.each([
    ["a learner", ["a", "b", "c"], ["a", "b", "c", "d/learner"], null],
    ["a promotion", ["a", "b", "c/learner"], ["a", "b", "c"], null],
    ["an exchange of all", ["a", "b/learner"], ["b"], null],
    ["a witness", ["a", "b"], ["a", "b", "w/witness"], null],
    ["no voter at all", ["a"], ["a/learner"], "no-voters"],
    ["a witness that data voters cannot do without", ["a"], ["a", "w/witness"], "no-voters"],
    ["a witness that shall hold data", ["a", "b", "w/witness"], ["a", "b", "w"], "role-change"],
    ["a voter that shall be a witness", ["a", "b", "c"], ["a", "b", "c/witness"], "role-change"],
    ["one twice", ["a", "b"], ["a", "b", "b/learner"], "invalid"],
    ["too many voters", ["a"], ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], "too-many"],
  ] as const)("%s", (_name, before, after, refusal) => {
    expect(refusalOf(alone(...before), list(...after), all)).toBe(refusal);
  });

  test("nobody is promoted before it has caught up", () => {
    expect(refusalOf(alone("a", "b/learner"), list("a", "b"), none)).toBe("not-caught-up");
    expect(refusalOf(alone("a"), list("a", "b"), none)).toBe("not-caught-up");
    expect(refusalOf(alone("a", "b"), list("a"), none)).toBeNull();
  });

  test("voters change by way of a joint configuration, learners and priorities do not", () => {
    const before = alone("a", "b", "c");
    expect(firstStep(before, list("a", "b")).outgoing).toEqual(before.members);
    expect(firstStep(before, list("a", "b", "c/learner")).outgoing).toEqual(before.members);
    expect(firstStep(before, list("a", "b", "c", "d/learner")).outgoing).toBeNull();
    const [first, ...others] = before.members;
    if (first) expect(firstStep(before, [{ ...first, priority: 7 }, ...others]).outgoing).toBeNull();
  });

  test("a configuration is what its bytes say, and what is none is refused", () => {
    const joint = { members: list("a", "b/learner", "w/witness"), outgoing: list("a", "c") };
    const bytes = encodeConfiguration(joint);
    expect(decodeConfiguration(bytes)).toEqual(joint);
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeConfiguration(bytes.subarray(0, length))).toThrow();
    expect(() =>
      decodeConfiguration(encodeConfiguration({ members: list("a", "a"), outgoing: null })),
    ).toThrow();
  });
});
