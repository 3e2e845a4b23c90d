/** Answers that come late, early, from the wrong one or too many at once; and what a disk allows. */
import { describe, expect, test } from "vitest";
import type { RaftEffect, RaftInput } from "../../../src/raft/effects.ts";
import type { ForwardReplyMessage, RaftMessage } from "../../../src/raft/messages.ts";
import { defaultLimits } from "../../../src/raft/options.ts";
import { idOf, RaftCore } from "../../support/raft-core.ts";

const voters = ["a", "b", "c"];
const command = new Uint8Array(8);

function leader(how: ConstructorParameters<typeof RaftCore>[2] = {}): RaftCore {
  return new RaftCore("a", voters, how).elect("b").followed("b").followed("c");
}

function follower(how: ConstructorParameters<typeof RaftCore>[2] = {}): RaftCore {
  return new RaftCore("b", voters, how).hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 1 });
}

function sentOf<K extends RaftMessage["kind"]>(core: RaftCore, kind: K) {
  return core.sent.flatMap(({ message }) => (message.kind === kind ? [message] : [])) as Extract<
    RaftMessage,
    { kind: K }
  >[];
}

describe("reads", () => {
  test("asked of the leader of another term are answered with no index", () => {
    const core = leader();
    core.hear("c", { kind: "read-index", term: 1, token: 5 });
    expect(sentOf(core, "read-index-reply")).toMatchObject([{ token: 5, index: null }]);
  });

  test("more than may wait are refused, here and for others", () => {
    const limits = { reads: 2 };
    const core = leader({ limits });
    core.give(...[1, 2, 3].map((id): RaftInput => ({ kind: "read", id })));
    expect(core.results("read")).toEqual([{ kind: "refused", reason: "busy" }]);
    const other = leader({ limits });
    for (const token of [1, 2, 3]) other.hear("c", { kind: "read-index", term: 2, token });
    expect(sentOf(other, "read-index-reply")).toMatchObject([{ token: 3, index: null }]);
  });

  test("that the leader never answers are given up, though it lives", () => {
    const core = follower().give({ kind: "read", id: 1 });
    for (let round = 2; round <= 12; round++) {
      core.wait(100);
      core.hear("a", { kind: "heartbeat", term: 2, round, commit: 1 });
    }
    expect(core.results("read")).toEqual([{ kind: "refused", reason: "leader-changed" }]);
  });

  test("are not confirmed by an answer to a round that was not begun", () => {
    const core = leader();
    for (const id of ["b", "c"]) core.hear(id, { kind: "heartbeat-reply", term: 2, round: 1_000 });
    core.give({ kind: "read", id: 1 });
    expect(core.results("read")).toEqual([]);
    expect(core.followed("b").results("read")).toHaveLength(1);
  });
});

describe("forwarded proposals", () => {
  const forward = (term: number, data = command): RaftMessage => {
    return { kind: "forward", term, proposals: [{ id: 9, data }] };
  };

  test("of another term, or too large, are refused by the leader", () => {
    const core = leader();
    const end = core.raft.log.last.index;
    core.hear("c", forward(1)).hear("c", forward(2, new Uint8Array(defaultLimits.command_bytes + 1)));
    expect(sentOf(core, "forward-reply").map(({ results }) => results)).toEqual([
      [{ id: 9, position: null }],
      [{ id: 9, position: null }],
    ]);
    expect(core.raft.log.last.index).toBe(end);
    core.hear("c", forward(2));
    expect(core.raft.log.last.index).toBe(end + 1);
  });

  test("are answered by the leader that they went to, and by nobody else", () => {
    const core = follower().give({ kind: "propose", id: 1, data: command });
    const id = sentOf(core, "forward")[0]?.proposals[0]?.id ?? 0;
    const answer = (term: number): ForwardReplyMessage => {
      return { kind: "forward-reply", term, results: [{ id, position: { index: 3, term: 2 } }] };
    };
    core.hear("c", answer(2)).hear("a", answer(1));
    expect(core.results("proposal")).toEqual([]);
    core.hear("a", answer(2));
    expect(core.results("proposal")).toMatchObject([{ kind: "accepted" }]);
  });

  test("that the leader never takes end with its word at once, and with nobody else's", () => {
    const core = follower().give({ kind: "propose", id: 1, data: command });
    const id = sentOf(core, "forward")[0]?.proposals[0]?.id ?? 0;
    const [code, detail] = ["version_mismatch", "too new"];
    const refused = (term: number): RaftMessage => ({ kind: "forward-refused", term, id, code, detail });
    core.hear("c", refused(2)).hear("a", refused(1));
    expect(core.results("proposal")).toEqual([]);
    core.hear("a", refused(2)).hear("a", refused(2));
    core.hear("a", { kind: "forward-reply", term: 2, results: [{ id, position: null }] });
    expect(core.results("proposal")).toEqual([{ kind: "rejected", by: idOf("a"), code, detail }]);
  });

  test("are so many at most", () => {
    const core = follower({ limits: { forwarded: 2 } });
    for (const id of [1, 2, 3]) core.give({ kind: "propose", id, data: command });
    expect(core.results("proposal")).toEqual([{ kind: "refused", reason: "busy" }]);
  });
});

describe("a disk that takes its time", () => {
  const persistOf = (effects: readonly RaftEffect[]): number =>
    effects.flatMap((effect) => (effect.kind === "persist" ? [effect.id] : []))[0] ?? 0;

  test("holds back what is said in later steps, too, until it has what was promised before", () => {
    const core = new RaftCore("a", voters);
    const question: RaftInput = {
      kind: "message",
      from: idOf("b"),
      message: { kind: "vote", term: 2, pre: false, transfer: false, last: { index: 9, term: 1 } },
    };
    const persist = persistOf(core.raft.stepAll([question], 0));
    expect(persist).toBeGreaterThan(0);
    const again = core.raft.stepAll([question], 0).filter(({ kind }) => kind === "send");
    expect(again).toMatchObject([{ after: persist, message: { granted: true } }]);
  });

  test("ends leadership after a time-out, however much is given to it meanwhile", () => {
    const core = leader();
    let now = core.now;
    for (let id = 1; id <= 12 && core.raft.role === "leader"; id++) {
      now += 25;
      const inputs: RaftInput[] = [{ kind: "propose", id, data: command }];
      for (const from of ["b", "c"])
        inputs.push({
          kind: "message",
          from: idOf(from),
          message: { kind: "heartbeat-reply", term: 2, round: 1 },
        });
      core.raft.stepAll(inputs, now);
    }
    expect(core.raft.role).toBe("follower");
  });
});
