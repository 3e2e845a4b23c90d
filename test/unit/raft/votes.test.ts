/** Which answers count in an election, and which do not: one wrong one is two leaders in a term. */
import { describe, expect, test } from "vitest";
import type { RaftMessage, VoteMessage } from "../../../src/raft/messages.ts";
import { idOf, RaftCore } from "../../support/raft-core.ts";

const voters = ["a", "b", "c", "d", "e"];

function reply(term: number, pre: boolean, granted = true): RaftMessage {
  return { kind: "vote-reply", term, pre, granted };
}

/** Waits until it asks around, as somebody without a leader. */
function asking(core: RaftCore): RaftCore {
  while (core.raft.role !== "pre-candidate") {
    core.now = core.raft.wake;
    core.give({ kind: "tick" });
  }
  return core;
}

/** Five voters; this one campaigns in the next term, by the wishes of b and c. */
function candidate(core = new RaftCore("a", voters)): RaftCore {
  const { term } = asking(core).raft.status(core.now);
  return core.hear("b", reply(term + 1, true)).hear("c", reply(term + 1, true));
}

describe("votes that were given", () => {
  test("a majority of them makes a leader, the own one included", () => {
    const core = candidate();
    expect(core.raft.role).toBe("candidate");
    core.hear("b", reply(2, false));
    expect(core.raft.role).toBe("candidate");
    expect(core.hear("d", reply(2, false)).raft.role).toBe("leader");
  });

  test("in an earlier term count for nothing in this one", () => {
    const core = candidate();
    core.hear("b", reply(2, false));
    candidate(core);
    expect(core.raft.status(core.now)).toMatchObject({ role: "candidate", term: 3 });
    core.hear("c", reply(2, false)).hear("d", reply(2, false)).hear("e", reply(2, false));
    expect(core.raft.role).toBe("candidate");
    core.hear("c", reply(3, false)).hear("d", reply(3, false));
    expect(core.raft.role).toBe("leader");
  });

  test("a wish that comes late is no vote", () => {
    const core = candidate();
    core.hear("d", reply(2, true)).hear("e", reply(2, true));
    expect(core.raft.role).toBe("candidate");
  });

  test("a wish that was refused, and comes late, is no vote that was refused", () => {
    const core = candidate();
    for (const voter of ["b", "c", "d", "e"]) core.hear(voter, reply(2, true, false));
    expect(core.raft.role).toBe("candidate");
    core.hear("b", reply(2, false)).hear("c", reply(2, false));
    expect(core.raft.role).toBe("leader");
  });

  test("a wish for another term is none", () => {
    const core = asking(new RaftCore("a", voters));
    core.hear("b", reply(3, true)).hear("c", reply(3, true)).hear("d", reply(1, true));
    expect(core.raft.status(core.now)).toMatchObject({ role: "pre-candidate", term: 1 });
  });

  test("the same one twice is one, and what was said first stays", () => {
    const core = candidate();
    core.hear("b", reply(2, false)).hear("b", reply(2, false)).hear("b", reply(2, false));
    core.hear("c", reply(2, false, false)).hear("c", reply(2, false));
    expect(core.raft.role).toBe("candidate");
  });

  test("those of nodes that do not vote count for nothing", () => {
    const core = candidate();
    for (const stranger of ["x", "y", "z"]) core.hear(stranger, reply(2, false));
    expect(core.raft.role).toBe("candidate");
  });

  test("the own one counts when it is on disk", () => {
    const core = asking(new RaftCore("a", ["a", "b"]));
    const wished = { kind: "message", from: idOf("b"), message: reply(2, true) } as const;
    const voted = { kind: "message", from: idOf("b"), message: reply(2, false) } as const;
    const effects = core.raft.stepAll([wished, voted], core.now);
    expect(core.raft.role).toBe("candidate");
    const persist = effects.find(({ kind }) => kind === "persist");
    if (persist?.kind !== "persist") throw new Error("it wrote no promise");
    core.disk.persist(persist);
    core.give({ kind: "persisted", id: persist.id });
    expect(core.raft.role).toBe("leader");
  });
});

