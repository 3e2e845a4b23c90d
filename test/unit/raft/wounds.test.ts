/** What hurt others in their Raft: each once, by name. Those that take a whole world are in `test/sim` and `test/scenario`. */
import { describe, expect, test } from "vitest";
import { defaultMember } from "../../../src/raft/configuration.ts";
import { encodeConfiguration } from "../../../src/raft/configuration-codec.ts";
import { idOf, RaftCore } from "../../support/raft-core.ts";
import { playRaftTranscript } from "../../support/raft-transcript.ts";

const command = new Uint8Array(8);

describe("reads", () => {
  test("none is answered before the leader has committed an entry of its own term", () => {
    const leader = new RaftCore("a", ["a", "b", "c"]).elect("b").give({ kind: "read", id: 1 });
    leader.hear("b", { kind: "heartbeat-reply", term: 2, round: Math.max(...leader.heartbeats()) });
    expect(leader.results("read")).toEqual([]);
    leader.followed("b").followed("b");
    expect(leader.results("read")).toEqual([{ kind: "ready", index: 2 }]);
  });

  test("the answer to an earlier round does not confirm a later read", () => {
    const leader = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b").followed("b");
    const before = Math.max(...leader.heartbeats());
    leader.give({ kind: "read", id: 1 });
    expect(Math.max(...leader.heartbeats())).toBeGreaterThan(before);
    leader.hear("c", { kind: "heartbeat-reply", term: 2, round: before });
    leader.hear("b", { kind: "heartbeat-reply", term: 2, round: before });
    expect(leader.results("read")).toEqual([]);
    leader.followed("c");
    expect(leader.results("read")).toEqual([{ kind: "ready", index: 2 }]);
  });

  test("an answer to a question of an earlier try, or of another leader, is no answer", () => {
    const follower = new RaftCore("b", ["a", "b", "c"]);
    follower.hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 }).give({ kind: "read", id: 1 });
    const asked = follower.sent.flatMap(({ message }) =>
      message.kind === "read-index" ? [message.token] : [],
    );
    expect(asked).toHaveLength(1);
    const [token = 0] = asked;
    follower.hear("a", { kind: "read-index-reply", term: 2, token: token - 1, index: 1 });
    follower.hear("c", { kind: "read-index-reply", term: 2, token, index: 1 });
    expect(follower.results("read")).toEqual([]);
    follower.hear("a", { kind: "read-index-reply", term: 2, token, index: 1 });
    expect(follower.results("read")).toEqual([{ kind: "ready", index: 1 }]);
  });

  test("reads that wait together share one round of heartbeats", () => {
    const leader = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b").followed("b");
    const before = leader.heartbeats().length;
    leader.give(...Array.from({ length: 50 }, (_, id) => ({ kind: "read", id }) as const));
    expect(leader.heartbeats().length - before).toBe(2);
    leader.followed("b");
    expect(leader.results("read")).toHaveLength(50);
  });
});

describe("a leader that is alone", () => {
  test("wakes for no heartbeat, and begins with them as soon as somebody is there", () => {
    const leader = new RaftCore("a", ["a"]).wait(1_000);
    expect(leader.raft.role).toBe("leader");
    expect(leader.raft.wake).toBe(Infinity);
    leader.wait(60_000).give({ kind: "propose", id: 1, data: new Uint8Array(1) });
    expect(leader.raft.status(leader.now)).toMatchObject({ role: "leader", quorum: true, commit: 3 });
    expect(leader.raft.wake).toBe(Infinity);
    const members = ["a", "b"].map((name) => defaultMember(idOf(name), name === "a" ? "voter" : "learner"));
    leader.give({ kind: "change-membership", id: 2, members }).wait(1_000);
    expect(leader.raft.role).toBe("leader");
    expect(leader.sent.filter(({ message }) => message.kind === "heartbeat").length).toBeGreaterThan(15);
  });
});

