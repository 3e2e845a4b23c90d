import { describe, expect, test } from "vitest";
import { Proposals } from "../../../../src/cluster/consensus/proposals.ts";
import type { ConsensusAnswer } from "../../../../src/cluster/consensus/requests.ts";
import type { RaftId } from "../../../../src/raft/configuration.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";

const command = new Uint8Array(4);
const outcome = new Uint8Array([7]);

/** Proposals whose core is played by hand: attempts count from 1 in the order in which they are given. */
function world() {
  const clock = new VirtualClock();
  const given: number[] = [];
  const answers: ConsensusAnswer[] = [];
  const proposals = new Proposals({
    clock,
    hasLeader: () => true,
    give: (attempt) => void given.push(attempt),
    answer: (answer) => void answers.push(answer),
  });
  return { clock, given, answers, proposals };
}

function accepted(index: number, term: number) {
  return { kind: "accepted", position: { index, term } } as const;
}

describe("a proposal that the leader's program refuses", () => {
  test("ends at once, with the leader's name and word", () => {
    const { proposals, answers } = world();
    proposals.add(1, command, 5_000);
    const by = "node-2#1" as RaftId;
    proposals.result(1, { kind: "rejected", by, code: "version_mismatch", detail: "upgrade it" });
    expect(answers).toEqual([
      {
        kind: "failed",
        request: 1,
        code: "version_mismatch",
        detail: 'Node "node-2", which leads, refuses the command: upgrade it',
      },
    ]);
  });
});

describe("two proposals of different terms at one place of the log", () => {
  test("are both told the truth as soon as that entry is applied", () => {
    const { proposals, answers } = world();
    proposals.add(1, command, 5_000);
    proposals.result(1, accepted(10, 1));
    proposals.add(2, command, 5_000);
    proposals.result(2, accepted(10, 2));
    proposals.applied({ index: 10, term: 2 }, outcome);
    expect(answers).toMatchObject([
      { kind: "failed", request: 1, code: "no_quorum" },
      { kind: "committed", request: 2, index: 10, term: 2 },
    ]);
  });

  test("nor does the first one hide the outcome of another whose place is told later", () => {
    const { proposals, answers } = world();
    proposals.add(1, command, 5_000);
    proposals.result(1, accepted(10, 1));
    proposals.add(2, command, 5_000);
    proposals.applied({ index: 10, term: 2 }, outcome);
    proposals.result(2, accepted(10, 2));
    expect(answers).toMatchObject([
      { kind: "failed", request: 1, code: "no_quorum" },
      { kind: "committed", request: 2 },
    ]);
  });

  test("do not keep each other from it: the time of the first may be over before", async () => {
    const { proposals, answers, clock } = world();
    proposals.add(1, command, 100);
    proposals.result(1, accepted(10, 1));
    proposals.add(2, command, 5_000);
    proposals.result(2, accepted(10, 2));
    await clock.runUntilSettled(() => answers.length > 0, 1_000);
    expect(answers).toMatchObject([{ kind: "failed", request: 1, code: "outcome_unknown" }]);
    proposals.applied({ index: 10, term: 2 }, outcome);
    expect(answers.at(-1)).toMatchObject({ kind: "committed", request: 2 });
  });
});

describe("what became of a proposal", () => {
  test("is not known where a snapshot overtook it, and of those after it, it still may be", () => {
    const { proposals, answers } = world();
    for (const index of [10, 11]) {
      proposals.add(index, command, 5_000);
      proposals.result(index - 9, accepted(index, 1));
    }
    proposals.skipped(10);
    expect(answers).toMatchObject([{ kind: "failed", request: 10, code: "outcome_unknown" }]);
    proposals.applied({ index: 11, term: 1 }, outcome);
    expect(answers.at(-1)).toMatchObject({ kind: "committed", request: 11 });
  });

  test("is told at the end: nothing was done where nobody had it, else it is not known", () => {
    const { proposals, answers } = world();
    proposals.add(1, command, 5_000);
    proposals.add(2, command, 5_000);
    proposals.result(2, { kind: "refused", reason: "busy" });
    proposals.add(3, command, 5_000);
    proposals.result(3, accepted(10, 1));
    proposals.close("it stops");
    expect(answers.toSorted((a, b) => a.request - b.request)).toMatchObject([
      { request: 1, code: "outcome_unknown" },
      { request: 2, code: "unavailable" },
      { request: 3, code: "outcome_unknown" },
    ]);
  });

  test("is known though its place is told after it was applied", () => {
    const { proposals, answers } = world();
    proposals.add(1, command, 5_000);
    proposals.applied({ index: 10, term: 1 }, outcome);
    proposals.result(1, accepted(10, 1));
    expect(answers).toMatchObject([{ kind: "committed", request: 1, index: 10 }]);
  });
});

describe("bounds", () => {
  test("one more than may wait is refused, and there is room again when one ended", () => {
    const { proposals, answers } = world();
    const big = new Uint8Array(1024 * 1024);
    for (let i = 1; i <= 64; i++) proposals.add(i, big, 5_000);
    expect(answers).toEqual([]);
    proposals.add(65, command, 5_000);
    expect(answers).toMatchObject([{ kind: "failed", request: 65, code: "too_many_requests" }]);
    proposals.result(1, accepted(10, 1));
    proposals.applied({ index: 10, term: 1 }, outcome);
    proposals.add(66, command, 5_000);
    expect(answers.at(-1)).toMatchObject({ kind: "committed", request: 1 });
  });
});

describe("a node that is cut off", () => {
  test("ends every proposal: what nobody has was not done, of what a leader had it is not known", () => {
    const { clock, proposals, answers } = world();
    for (const request of [1, 2, 3]) proposals.add(request, command, 5_000);
    proposals.result(1, accepted(10, 1));
    proposals.result(3, { kind: "refused", reason: "no-leader" });
    proposals.giveUp();
    expect(answers).toMatchObject([
      { request: 1, code: "outcome_unknown" },
      { request: 2, code: "outcome_unknown" },
      { request: 3, code: "no_quorum" },
    ]);
    proposals.applied({ index: 10, term: 1 }, outcome);
    clock.advance(10_000);
    expect(answers).toHaveLength(3);
  });
});
