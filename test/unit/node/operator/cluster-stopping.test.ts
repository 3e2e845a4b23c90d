import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { ClusterStopping, startMethod, stopMethod } from "../../../../src/node/operator/cluster-stopping.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const self = "node-1" as NodeId;
const other = "node-2" as NodeId;
const gone = "node-4" as NodeId;

/** Node-2 is there, node-4 is not reached any more. */
function world() {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  const membership = new MembershipTable(self, [other, gone]);
  const asked: string[] = [];
  const there = network.join(other);
  for (const method of [stopMethod, startMethod]) {
    there.handle(method, () => {
      asked.push(method);
      return Promise.resolve(new Uint8Array());
    });
  }
  const stopped: string[][] = [];
  const stopping = new ClusterStopping({
    self,
    membership,
    peers: network.join(self),
    clock,
    stop: (others) => stopped.push(others.map(({ node }) => node)),
  });
  return { clock, membership, asked, stopped, stopping };
}

describe("stopping the cluster", () => {
  it("tells every node that is in it, then stops this one, which remembers the others", async () => {
    const { clock, membership, asked, stopped, stopping } = world();
    membership.setStatus(gone, "failed");
    const answers = await stopping.stopAll();
    clock.advance(1_000);
    expect(answers.map(({ node, ok }) => [node, ok])).toEqual([
      [self, true],
      [other, true],
      [gone, false],
    ]);
    expect([asked, stopped]).toEqual([[stopMethod], [[other, gone]]]);
  });

  it("does not ask those that have left, who are no part of it", async () => {
    const { membership, asked, stopping } = world();
    membership.setStatus(gone, "left");
    const answers = await stopping.stopAll();
    expect(answers.map(({ node, ok }) => [node, ok])).toEqual([
      [self, true],
      [other, true],
    ]);
    expect(asked).toEqual([stopMethod]);
  });

  it("asks those that have left to start: to the others a stopped node has left", async () => {
    const { membership, asked, stopping } = world();
    membership.setStatus(other, "left");
    const answers = await stopping.startAll();
    expect(answers.find(({ node }) => node === other)?.ok).toBe(true);
    expect(asked).toEqual([startMethod]);
  });
});
