/** Snapshots at their receiver: which are taken, in which order, and what ends one. */
import { describe, expect, test } from "vitest";
import type { Entry } from "../../../src/raft/entry.ts";
import { defaultMember } from "../../../src/raft/configuration.ts";
import type { SnapshotMark } from "../../../src/raft/messages.ts";
import { idOf, RaftCore } from "../../support/raft-core.ts";

const voters = ["a", "b", "c"];
const bytes = new Uint8Array(4);

/** Follows "a" in term 2, with entries up to `last` of which those up to `commit` are committed. */
function follower(last: number, commit: number): RaftCore {
  const entries = Array.from({ length: last - 1 }, (_, i): Entry => {
    return { index: i + 2, term: 2, kind: "command", data: bytes };
  });
  const core = new RaftCore("b", voters, { limits: { trailingEntries: 1_000 } });
  return core.hear("a", { kind: "append", term: 2, previous: { index: 1, term: 1 }, entries, commit });
}

function markAt(index: number, transfer = 7): SnapshotMark {
  const members = voters.map((name) => defaultMember(idOf(name), "voter"));
  return { transfer, position: { index, term: 2 }, configuration: { members, outgoing: null } };
}

function chunk(core: RaftCore, mark: SnapshotMark, number: number, final = false): RaftCore {
  return core.hear("a", { kind: "snapshot", term: 2, mark, chunk: number, bytes, final });
}

function replies(core: RaftCore): unknown[] {
  return core.sent.flatMap(({ message }) =>
    message.kind === "snapshot-reply" ? [[message.state, message.wanted]] : [],
  );
}

function taken(core: RaftCore): number[] {
  return core.effects.flatMap((effect) => (effect.kind === "snapshot-take" ? [effect.chunk] : []));
}

describe("a snapshot", () => {
  test("that is behind what was compacted here is not taken, and its sender is told that all is there", () => {
    const core = follower(6, 6).give({ kind: "compact" });
    expect(core.raft.log.base.index).toBe(6);
    chunk(core, markAt(4), 0, true);
    expect([taken(core), replies(core)]).toEqual([[], [["installed", 0]]]);
    expect(core.raft.log).toMatchObject({ base: { index: 6 }, last: { index: 6 } });
  });

  test("of a position that the own log holds commits that far instead", () => {
    const core = chunk(follower(6, 2), markAt(5), 0, true);
    expect([taken(core), replies(core), core.raft.log.commit]).toEqual([[], [["installed", 0]], 5]);
  });

  test("of a position that the own log holds otherwise takes its place", () => {
    const mark = { ...markAt(5), position: { index: 5, term: 1 } };
    const core = chunk(follower(6, 2), mark, 0, true).give({ kind: "snapshot-taken", mark, wanted: 1 });
    core.give({ kind: "snapshot-installed", mark, installed: true });
    expect(core.raft.log).toMatchObject({ base: mark.position, last: mark.position, commit: 5 });
    expect(core.raft.status(core.now).applied).toBe(5);
  });

  test("is taken in the order of its chunks, whatever the order in which they come, and installed once it is whole", () => {
    const [core, mark] = [follower(2, 2), markAt(9)];
    chunk(core, mark, 2, true);
    chunk(core, mark, 1);
    expect(taken(core)).toEqual([]);
    chunk(core, mark, 0);
    for (const wanted of [1, 2]) core.give({ kind: "snapshot-taken", mark, wanted });
    expect(taken(core)).toEqual([0, 1, 2]);
    expect(core.effects.some(({ kind }) => kind === "snapshot-install")).toBe(false);
    core.give({ kind: "snapshot-taken", mark, wanted: 3 });
    expect(core.effects.at(-1)).toMatchObject({ kind: "snapshot-install" });
  });

  test("is not kept far ahead of what is wanted", () => {
    const [core, mark] = [follower(2, 2), markAt(9)];
    chunk(core, mark, 500);
    chunk(core, mark, 0);
    for (let wanted = 1; wanted <= 500; wanted++) {
      core.give({ kind: "snapshot-taken", mark, wanted });
      if (wanted < 500) chunk(core, mark, wanted);
    }
    expect(taken(core)).toHaveLength(500);
  });

  test("of another transfer begins anew, and late words about the one before count for nothing", () => {
    const [core, before, after] = [follower(2, 2), markAt(9, 7), markAt(10, 8)];
    chunk(core, before, 0);
    chunk(core, after, 0, true);
    expect(taken(core)).toEqual([0, 0]);
    core.give({ kind: "snapshot-taken", mark: before, wanted: 1 });
    expect(core.effects.some(({ kind }) => kind === "snapshot-install")).toBe(false);
    core.give({ kind: "snapshot-installed", mark: before, installed: true });
    expect(core.raft.log.last.index).toBe(2);
    core.give({ kind: "snapshot-taken", mark: after, wanted: 1 });
    core.give({ kind: "snapshot-installed", mark: after, installed: true });
    expect(core.raft.log.last.index).toBe(10);
  });

  test("that turns out not to be sound is refused, and everything stays", () => {
    const [core, mark] = [follower(3, 2), markAt(9)];
    chunk(core, mark, 0, true).give({ kind: "snapshot-taken", mark, wanted: 1 });
    core.give({ kind: "snapshot-installed", mark, installed: false });
    expect(replies(core).at(-1)).toEqual(["refused", 0]);
    expect(core.raft.log).toMatchObject({ last: { index: 3 }, commit: 2 });
    // And it goes on as a follower.
    core.hear("a", { kind: "heartbeat", term: 2, round: 2, commit: 3 });
    expect(core.raft.log.commit).toBe(3);
  });

  test("is given up where another leader comes, and nothing of it is installed", () => {
    const [core, mark] = [follower(2, 2), markAt(9)];
    chunk(core, mark, 0);
    core.hear("c", { kind: "heartbeat", term: 3, round: 1, commit: 2 });
    expect(core.effects.some(({ kind }) => kind === "snapshot-abandon")).toBe(true);
    core.give({ kind: "snapshot-taken", mark, wanted: 1 });
    expect(core.raft.log.last.index).toBe(2);
  });
});