describe("a voter that is asked", () => {
  const last = { index: 9, term: 1 };
  const question = (term: number, more: Partial<VoteMessage> = {}): VoteMessage => {
    return { kind: "vote", term, pre: false, transfer: false, last, ...more };
  };
  const answers = (core: RaftCore): unknown[] =>
    core.sent.flatMap(({ to, message }) => (message.kind === "vote-reply" ? [[to, message]] : []));

  test("votes once in a term, and for the same one again", () => {
    const core = new RaftCore("a", voters);
    core.hear("b", question(2)).hear("c", question(2)).hear("b", question(2));
    expect(answers(core)).toEqual([
      [idOf("b"), { ...reply(2, false) }],
      [idOf("c"), { ...reply(2, false, false) }],
      [idOf("b"), { ...reply(2, false) }],
    ]);
    expect(core.disk.stored(0).hardState).toMatchObject({ term: 2, vote: idOf("b") });
  });

  test("wishes for nobody whose term is not above its own, and tells that one", () => {
    const core = new RaftCore("a", voters).hear("b", question(5));
    core.sent.length = 0;
    core.hear("c", question(5, { pre: true })).hear("c", question(3, { pre: true }));
    expect(answers(core)).toEqual([
      [idOf("c"), { ...reply(5, true, false) }],
      [idOf("c"), { ...reply(5, true, false) }],
    ]);
    expect(core.hear("c", question(6, { pre: true })).disk.stored(0).hardState.term).toBe(5);
    expect(answers(core).at(-1)).toEqual([idOf("c"), reply(6, true)]);
  });
});

describe("loyalty", () => {
  const last = { index: 9, term: 1 };
  const vote = (term: number): VoteMessage => {
    return { kind: "vote", term, pre: false, transfer: false, last };
  };
  const granted = (core: RaftCore): boolean =>
    core.sent.some(({ message }) => message.kind === "vote-reply" && message.granted);

  test("is owed to the leader that was heard of lately, and to none that is no leader any more", () => {
    const core = new RaftCore("b", voters).hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 });
    expect(granted(core.hear("c", vote(3)))).toBe(false);
    // Somebody is in a later term: a leads no more.
    core.hear("d", reply(3, false, false));
    expect(granted(core.hear("c", vote(4)))).toBe(true);
  });

  test("is kept by one that has just started, where a lease may count on it", () => {
    const lease = { options: { leaseReads: true, hints: false } };
    const core = new RaftCore("b", voters, lease).hear("c", vote(2));
    expect([granted(core), core.disk.stored(0).hardState.term]).toEqual([false, 1]);
    core.now += 200;
    expect(granted(core.hear("c", vote(2)))).toBe(true);
    expect(granted(new RaftCore("b", voters).hear("c", vote(2)))).toBe(true);
  });

  test("is kept by time alone where a lease may count on it, also in a later term that somebody told of", () => {
    const lease = { options: { leaseReads: true, hints: false } };
    const core = new RaftCore("b", voters, lease).hear("a", {
      kind: "heartbeat",
      term: 2,
      round: 1,
      commit: 1,
    });
    core.hear("d", reply(3, false, false));
    expect(granted(core.hear("c", vote(3)))).toBe(false);
    core.now += 200;
    expect(granted(core.hear("c", vote(3)))).toBe(true);
  });

  test("says nothing to who asks in a later term: it is no concern of the one that is loyal", () => {
    const core = new RaftCore("b", voters).hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 });
    core.sent.length = 0;
    core.hear("c", vote(3));
    expect(core.sent).toEqual([]);
  });

  test("is owed by nobody who is alone: it leads at once", () => {
    expect(new RaftCore("a", ["a"]).give({ kind: "tick" }).raft.role).toBe("leader");
  });

  test("ends where a leader hears of a later term, and each that it tries to lead tells it so", () => {
    const core = new RaftCore("b", voters).hear("c", vote(5));
    core.sent.length = 0;
    core.hear("a", { kind: "heartbeat", term: 2, round: 7, commit: 1 });
    const told = [{ to: idOf("a"), message: { kind: "heartbeat-reply", term: 5, round: 0 } }];
    expect(core.sent).toMatchObject(told);
    const leader = new RaftCore("a", ["a", "b", "c"]).elect("b").followed("b");
    expect(leader.hear("c", { kind: "heartbeat-reply", term: 5, round: 0 }).raft.role).toBe("follower");
  });
});