describe("changes of members", () => {
  const learner = { kind: "change-membership", id: 1, members: [] as never[] } as const;
  const withLearner = ["a", "b", "c"].map((name) => defaultMember(idOf(name), "voter"));
  const members = [...withLearner, defaultMember(idOf("d"), "learner")];

  test("none before the first entry of the leader's own term is committed", () => {
    const leader = new RaftCore("a", ["a", "b", "c"]).elect("b").give({ ...learner, members });
    expect(leader.results("membership")).toEqual([{ kind: "refused", reason: "not-ready" }]);
  });

  test("none over another one that is not committed", () => {
    const leader = new RaftCore("a", ["a", "b", "c"])
      .elect("b")
      .followed("b")
      .give({ ...learner, members });
    leader.give({ ...learner, id: 2, members: withLearner });
    expect(leader.results("membership")).toEqual([{ kind: "refused", reason: "pending" }]);
    leader.followed("b");
    expect(leader.results("membership").at(-1)).toEqual({ kind: "changed", index: 3 });
  });

  test("a learner that has not caught up is not promoted", () => {
    const leader = new RaftCore("a", ["a", "b", "c"])
      .elect("b")
      .followed("b")
      .give({ ...learner, members });
    leader.followed("b");
    const promoted = members.map((member) => ({ ...member, role: "voter" }) as const);
    leader.give({ ...learner, id: 2, members: promoted });
    expect(leader.results("membership").at(-1)).toEqual({ kind: "refused", reason: "not-caught-up" });
    leader.followed("d").wait(60).followed("b").followed("d").wait(60).followed("b");
    leader.give({ ...learner, id: 3, members: promoted });
    expect(leader.raft.status(leader.now).configuration.outgoing).not.toBeNull();
  });
});

describe("leaders that are no more", () => {
  test("forwarded proposals are failed at once when the leader changes, and unsent ones are known not to have left", () => {
    const follower = new RaftCore("b", ["a", "b", "c"]);
    follower.hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 });
    follower.give({ kind: "propose", id: 1, data: command });
    follower.give(
      { kind: "propose", id: 2, data: command },
      { kind: "message", from: idOf("c"), message: { kind: "heartbeat", term: 3, round: 1, commit: 1 } },
    );
    expect(follower.results("proposal")).toEqual([
      { kind: "unknown" },
      { kind: "refused", reason: "no-leader" },
    ]);
  });

  test("a leader whose disk hangs does not hold its followers by its heartbeats", () => {
    const story = playRaftTranscript("nodes a:2 b c\nrun 400\nhang a\npropose a x\nrun 700");
    expect(story).toContain("b is leader in term 3, ready");
  });

  test("a leader whose disk failed says nothing more, and calls the next one", () => {
    const leader = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b");
    leader.sent.length = 0;
    leader.give(
      { kind: "propose", id: 1, data: command },
      { kind: "storage-failed", reason: "the disk failed" },
      { kind: "propose", id: 2, data: command },
    );
    expect(leader.sent.map(({ message }) => message.kind)).toEqual(["timeout-now"]);
    expect(leader.results("proposal").at(-1)).toEqual({ kind: "refused", reason: "stopped" });
    expect(leader.raft.status(leader.now).stopped).toBe("the disk failed");
    expect(leader.wait(5_000).sent).toHaveLength(1);
  });

  test("a leader that sleeps again and again, and hears nobody, does not think for ever that it leads", () => {
    const leader = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b");
    for (let i = 0; i < 5; i++) {
      leader.now += 180;
      leader.give({ kind: "tick" });
    }
    expect(leader.raft.role).not.toBe("leader");
  });

  test("the only voter that is left does not campaign while its leader's lease may count", () => {
    const options = { leaseReads: true, hints: false };
    const follower = new RaftCore("b", ["a", "b"], { options }).wait(1_000);
    const data = encodeConfiguration({ members: [defaultMember(idOf("b"), "voter")], outgoing: null });
    const entries = [{ index: 2, term: 5, kind: "configuration", data }] as const;
    follower.hear("a", { kind: "append", term: 5, previous: { index: 1, term: 1 }, entries, commit: 2 });
    expect(follower.wait(199).raft.role).toBe("follower");
    expect(follower.wait(400).raft.role).toBe("leader");
  });

  test("a follower that was asleep reads its mail before it asks for an election", () => {
    const follower = new RaftCore("b", ["a", "b", "c"]);
    follower.hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 });
    follower.now += 3_000;
    follower.give({ kind: "tick" });
    expect(follower.raft.role).toBe("follower");
    follower.wait(60);
    expect(follower.raft.role).toBe("pre-candidate");
  });

  test("a partial cut disturbs nobody: who hears its leader elects no other", () => {
    const story = playRaftTranscript("nodes a:2 b c\nrun 400\ncut a b\nrun 3000\nstatus");
    expect(story).toContain("a leader term 2");
    expect(story).toContain("c follower term 2, led by a");
  });
});

