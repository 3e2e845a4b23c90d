import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import type { ConsensusStatus } from "../../../src/cluster/consensus/consensus.ts";
import { PartitionMonitor } from "../../../src/cluster/partition-monitor.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { MembershipTable } from "../../support/membership-table.ts";

const ids = ["node-1", "node-2", "node-3"] as NodeId[];

class World {
  readonly clock = new VirtualClock();
  readonly membership = new MembershipTable("node-3" as NodeId, ids.slice(0, 2));
  readonly changes: string[] = [];
  /** To which its raft thread has no stream. */
  readonly without = new Set<NodeId>();
  readonly #handlers = new Set<(status: ConsensusStatus) => void>();
  #quorum = true;
  readonly monitor: PartitionMonitor;

  constructor(role: "voter" | "learner" | "witness" = "voter", quorumSize = 0) {
    const status = (): ConsensusStatus =>
      ({
        quorum: this.#quorum,
        leader: "node-1",
        members: ids.map((node) => ({
          node,
          role: node === "node-3" ? role : "voter",
          contact: !this.without.has(node),
        })),
      }) as unknown as ConsensusStatus;
    this.monitor = new PartitionMonitor({
      consensus: {
        status,
        onStatus: (handler) => {
          this.#handlers.add(handler);
          return () => void this.#handlers.delete(handler);
        },
      },
      membership: this.membership,
      clock: this.clock,
      detection_ms: 5_000,
      quorumSize,
    });
    this.monitor.onChange(({ from, to }) => this.changes.push(`${from} > ${to}`));
    this.quorum = (quorum): void => {
      this.#quorum = quorum;
      for (const handler of this.#handlers) handler(status());
    };
  }

  quorum: (quorum: boolean) => void;

  lose(): void {
    this.quorum(false);
    for (const node of ids.slice(0, 2)) this.membership.setStatus(node, "failed");
  }
}

describe.each(["voter", "learner"] as const)("a %s", (role) => {
  test("that loses the quorum for the detection time is in a minority, and out of it at once", () => {
    const world = new World(role);
    world.lose();
    world.clock.advance(4_999);
    expect(world.monitor.minority).toBe(false);
    world.clock.advance(1);
    expect([world.monitor.state, world.monitor.minority]).toEqual(["isolated", true]);
    world.quorum(true);
    expect(world.monitor.minority).toBe(false);
    expect(world.changes).toEqual(["healthy > isolated", "isolated > majority"]);
  });

  test("an election that ends in time is no partition", async () => {
    const world = new World(role);
    world.quorum(false);
    const settled = world.monitor.settled();
    world.clock.advance(3_000);
    world.quorum(true);
    await settled;
    world.clock.advance(60_000);
    expect(world.changes).toEqual([]);
  });
});

test("whoever asks during the detection time is told at its end", async () => {
  const world = new World();
  world.lose();
  let isTold = false;
  const settled = world.monitor.settled().then(() => (isTold = true));
  await Promise.resolve();
  expect(isTold).toBe(false);
  world.clock.advance(5_000);
  await settled;
  expect(world.monitor.minority).toBe(true);
});

test("a member that failed leaves a majority, which tells who is missing", () => {
  const world = new World();
  world.membership.setStatus("node-1" as NodeId, "failed");
  world.clock.advance(5_000);
  expect(world.monitor.view()).toMatchObject({
    state: "majority",
    reached: ["node-3", "node-2"],
    unreached: ["node-1"],
    votersReached: 2,
    needed: 2,
    leader: true,
  });
});

test("a member that is alive by way of others is silent once its stream was lost for two seconds", () => {
  const world = new World();
  world.without.add("node-1" as NodeId);
  world.quorum(true);
  world.clock.advance(1_999);
  expect(world.monitor.view().silent).toEqual([]);
  world.clock.advance(1);
  expect(world.monitor.view()).toMatchObject({ silent: ["node-1"], unreached: [], leaderNode: "node-1" });
  world.without.clear();
  world.quorum(true);
  world.without.add("node-1" as NodeId);
  world.quorum(true);
  expect(world.monitor.view().silent).toEqual([]);
  world.membership.setStatus("node-1" as NodeId, "failed");
  world.clock.advance(5_000);
  expect(world.monitor.view()).toMatchObject({ silent: [], unreached: ["node-1"] });
});

test("learners are none of the voters that are counted, witnesses are", () => {
  expect(new World("learner").monitor.view()).toMatchObject({ voters: ids.slice(0, 2), votersReached: 2 });
  expect(new World("witness").monitor.view()).toMatchObject({ voters: ids, votersReached: 3, needed: 2 });
});

test("quorum_size 3 makes a minority of two that could decide", () => {
  const world = new World("voter", 3);
  world.membership.setStatus("node-1" as NodeId, "failed");
  world.clock.advance(5_000);
  expect(world.monitor.state).toBe("minority");
});
