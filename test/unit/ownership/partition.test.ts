import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import {
  decideAction,
  conditionHolds,
  parseCondition,
  type PartitionCondition,
  type PartitionFacts,
} from "../../../src/ownership/partition-policy.ts";
import {
  judgeContacts,
  PartitionWatch,
  votersNeeded,
  type Contacts,
} from "../../../src/ownership/partition-state.ts";

const ids = (...names: string[]): NodeId[] => names as NodeId[];

function contacts(reachable: string[], fields: Partial<Contacts> = {}): Contacts {
  const members = ids("a", "b", "c", "d", "e");
  const base = { self: "a" as NodeId, members, voterSets: [ids("a", "b", "c")], quorumSize: 0 };
  const given = { ...base, ...fields, reachable: new Set(ids(...reachable)) };
  return { leader: hasLeader(given), ...given };
}

/** As Raft has it: a leader stays one while it reaches a majority of each set of voters. */
function hasLeader({ self, voterSets, reachable }: Omit<Contacts, "leader">): boolean {
  const majority = (set: readonly NodeId[]): boolean =>
    set.filter((id) => id === self || reachable.has(id)).length > set.length / 2;
  return voterSets.length > 0 && voterSets.every(majority);
}

describe("which side this node is on", () => {
  test.each([
    [["b", "c", "d", "e"], "healthy"],
    [["b", "c", "d"], "majority"],
    [["b"], "majority"],
    [["d", "e"], "minority"],
    [[], "isolated"],
  ])("with %j in reach of a: %s", (reachable, state) => {
    expect(judgeContacts(contacts(reachable))).toBe(state);
  });

  test("many members without a quorum of voters are a minority; few with one a majority", () => {
    expect(judgeContacts(contacts(["d", "e"], { self: "a" as NodeId }))).toBe("minority");
    expect(judgeContacts(contacts(["b", "c"], { self: "d" as NodeId }))).toBe("majority");
  });

  test("while the configuration changes both sets of voters need their quorum", () => {
    const voterSets = [ids("a", "b", "c"), ids("a", "d", "e")];
    expect(judgeContacts(contacts(["b", "c"], { voterSets }))).toBe("minority");
    expect(judgeContacts(contacts(["b", "d"], { voterSets }))).toBe("majority");
  });

  test("with every voter in reach and no leader nothing is decided", () => {
    expect(judgeContacts(contacts(["b", "c", "d", "e"], { leader: false }))).toBe("minority");
  });

  test("who hears a leader with a quorum has one, though it reaches few voters itself", () => {
    const self = "d" as NodeId;
    expect(judgeContacts(contacts(["a"], { self, leader: true }))).toBe("majority");
    expect(judgeContacts(contacts(["a"], { self, leader: true, quorumSize: 3 }))).toBe("minority");
  });

  test("without known voters there is no quorum", () => {
    expect(judgeContacts(contacts(["b", "c", "d", "e"], { voterSets: [] }))).toBe("minority");
  });

  test("one node alone is a healthy cluster", () => {
    const alone = { members: ids("a"), voterSets: [ids("a")] };
    expect(judgeContacts(contacts([], alone))).toBe("healthy");
  });

  test("quorum_size only makes it stricter", () => {
    expect(judgeContacts(contacts(["b"], { quorumSize: 3 }))).toBe("minority");
    expect(judgeContacts(contacts([], { quorumSize: 1 }))).toBe("isolated");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat({ max: 20 }), (voters, asked) => {
        const needed = votersNeeded(voters, asked);
        expect(needed).toBeGreaterThan(voters / 2);
        expect(needed).toBeLessThanOrEqual(voters);
      }),
    );
  });

  test("never do two disjoint sides both have a quorum", () => {
    const all = ids("a", "b", "c", "d", "e", "f", "g");
    const voters = fc.subarray(all, { minLength: 1 });
    const hasQuorum = (side: readonly NodeId[], voterSets: NodeId[][]): boolean =>
      side.some((self) => {
        const seen = { self, members: all, voterSets, reachable: new Set(side), quorumSize: 0 };
        const state = judgeContacts({ ...seen, leader: hasLeader(seen) });
        return state === "healthy" || state === "majority";
      });
    fc.assert(
      fc.property(voters, fc.subarray(all), (set, side) => {
        const other = all.filter((id) => !side.includes(id));
        expect(hasQuorum(side, [set]) && hasQuorum(other, [set])).toBe(false);
      }),
    );
  });
});

