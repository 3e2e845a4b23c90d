/** What a follower takes over from its leader, and what it answers: never more than it can vouch for. */
import { describe, expect, test } from "vitest";
import type { Entry } from "../../../src/raft/entry.ts";
import type { RaftMessage, SnapshotMark } from "../../../src/raft/messages.ts";
import { defaultMember } from "../../../src/raft/configuration.ts";
import { idOf, RaftCore } from "../../support/raft-core.ts";

const voters = ["a", "b", "c"];

function entries(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => {
    return { index: from + i, term, kind: "command", data: new Uint8Array(4) } as const;
  });
}

function append(
  term: number,
  previous: readonly [number, number],
  sent: Entry[],
  commit: number,
): RaftMessage {
  const [index, before] = previous;
  return { kind: "append", term, previous: { index, term: before }, entries: sent, commit };
}

function answers(core: RaftCore): unknown[] {
  return core.sent.flatMap(({ message }) => (message.kind === "appended" ? [message.match] : []));
}

describe("a follower", () => {
  test("commits no further than what the leader's append has shown to agree", () => {
    const core = new RaftCore("b", voters).hear("c", append(2, [1, 1], entries(2, 4, 2), 1));
    // The next leader has another entry 2, and has committed it.
    core.hear("a", append(3, [1, 1], [], 4));
    expect(core.raft.log).toMatchObject({ commit: 1, last: { index: 4, term: 2 } });
    core.hear("a", append(3, [1, 1], entries(2, 2, 3), 4));
    expect(core.raft.log).toMatchObject({ commit: 2, last: { index: 2, term: 3 } });
  });

  test("stops where a leader contradicts what is committed, and says so", () => {
    const core = new RaftCore("b", voters).hear("a", append(2, [1, 1], entries(2, 3, 2), 3));
    core.hear("c", append(3, [1, 1], entries(2, 2, 3), 3));
    expect(core.raft.status(core.now).stopped).toBe(
      "the leader's log contradicts entry 2, which is committed here",
    );
    expect(core.raft.log).toMatchObject({ commit: 3, last: { index: 3, term: 2 } });
  });

  test("counts the newest committed entry as committed: it is not taken back", () => {
    const core = new RaftCore("b", voters).hear("a", append(2, [1, 1], entries(2, 3, 2), 2));
    core.hear("c", append(3, [1, 1], entries(2, 2, 3), 2));
    expect(core.raft.status(core.now).stopped).toBe(
      "the leader's log contradicts entry 2, which is committed here",
    );
  });

  test("whose disk has lost what it had acknowledged stops, says so, and answers nobody any more", () => {
    const core = new RaftCore("b", voters).hear("a", append(2, [1, 1], entries(2, 8, 2), 5));
    core.hear("a", { kind: "heartbeat", term: 2, round: 1, commit: 8 });
    expect(core.raft.status(core.now).stopped).toBeNull();
    core.sent.length = 0;
    core.hear("a", { kind: "heartbeat", term: 2, round: 2, commit: 9 });
    expect(core.effects).toContainEqual({ kind: "log-lost", acknowledged: 9, last: 8 });
    expect(core.raft.status(core.now).stopped).toBe("the log ends at entry 8, and had acknowledged entry 9");
    core.hear("a", { kind: "heartbeat", term: 2, round: 3, commit: 8 });
    core.wait(10_000);
    expect(core.sent).toEqual([]);
  });

  test("vouches for what is committed, and for nothing after it, where an append is all compacted", () => {
    const limits = { trailingEntries: 0 };
    const core = new RaftCore("b", voters, { limits }).hear("a", append(2, [1, 1], entries(2, 8, 2), 5));
    expect(core.raft.log.base.index).toBe(5);
    core.sent.length = 0;
    core.hear("c", append(3, [1, 1], entries(2, 3, 2), 5));
    expect(answers(core)).toEqual([5]);
  });

  test("takes nothing, and commits nothing, while a snapshot replaces its log", () => {
    const core = new RaftCore("b", voters).hear("a", append(2, [1, 1], entries(2, 4, 2), 1));
    const members = voters.map((name) => defaultMember(idOf(name), "voter"));
    const position = { index: 9, term: 2 };
    const mark: SnapshotMark = { transfer: 5, position, configuration: { members, outgoing: null } };
    core.hear("a", { kind: "snapshot", term: 2, mark, chunk: 0, bytes: new Uint8Array(1), final: true });
    core.give({ kind: "snapshot-taken", mark, wanted: 1 });
    expect(core.effects.at(-1)).toMatchObject({ kind: "snapshot-install" });
    core.sent.length = 0;
    core.hear("a", append(2, [4, 2], entries(5, 5, 2), 5));
    core.hear("a", { kind: "heartbeat", term: 2, round: 3, commit: 4 });
    expect(answers(core)).toEqual([]);
    expect(core.raft.log).toMatchObject({ commit: 1, last: { index: 4 } });
    core.give({ kind: "snapshot-installed", mark, installed: true });
    expect(core.raft.log).toMatchObject({ commit: 9, base: position, last: position });
  });
});
