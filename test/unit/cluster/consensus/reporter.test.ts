/** What main is told of Raft, and how often this is looked at. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { ConsensusReport } from "../../../../src/cluster/consensus/requests.ts";
import { statusOf } from "../../../../src/cluster/consensus/status.ts";
import { defaultMember, raftIdOf } from "../../../../src/raft/configuration.ts";
import { Reporter } from "../../../../src/cluster/consensus/reporter.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { idOf, RaftCore } from "../../../support/raft-core.ts";

function reporter(): {
  clock: VirtualClock;
  core: RaftCore;
  told: ConsensusReport[];
  looks: () => number;
  it: Reporter;
} {
  const clock = new VirtualClock();
  const core = new RaftCore("a", ["a"]).wait(1_000);
  const told: ConsensusReport[] = [];
  let looks = 0;
  const it = new Reporter({
    self: idOf("a"),
    clock,
    transport: { send: () => undefined, keep: () => undefined, isUp: (_: NodeId) => false },
    raft: () => {
      looks++;
      return core.raft.status(core.now);
    },
    bootOf: () => null,
    watched: () => 0,
    report: (report) => told.push(report),
  });
  it.start();
  return { clock, core, told, looks: () => looks, it };
}

test("while nothing moves it is looked at four times a second, and nothing is told", () => {
  const { clock, told, looks } = reporter();
  clock.advance(1_000);
  expect(told).toHaveLength(1);
  const before = looks();
  clock.advance(10_000);
  expect(looks() - before).toBeLessThanOrEqual(40);
  expect(told).toHaveLength(1);
});

test("a node whose vote changes hands is one voter, reached by what it is now", () => {
  const status = new RaftCore("a", ["a"]).wait(1_000).raft.status(1_000);
  const [self] = status.configuration.members;
  if (self === undefined) throw new Error("it is alone, and a member");
  const other = (name: string, identity: number) =>
    defaultMember(raftIdOf(name as NodeId, identity), "voter");
  const configuration = {
    members: [self, other("b", 1), other("c", 9)],
    outgoing: [self, other("b", 1), other("c", 1)],
  };
  const isUp = (node: NodeId): boolean => node === "c";
  const told = statusOf(self.id, { ...status, configuration }, isUp, () => null, null, 0);
  expect([told.votersReached, told.voters, told.members.length]).toEqual([2, 3, 4]);
});

test("what moved is told within 50 ms, however long it was quiet before", () => {
  const { clock, core, told, it } = reporter();
  clock.advance(10_100);
  core.give({ kind: "propose", id: 1, data: new Uint8Array(1) });
  it.moved();
  clock.advance(50);
  expect(told.at(-1)).toMatchObject({ kind: "status", status: { commit: core.raft.log.commit } });
  core.give({ kind: "propose", id: 2, data: new Uint8Array(1) });
  clock.advance(50);
  expect(told).toHaveLength(3);
  it.close();
  clock.advance(1_000);
  expect(clock.next_ms()).toBeUndefined();
});