describe("snapshots", () => {
  test("a follower that takes no chunk loses its turn, and the log is compacted behind it", () => {
    const limits = { trailingEntries: 2, snapshot_ms: 600_000, cacheEntries: 4 };
    const leader = new RaftCore("a", ["a", "b", "c"], { limits }).elect("b").followed("b");
    const write = (count: number): void => {
      for (let id = 0; id < count; id++) leader.give({ kind: "propose", id, data: command }).followed("b");
    };
    write(20);
    const { base } = leader.raft.log;
    expect(base.index).toBeGreaterThan(10);
    leader.hear("c", { kind: "refused", term: 2, previous: 1, hint: { index: 0, term: 0 }, last: 0 });
    const opened = leader.effects.flatMap((effect) =>
      effect.kind === "snapshot-open" ? [effect.transfer] : [],
    );
    expect(opened).toHaveLength(1);
    leader.give({ kind: "snapshot-opened", transfer: opened[0] ?? 0, position: leader.raft.log.last });
    const pinned = leader.raft.log.last.index;
    write(20);
    expect(leader.raft.log.base.index).toBeLessThanOrEqual(pinned);
    for (let i = 0; i < 60; i++) leader.wait(50).followed("b");
    expect(leader.effects.some(({ kind }) => kind === "snapshot-close")).toBe(true);
    write(1);
    expect(leader.raft.log.base.index).toBeGreaterThan(pinned);
  });

  test("one that is older than what is committed here is not taken", () => {
    const follower = new RaftCore("b", ["a", "b", "c"]);
    const entries = [2, 3, 4].map((index) => ({ index, term: 2, kind: "command", data: command }) as const);
    follower.hear("a", { kind: "append", term: 2, previous: { index: 1, term: 1 }, entries, commit: 4 });
    const configuration = { members: [], outgoing: null };
    const mark = { transfer: 9, position: { index: 3, term: 2 }, configuration };
    follower.hear("a", { kind: "snapshot", term: 2, mark, chunk: 0, bytes: command, final: true });
    expect(follower.effects.some(({ kind }) => kind.startsWith("snapshot"))).toBe(false);
    expect(follower.raft.log.last.index).toBe(4);
  });
});

describe("the witness", () => {
  test("refuses its vote to a data node that lacks what it knows to be committed", () => {
    const story = playRaftTranscript(
      "nodes a:2 b w/witness\nrun 400\ncrash b\nrun 400\npropose a x\nrun 20\ncrash a\nrestart b\nrun 900\nstatus",
    );
    expect(story).toContain("a commits 3");
    expect(story).not.toContain("b is leader");
  });

  test("takes no command, and a data node nothing without its data", () => {
    const witness = new RaftCore("b", ["a", "b", "c"], { options: { witness: true } });
    const data = new RaftCore("c", ["a", "b", "c"]);
    const append = (kind: "command" | "stripped") =>
      ({
        kind: "append",
        term: 2,
        previous: { index: 1, term: 1 },
        entries: [{ index: 2, term: 2, kind, data: new Uint8Array(0) }],
        commit: 1,
      }) as const;
    witness.hear("a", append("command"));
    data.hear("a", append("stripped"));
    for (const core of [witness, data]) {
      expect(core.raft.log.last.index).toBe(1);
      expect(core.raft.refusedEntries).toBe(1);
    }
    expect(witness.wait(10_000).raft.role).toBe("follower");
  });
});

