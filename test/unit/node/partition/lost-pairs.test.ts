import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { PartitionView } from "../../../../src/cluster/partition-monitor.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { LostPairs } from "../../../../src/node/partition/lost-pairs.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MembershipTable } from "../../../support/membership-table.ts";

const ids = ["node-1", "node-2", "node-3"] as NodeId[];
const [one, two, three] = ids as [NodeId, NodeId, NodeId];

class World {
  readonly clock = new VirtualClock();
  readonly membership = new MembershipTable(three, [one, two]);
  readonly log = new EventLog(this.clock, 1);
  silent: NodeId[] = [];
  minority = false;

  constructor() {
    const view = (): PartitionView => ({ silent: this.silent }) as unknown as PartitionView;
    const monitor = Object.defineProperty({ view, minority: false }, "minority", {
      get: () => this.minority,
    });
    new LostPairs({ membership: this.membership, monitor, events: this.log, clock: this.clock });
  }

  /** What is told from now on, in so much time. */
  tells(time_ms: number): string[] {
    const { last } = this.log;
    for (let left_ms = time_ms; left_ms > 0; left_ms -= 500) this.clock.advance(500);
    return this.log.since(last, 100).map(({ text }) => text);
  }
}

test("two that lost each other are told of once it lasts, and when they found each other again", () => {
  const world = new World();
  world.silent = [two];
  expect(world.tells(9_000)).toEqual([]);
  world.silent = [];
  expect(world.tells(1_000)).toEqual([]);
  world.silent = [two];
  expect(world.tells(60_000)).toEqual(["node-2 and node-3 do not reach each other"]);
  world.membership.setStatus(two, "suspect");
  expect(world.tells(5_000)).toEqual([]);
  world.silent = [];
  expect(world.tells(5_000)).toEqual(["node-2 and node-3 reach each other again"]);
});

test("one that has failed, or has just come back, is no such pair; nor any of a node that is cut off itself", () => {
  const world = new World();
  world.silent = [two];
  world.membership.setStatus(two, "failed");
  expect(world.tells(60_000)).toEqual([]);
  world.membership.setStatus(two, "alive");
  expect(world.tells(9_000)).toEqual([]);
  world.minority = true;
  expect(world.tells(60_000)).toEqual([]);
  world.minority = false;
  expect(world.tells(12_000)).toEqual(["node-2 and node-3 do not reach each other"]);
  // That it is gone is told by membership.
  world.membership.setStatus(two, "failed");
  world.silent = [];
  expect(world.tells(5_000)).toEqual([]);
});

test("a node that has lost very many tells of some", () => {
  const world = new World();
  const others = Array.from({ length: 30 }, (_, i) => `other-${i}` as NodeId);
  for (const id of others) world.membership.setStatus(id, "alive");
  world.silent = others;
  expect(world.tells(60_000)).toHaveLength(20);
  world.silent = [];
  expect(world.tells(5_000)).toHaveLength(20);
});
