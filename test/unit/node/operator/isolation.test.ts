import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { NodeIsolation } from "../../../../src/node/operator/isolation.ts";
import { OperatorModes } from "../../../../src/node/operator/operator-modes.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

const self = "node-1" as NodeId;
const other = "node-2" as NodeId;

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** Two nodes of which each has agents; `stuck` of a node's cannot be given away. */
function world() {
  const clock = new VirtualClock();
  const consensus = new SingleNodeConsensus();
  const network = new MemoryPeersNetwork(clock);
  const troubles: string[] = [];
  const agents = new Map<NodeId, number>([
    [self, 3],
    [other, 2],
  ]);
  let stuck = 0;
  /** While it is set, giving agents away takes until it resolves. */
  let slow: Promise<void> | null = null;
  let transfer: Promise<NodeId> = Promise.resolve(other);
  let leads = false;
  const told: string[] = [];
  const membership = new MembershipTable(self, [other]);
  const nodes = new Map(
    [self, other].map((id) => {
      const modes = new OperatorModes({
        store: new SettingStore(new ControlClient(consensus, clock, () => 5_000)),
        consensus,
        clock,
        failed: (what, reason) => troubles.push(`${what}: ${reason}`),
      });
      const isolation = new NodeIsolation({
        self: id,
        modes,
        membership,
        peers: network.join(id),
        consensus: {
          status: () => ({ ...consensus.status(), role: leads ? "leader" : "follower", voters: 3 }),
          transferLeadership: () => transfer,
        },
        table: {
          of: (node) => new Set(Array.from({ length: agents.get(node) ?? 0 }, (_, i) => `a${i}` as never)),
        },
        clock,
        events: { record: (_level, type) => told.push(`${id} ${type}`) },
        drain: async (_within_ms, isOver) => {
          told.push(`${id} closed`);
          await slow;
          if (!isOver()) agents.set(id, Math.min(agents.get(id) ?? 0, stuck));
        },
        reopen: () => told.push(`${id} reopened`),
      });
      return [id, { modes, isolation }] as const;
    }),
  );
  const at = (id: NodeId) => nodes.get(id)?.isolation as NodeIsolation;
  return {
    clock,
    consensus,
    network,
    membership,
    agents,
    told,
    troubles,
    at,
    isolated: () => [...(nodes.get(self)?.modes.isolated ?? [])],
    stick: (count: number) => void (stuck = count),
    slowly: (until: Promise<void>) => void (slow = until),
    transferring: (until: Promise<NodeId>) => {
      leads = true;
      transfer = until;
    },
  };
}

describe("isolation", () => {
  it("gives a node's agents away, whichever node is asked", async () => {
    const { at, agents, told, isolated } = world();
    expect(await at(self).isolate(other, 1_000)).toEqual({
      node: other,
      moved: 2,
      stayed: 0,
      notReached: null,
    });
    expect([agents.get(self), agents.get(other)]).toEqual([3, 0]);
    expect(isolated()).toEqual([other]);
    const happened = (): string[] => told.filter((text) => text !== "node-2 closed");
    expect(happened()).toEqual(["node-2 node.isolated"]);
    await at(self).rejoin(other);
    await settled();
    expect(happened()).toEqual(["node-2 node.isolated", "node-2 reopened", "node-2 node.rejoined"]);
    expect(isolated()).toEqual([]);
  });

  it("tells what stays, and tries again until nothing does", async () => {
    const { at, agents, clock, stick } = world();
    stick(1);
    expect(await at(self).isolate(self, 1_000)).toMatchObject({ moved: 2, stayed: 1 });
    stick(0);
    await settled();
    clock.advance(10_000);
    await settled();
    expect(agents.get(self)).toBe(0);
    // Placed here by one that had not heard of it.
    clock.advance(25_000);
    agents.set(self, 1);
    clock.advance(10_000);
    await settled();
    expect(agents.get(self)).toBe(0);
  });

  it("that ends while agents are being given away leaves the others, and the node open", async () => {
    const { at, agents, told, slowly } = world();
    const gate = Promise.withResolvers<void>();
    slowly(gate.promise);
    const isolated = at(self).isolate(self, 1_000);
    await settled();
    await at(other).rejoin(self);
    gate.resolve();
    expect(await isolated).toMatchObject({ moved: 0, stayed: 3 });
    expect([agents.get(self), told.at(-1)]).toEqual([3, "node-1 reopened"]);
  });

  it("that ends while leadership goes to another gives nothing away", async () => {
    const { at, agents, told, transferring } = world();
    const gate = Promise.withResolvers<NodeId>();
    transferring(gate.promise);
    const isolated = at(self).isolate(self, 1_000);
    await settled();
    await at(other).rejoin(self);
    gate.resolve(other);
    expect(await isolated).toMatchObject({ stayed: 3 });
    expect(agents.get(self)).toBe(3);
    expect(told).not.toContain("node-1 closed");
  });

  it("is refused where nobody else could host agents, and changes nothing", async () => {
    const { at, isolated, membership } = world();
    await at(self).isolate(other, 1_000);
    await expect(at(self).isolate(self, 1_000)).rejects.toThrow("no other node could take its agents");
    await at(self).rejoin(other);
    membership.setStatus(other, "failed");
    await expect(at(self).isolate(self, 1_000)).rejects.toThrow("no other node could take its agents");
    expect(isolated()).toEqual([]);
  });

  it("holds for a node that is lost when it is back", async () => {
    const { at, isolated, membership } = world();
    membership.setStatus(other, "failed");
    expect(await at(self).isolate(other, 1_000)).toMatchObject({
      notReached: "it is failed, and isolated when it is back",
    });
    expect(isolated()).toEqual([other]);
  });

  it("says so when the node does not answer, and it is isolated all the same", async () => {
    const { at, isolated, network } = world();
    network.cut(self, other);
    const { notReached } = await at(self).isolate(other, 1_000);
    expect(notReached).toContain("Cannot reach");
    expect(isolated()).toEqual([other]);
  });

  it("knows its nodes, and needs a quorum", async () => {
    const { at, consensus, isolated } = world();
    await expect(at(self).isolate("node-9" as NodeId, 0)).rejects.toMatchObject({ code: "node_not_found" });
    await expect(at(self).rejoin("node-9" as NodeId)).rejects.toMatchObject({ code: "node_not_found" });
    await expect(at(self).rejoin(other)).rejects.toMatchObject({ code: "conflict" });
    consensus.quorum = false;
    await expect(at(self).isolate(other, 0)).rejects.toMatchObject({ code: "no_quorum" });
    expect(isolated()).toEqual([]);
  });
});