describe("bounds", () => {
  test("too large, too much, and no leader are refused", () => {
    const limits = { command_bytes: 100, uncommitted_bytes: 250 };
    const core = new RaftCore("a", ["a", "b", "c"], { limits });
    core.give({ kind: "propose", id: 1, data: command }).elect("b");
    core.give({ kind: "propose", id: 2, data: new Uint8Array(101) });
    for (let id = 3; id < 6; id++) core.give({ kind: "propose", id, data: new Uint8Array(100) });
    expect(core.results("proposal")).toMatchObject([
      { kind: "refused", reason: "no-leader" },
      { kind: "refused", reason: "too-large" },
      { kind: "accepted" },
      { kind: "accepted" },
      { kind: "refused", reason: "busy" },
    ]);
    core.followed("b");
    core.give({ kind: "propose", id: 6, data: new Uint8Array(100) });
    expect(core.results("proposal").at(-1)).toMatchObject({ kind: "accepted" });
  });

  test("appends under way to a silent follower are bounded", () => {
    const limits = { inflightAppends: 4, appendEntries: 2 };
    const leader = new RaftCore("a", ["a", "b", "c"], { limits }).elect("b").followed("b").followed("c");
    leader.sent.length = 0;
    for (let id = 0; id < 50; id++) leader.give({ kind: "propose", id, data: command });
    expect(
      leader.sent.filter(({ to, message }) => to === idOf("c") && message.kind === "append"),
    ).toHaveLength(4);
  });

  test("what is read from the disk for one far behind goes in small pieces, few at a time", () => {
    const limits = { cacheEntries: 4, trailingEntries: 100_000 };
    const leader = new RaftCore("a", ["a", "b", "c"], { limits }).elect("b").followed("b");
    for (let turn = 0; turn < 40; turn++) {
      const inputs = Array.from(
        { length: 100 },
        (_, id) => ({ kind: "propose", id, data: command }) as const,
      );
      leader.give(...inputs).followed("b");
    }
    leader.sent.length = 0;
    leader.hear("c", { kind: "refused", term: 2, previous: 1, hint: { index: 0, term: 0 }, last: 0 });
    leader.hear("c", { kind: "appended", term: 2, match: 1 });
    for (let turn = 0; turn < 20; turn++) leader.give({ kind: "tick" });
    const appends = leader.sent.flatMap(({ to, message }) =>
      to === idOf("c") && message.kind === "append" ? [message.entries.length] : [],
    );
    expect(Math.max(...appends)).toBe(512);
    expect(appends.length).toBeLessThanOrEqual(5);
  });

  test("a time-out is never below ten round trips", () => {
    const follower = new RaftCore("b", ["a", "b", "c"]).give({ kind: "round-trip", roundTrip_ms: 90 });
    follower.hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 }).wait(899);
    expect(follower.raft.role).toBe("follower");
    expect(follower.wait(950).raft.role).toBe("pre-candidate");
  });
});

describe("a hint that the leader is gone", () => {
  /** Behind leader a, in term 2. */
  function follower(self: string): RaftCore {
    const core = new RaftCore(self, ["a", "b", "c"]);
    return core.hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 });
  }
  const hint = { kind: "hint", peer: idOf("a") } as const;
  const asked = (core: RaftCore): number =>
    core.sent.filter(({ to, message }) => to === idOf("c") && message.kind === "vote" && message.pre).length;

  test("is followed again soon after a refusal, whatever the leader leaves unanswered", () => {
    const core = follower("b").give(hint);
    expect(asked(core)).toBe(1);
    // It has no sign of its own yet.
    core.hear("c", { kind: "vote-reply", term: 2, pre: true, granted: false });
    expect(core.raft.role).toBe("follower");
    core.wait(40);
    expect(asked(core)).toBe(2);
    core.hear("c", { kind: "vote-reply", term: 3, pre: true, granted: true });
    expect(core.raft.role).toBe("candidate");
  });

  test("is followed by one where two have it: the later in their order lets the other go on", () => {
    const vote = (core: RaftCore) =>
      ({
        kind: "vote",
        term: 3,
        pre: true,
        transfer: false,
        last: { index: core.raft.log.last.index, term: core.raft.log.last.term },
      }) as const;
    const later = follower("c").give(hint).wait(20);
    expect(later.raft.role).toBe("pre-candidate");
    later.hear("b", vote(later));
    expect(later.raft.role).toBe("follower");
    expect(later.sent.at(-1)?.message).toMatchObject({ kind: "vote-reply", granted: true });
    later.hear("b", { kind: "vote-reply", term: 3, pre: true, granted: true });
    expect(later.raft.role).toBe("follower");

    const first = follower("b").give(hint);
    first.hear("c", vote(first));
    expect(first.raft.role).toBe("pre-candidate");
    expect(first.sent.at(-1)?.message).toMatchObject({ kind: "vote-reply", granted: true });
    first.hear("c", { kind: "vote-reply", term: 3, pre: true, granted: true });
    expect(first.raft.role).toBe("candidate");
  });
});
