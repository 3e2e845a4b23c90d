/** What a leader may say, and when: each of these one step too early is a lie that no other part would notice at once. */
import { describe, expect, test } from "vitest";
import { defaultMember } from "../../../src/raft/configuration.ts";
import { idOf, RaftCore } from "../../support/raft-core.ts";

const command = new Uint8Array(8);

describe("a lease", () => {
  const options = { leaseReads: true, hints: false, clockDrift: 0.1 };
  const read = { kind: "read", id: 1 } as const;

  /** Leads since a moment ago, in which "b" answered its first round. */
  const leader = (): RaftCore => new RaftCore("a", ["a", "b", "c"], { options }).elect("b").followed("b");

  test("counts from when the round began that a majority answered, less twice the drift", () => {
    // Of 200 ms.
    expect(leader().wait(159).give(read).results("read")).toMatchObject([{ kind: "ready" }]);
    expect(leader().wait(161).give(read).results("read")).toEqual([]);
  });

  test("is not made longer by an answer that comes late", () => {
    expect(leader().wait(40).followed("b").wait(121).give(read).results("read")).toEqual([]);
  });

  test("is none before an entry of the own term is committed", () => {
    const core = new RaftCore("a", ["a", "b", "c"], { options }).elect("b");
    core.hear("b", { kind: "heartbeat-reply", term: 2, round: 1 }).give(read);
    expect(core.results("read")).toEqual([]);
    expect(core.followed("b").results("read")).toHaveLength(1);
  });
});

describe("answers of another term", () => {
  const leader = (): RaftCore => new RaftCore("a", ["a", "b", "c"]).elect("b");

  test("commit nothing, and confirm nothing", () => {
    const core = leader().hear("b", { kind: "appended", term: 1, match: 2 });
    expect(core.raft.log.commit).toBe(1);
    core.followed("b").give({ kind: "read", id: 1 });
    const round = Math.max(...core.heartbeats());
    core
      .hear("b", { kind: "heartbeat-reply", term: 1, round })
      .hear("c", { kind: "heartbeat-reply", term: 1, round });
    expect(core.results("read")).toEqual([]);
    expect(core.hear("b", { kind: "heartbeat-reply", term: 2, round }).results("read")).toHaveLength(1);
  });

  test("move nobody's log back", () => {
    const core = leader().followed("b");
    const sent = core.sent.length;
    core.hear("b", { kind: "refused", term: 1, previous: 2, hint: { index: 1, term: 1 }, last: 1 });
    expect(core.sent.slice(sent)).toEqual([]);
  });
});

describe("compaction", () => {
  test("goes no further than what is applied, whatever is said to be settled", () => {
    const core = new RaftCore("a", ["a", "b", "c"], { limits: { trailingEntries: 0 } })
      .elect("b")
      .followed("b");
    const { commit } = core.raft.log;
    for (let id = 0; id < 5; id++) core.give({ kind: "propose", id, data: command });
    core.give({ kind: "settled", index: core.raft.log.last.index });
    expect(core.raft.log.base.index).toBe(commit);
  });
});

describe("a change of members", () => {
  test("does not begin while leadership is being given away", () => {
    const core = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b");
    core.give({ kind: "transfer", id: 1, to: idOf("c") });
    core.give({ kind: "change-membership", id: 2, members: [defaultMember(idOf("a"), "voter")] });
    expect(core.results("membership")).toEqual([{ kind: "refused", reason: "transferring" }]);
  });

  test("is told to be done when the new configuration alone is committed, not the joint one", () => {
    const core = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b");
    const members = ["a", "b"].map((name) => defaultMember(idOf(name), "voter"));
    core.give({ kind: "change-membership", id: 1, members }).followed("b");
    expect(core.raft.status(core.now).configuration.outgoing).toBeNull();
    expect(core.results("membership")).toEqual([]);
    const { index } = core.raft.log.last;
    expect(core.followed("b").results("membership")).toEqual([{ kind: "changed", index }]);
  });
});

describe("a leader that sleeps", () => {
  test("goes on each time, where a majority answered in between", () => {
    const core = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b");
    for (let times = 0; times < 3; times++) {
      core.now += 500;
      core.give({ kind: "tick" });
      expect(core.raft.role).toBe("leader");
      core.followed("b").wait(60).followed("b");
    }
  });
});