describe("patience", () => {
  const healthy = contacts(["b", "c", "d", "e"]);
  const minority = contacts(["d"]);
  const isolated = contacts([]);

  test("a worse state counts after the detection time, a better one at once", () => {
    const watch = new PartitionWatch(5_000, "healthy", 0);
    expect(watch.judge(minority, 1_000)).toBeNull();
    expect(watch.due_ms()).toBe(6_000);
    expect(watch.judge(minority, 5_999)).toBeNull();
    expect(watch.judge(minority, 6_000)).toEqual({ from: "healthy", to: "minority" });
    expect(watch.since_ms).toBe(6_000);
    expect(watch.judge(healthy, 6_001)).toEqual({ from: "minority", to: "healthy" });
  });

  test("a break starts the time anew", () => {
    const watch = new PartitionWatch(5_000, "healthy", 0);
    watch.judge(minority, 1_000);
    watch.judge(healthy, 5_500);
    expect(watch.judge(minority, 6_000)).toBeNull();
    expect(watch.due_ms()).toBe(11_000);
  });

  test("a state that swings between two bad ones is not put off for ever", () => {
    const watch = new PartitionWatch(5_000, "healthy", 0);
    watch.judge(isolated, 0);
    watch.judge(minority, 2_000);
    watch.judge(isolated, 3_000);
    expect(watch.judge(minority, 7_000)).toEqual({ from: "healthy", to: "minority" });
    watch.judge(isolated, 8_000);
    expect(watch.judge(isolated, 13_000)).toEqual({ from: "minority", to: "isolated" });
  });
});

describe("what to do on which side", () => {
  const facts: PartitionFacts = {
    nodes: 1,
    quorum: 2,
    voters: 1,
    queued_writes: 42,
    critical_agents_present: false,
  };
  const parsed = (text: string): PartitionCondition => {
    const condition = parseCondition(text);
    if (typeof condition === "string") throw new Error(condition);
    return condition;
  };

  test.each([
    ["nodes < quorum", true],
    ["nodes == 1", true],
    ["nodes >= 2", false],
    ["critical_agents_present", false],
    ["nodes == 1 && queued_writes > 100", false],
    ["nodes == 7 || queued_writes > 40 && voters<=1", true],
    ["5 != voters", true],
  ])("%s", (text, holds) => {
    expect(conditionHolds(parsed(text), facts)).toBe(holds);
  });

  test.each([
    ["", "a part of the condition is empty"],
    ["nodes <", '"nodes <" is not a comparison such as "nodes < quorum", nor "critical_agents_present"'],
    ["agents > 2", '"agents" is unknown; compare nodes, quorum, voters, queued_writes and whole numbers'],
    ["nodes < 1 &&", "a part of the condition is empty"],
    ["nodes < 99999999999999999999", expect.stringContaining("is unknown")],
    ["(nodes < 2)", expect.stringContaining("is not a comparison")],
    [`nodes < 2 ||${" ".repeat(600)}`, expect.stringContaining("at most 500 characters")],
  ])("%j is refused", (text, why) => {
    expect(parseCondition(text)).toEqual(why);
  });

  test("later decisions refine earlier ones; without any it is read-only", () => {
    const decisions = [
      { condition: parsed("nodes < quorum"), action: "read-only" },
      { condition: parsed("nodes == 1"), action: "local-only" },
      { condition: parsed("critical_agents_present"), action: "continue-critical" },
    ] as const;
    expect(decideAction(decisions, facts)).toEqual({ action: "local-only", decision: 1 });
    expect(decideAction(decisions, { ...facts, critical_agents_present: true }).action).toBe(
      "continue-critical",
    );
    expect(decideAction([], facts)).toEqual({ action: "read-only", decision: null });
  });

  test("no text makes it throw", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseCondition(text)));
  });
});
