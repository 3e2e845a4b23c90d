import { beforeEach, describe, expect, test } from "vitest";
import type { NodeReport, PartitionReport } from "../../../../src/api/partition-service.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { CutOrder } from "../../../../src/cluster/network-cut.ts";
import type { PartitionMonitor } from "../../../../src/cluster/partition-monitor.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { Rehearsals } from "../../../../src/node/partition/rehearsal.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const ids = ["node-1", "node-2", "node-3"] as NodeId[];
const [one, two, three] = ids as [NodeId, NodeId, NodeId];

class TestNode {
  readonly membership: MembershipTable;
  readonly cuts: CutOrder[] = [];
  readonly rehearsals: Rehearsals;
  readonly events: EventLog;

  readonly peers: ReturnType<MemoryPeersNetwork["join"]>;

  constructor(self: NodeId, network: MemoryPeersNetwork, clock: VirtualClock, world: World) {
    this.peers = network.join(self);
    this.membership = new MembershipTable(
      self,
      ids.filter((id) => id !== self),
    );
    this.events = new EventLog(clock, 1);
    this.rehearsals = new Rehearsals({
      self,
      membership: this.membership,
      peers: this.peers,
      clock,
      monitor: { view: () => ({ voters: ids }) } as unknown as PartitionMonitor,
      events: this.events,
      cut: (order) => this.cuts.push(order),
      newId: () => `drill-of-${self}-${clock.now_ms()}`,
      position: () => Promise.resolve(10 + ids.indexOf(self)),
      report: (after) => {
        world.asked.push(new Map(after));
        return world.report === null
          ? Promise.reject(new Error("the disk is full"))
          : Promise.resolve(world.report);
      },
    });
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly network = new MemoryPeersNetwork(this.clock);
  report: PartitionReport | null = { nodes: [], missing: [] };
  /** Positions behind which reports were asked for. */
  readonly asked: ReadonlyMap<NodeId, number>[] = [];
  readonly nodes = ids.map((id) => new TestNode(id, this.network, this.clock, this));

  async settle<T>(work: Promise<T>): Promise<T | string> {
    let done: T | string | undefined;
    work.then(
      (value) => (done = value),
      (error: unknown) => (done = String(error)),
    );
    await this.clock.runUntilSettled(() => done !== undefined, 20_000);
    return done ?? "still under way";
  }

  node(id: NodeId): TestNode {
    return this.nodes[ids.indexOf(id)] as TestNode;
  }

  peers(id: NodeId) {
    return this.node(id).peers;
  }

  cutsOf(id: NodeId): unknown[] {
    return this.node(id).cuts.map(({ nodes, for_ms }) => [nodes, for_ms]);
  }
}

function reportOf(waiting: number): NodeReport {
  const counts = { queued: waiting, replaying: 0, applied: 1, conflicted: 0, refused: 0, expired: 0 };
  return { node: three, state: "healthy", counts, writes: [], more: false };
}

describe("a drill", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  const command = (isolate: NodeId[], force = false, at = one) =>
    world.settle(world.node(at).rehearsals.command(isolate, 30_000, force));

  test("every node cuts off its other side for the same time, whoever commands it", async () => {
    expect(await command([three], false, three)).toMatchObject({
      phase: "cut",
      isolated: [three],
      troubles: [],
    });
    expect(world.node(two).rehearsals.cutsOff(three)).toBe(true);
    world.clock.advance(1_000);
    expect(ids.map((id) => world.cutsOf(id))).toEqual([
      [[[three], 30_000]],
      [[[three], 30_000]],
      [[[one, two], 30_000]],
    ]);
    world.clock.advance(30_000);
    expect(world.node(two).rehearsals.cutsOff(three)).toBe(false);
    expect(
      world
        .node(two)
        .events.since(0, 10)
        .map(({ text }) => text),
    ).toEqual([
      "Rehearsal: node-2 is cut off from node-3 for 30s, asked for at node-3",
      "Rehearsal: node-2 is cut off no more",
    ]);
  });

  test("it has ended when the isolated node answers and nothing of it waits", async () => {
    await command([three]);
    const { rehearsals } = world.node(one);
    world.clock.advance(30_500);
    expect(rehearsals.latest?.phase).toBe("healing");
    world.report = { nodes: [reportOf(3)], missing: [] };
    await world.clock.runUntilSettled(() => false, 5_000);
    expect(rehearsals.latest?.phase).toBe("healing");
    // Of each node from where its queue stood when it agreed, whatever its clock says.
    expect(world.asked.map((after) => [...after].toSorted())).toContainEqual([
      [one, 10],
      [two, 11],
      [three, 12],
    ]);
    world.report = { nodes: [reportOf(0)], missing: [] };
    await world.clock.runUntilSettled(() => rehearsals.latest?.phase === "ended", 5_000);
    expect(rehearsals.latest).toMatchObject({ phase: "ended", report: world.report, troubles: [] });
  });

  test("it has not ended while the isolated node is cut off still, or does not answer", async () => {
    await command([three]);
    const { rehearsals } = world.node(one);
    const phaseWith = async (nodes: NodeReport[]): Promise<string | undefined> => {
      world.report = { nodes, missing: [] };
      await world.clock.runUntilSettled(() => rehearsals.latest?.phase === "ended", 5_000);
      return rehearsals.latest?.phase;
    };
    world.clock.advance(30_500);
    expect(await phaseWith([])).toBe("healing");
    for (const state of ["minority", "isolated"] as const)
      expect(await phaseWith([{ ...reportOf(0), state }]), state).toBe("healing");
    expect(await phaseWith([reportOf(0)])).toBe("ended");
  });

  test("a node that does not see one alive that is to be cut off does not agree", async () => {
    world.node(two).membership.setStatus(three, "suspect");
    expect(await command([three])).toContain('Node "node-2" does not see "node-3" alive');
    world.clock.advance(31_000);
    expect(ids.flatMap((id) => world.cutsOf(id))).toEqual([]);
  });

  test("an agreement whose commander is gone is forgotten, and no order lasts longer than the limit", async () => {
    const order = { id: "drill", by: three, isolated: [three], duration_ms: 30_000 };
    const ask = (method: string, duration_ms: number) => {
      const body = new TextEncoder().encode(JSON.stringify({ ...order, duration_ms }));
      return world.settle(world.peers(three).request(two, method, body));
    };
    expect(await ask("partition.rehearse.agree", 600_001)).toContain("duration_ms");
    await ask("partition.rehearse.agree", 30_000);
    expect(await command([three])).toContain("takes part in another drill");
    world.clock.advance(10_000);
    expect(await ask("partition.rehearse.begin", 30_000)).toContain("did not agree to this drill");
    expect(await command([three])).toMatchObject({ phase: "cut" });
  });

  test("a node that never settles what it queued is told of, after a bounded time", async () => {
    await command([three]);
    world.report = { nodes: [reportOf(3)], missing: [] };
    const { rehearsals } = world.node(one);
    await world.clock.runUntilSettled(() => rehearsals.latest?.phase === "ended", 600_000);
    expect(rehearsals.latest?.troubles).toEqual(["node-3 has not settled all that it queued"]);
  });

  test("is refused where the others would keep no quorum, unless forced", async () => {
    expect(await command([two, three])).toContain("the others keep 1 of 3 voters and need 2");
    expect(await command([two, three], true)).toMatchObject({ phase: "cut" });
  });

  test("is refused for nodes that are unknown, gone, or all there are", async () => {
    expect(await command(["node-9" as NodeId])).toContain('No node "node-9" is known');
    expect(await command(ids, true)).toContain("cut off from nobody");
    world.node(one).membership.setStatus(three, "failed");
    expect(await command([three])).toContain('Node "node-3" is failed');
  });

  test("nothing is cut when one does not agree; nobody is kept by what was never begun", async () => {
    world.network.cut(one, two);
    expect(await command([three])).toContain("not every live node agreed (node-2");
    world.network.heal(one, two);
    expect(await command([three])).toMatchObject({ phase: "cut" });
    world.clock.advance(1_000);
    expect(ids.map((id) => world.node(id).cuts.length)).toEqual([1, 1, 1]);
  });

  test("of two that are asked for at one node at one moment, one is cut everywhere and the other nowhere", async () => {
    const first = command([three]);
    const second = command([two]);
    expect(await second).toContain("Another drill is being agreed on");
    expect(await first).toMatchObject({ isolated: [three], troubles: [] });
    world.clock.advance(1_000);
    expect(ids.map((id) => world.cutsOf(id))).toEqual([
      [[[three], 30_000]],
      [[[three], 30_000]],
      [[[one, two], 30_000]],
    ]);
  });

  test("a node that left in the middle of it is told of, and waited for no longer", async () => {
    await command([three]);
    world.clock.advance(31_000);
    await world.settle(Promise.resolve());
    expect(world.node(one).rehearsals.latest?.phase).toBe("healing");
    world.node(one).membership.setStatus(three, "left");
    world.clock.advance(1_000);
    await world.settle(Promise.resolve());
    expect(world.node(one).rehearsals.latest).toMatchObject({
      phase: "ended",
      troubles: ["node-3 has left the cluster meanwhile"],
    });
  });

  test("without a report it ends all the same, and says why there is none", async () => {
    await command([three]);
    world.report = null;
    const { rehearsals } = world.node(one);
    await world.clock.runUntilSettled(() => rehearsals.latest?.phase === "ended", 600_000);
    expect(rehearsals.latest).toMatchObject({
      phase: "ended",
      report: null,
      troubles: ["there is no report: the disk is full"],
    });
  });

  test("a second one waits for the end of the first", async () => {
    await command([three]);
    expect(await command([one], false, two)).toContain("takes part in another drill");
    world.clock.advance(31_000);
    expect(await command([one], false, two)).toMatchObject({ phase: "cut", isolated: [one] });
  });
});