describe("a leader's word to campaign at once", () => {
  test("counts from the leader in its own term, and from nobody else", () => {
    const core = new RaftCore("b", voters);
    core.hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 });
    core.hear("c", { kind: "timeout-now", term: 2 });
    core.hear("a", { kind: "timeout-now", term: 1 });
    expect(core.raft.status(core.now)).toMatchObject({ role: "follower", term: 2 });
    core.hear("a", { kind: "timeout-now", term: 2 });
    expect(core.raft.status(core.now)).toMatchObject({ role: "candidate", term: 3 });
  });
});

describe("a word that nobody honest says", () => {
  const stranger = "z";
  const leader = (): RaftCore => new RaftCore("a", ["a", "b", "c"]).elect("b");
  const follower = (): RaftCore =>
    new RaftCore("a", ["a", "b", "c"]).hear("b", { kind: "heartbeat", term: 2, round: 1, commit: 0 });

  test("of a term beyond all counting is none, whoever says it and whatever it is", () => {
    const term = Number.MAX_SAFE_INTEGER;
    const last = { index: 9, term };
    const words: RaftMessage[] = [
      { kind: "vote", term, pre: false, transfer: true, last },
      { kind: "vote-reply", term, pre: false, granted: false },
      { kind: "heartbeat", term, round: 1, commit: 0 },
      { kind: "append", term, previous: { index: 0, term: 0 }, entries: [], commit: 0 },
      { kind: "heartbeat-reply", term, round: 1 },
      { kind: "timeout-now", term },
    ];
    for (const core of [follower(), leader()]) {
      const { role } = core.raft;
      for (const word of words) core.hear("b", word).hear(stranger, word);
      expect([core.raft.role, core.raft.status(core.now).term]).toEqual([role, 2]);
    }
  });

  test("of a later term is an answer's from members alone: a removed node ends no leadership with it", () => {
    const answers = [
      { kind: "heartbeat-reply", term: 7, round: 1 },
      { kind: "vote-reply", term: 7, pre: false, granted: false },
      { kind: "refused", term: 7, previous: 1, hint: { index: 0, term: 0 }, last: 0 },
    ] as const;
    for (const answer of answers) {
      expect(leader().hear(stranger, answer).raft.role).toBe("leader");
      expect(leader().hear("b", answer).raft.role).toBe("follower");
    }
  });

  test("that the leader called it to campaign is believed of voters alone", () => {
    const last = { index: 9, term: 2 };
    const question = { kind: "vote", term: 3, pre: false, transfer: true, last } as const;
    for (const core of [follower(), leader()]) {
      const { role } = core.raft;
      expect(core.hear(stranger, question).raft.role).toBe(role);
      expect(core.raft.status(core.now).term).toBe(2);
      expect(core.hear("c", question).raft.status(core.now).term).toBe(3);
    }
  });

  test("of a second leader in one term stops a member that hears it of a member, and of nobody else", () => {
    for (const kind of ["heartbeat", "append", "snapshot"] as const) {
      for (const core of [follower(), leader()]) {
        core.hear(stranger, leadersWord(kind));
        expect(core.raft.status(core.now).stopped).toBeNull();
        core.hear("c", leadersWord(kind));
        expect(core.raft.status(core.now).stopped).toMatch(/leads in term 2, in which another leads/);
      }
    }
  });
});

function leadersWord(kind: "heartbeat" | "append" | "snapshot"): RaftMessage {
  const position = { index: 1, term: 1 };
  if (kind === "heartbeat") return { kind, term: 2, round: 1, commit: 0 };
  if (kind === "append") return { kind, term: 2, previous: position, entries: [], commit: 0 };
  const configuration = { members: [], outgoing: null };
  const mark = { transfer: 1, position, configuration };
  return { kind, term: 2, mark, chunk: 0, bytes: new Uint8Array(0), final: true };
}
