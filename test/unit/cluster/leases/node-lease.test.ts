import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { LeaseCellWriter, newLeaseCell } from "../../../../src/cluster/leases/cell.ts";
import { NodeLeases, type ToLease } from "../../../../src/cluster/leases/node-lease.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";

const ttl_ms = 2_000;
const node = "node-2" as NodeId;

class Scene {
  readonly clock = new VirtualClock();
  readonly cell = newLeaseCell();
  readonly writer = new LeaseCellWriter(this.cell);
  readonly posted: ToLease[] = [];
  readonly failures: string[] = [];
  readonly told: boolean[] = [];
  readonly leases = new NodeLeases({
    cell: this.cell,
    clock: this.clock,
    bootClock: this.clock,
    post: (message) => this.posted.push(message),
    failed: (_what, reason) => this.failures.push(reason),
  });

  constructor() {
    this.clock.advance(1);
    this.leases.subscribe((held) => this.told.push(held));
  }

  /** As the raft thread does it. */
  async grant(): Promise<void> {
    const now_ms = this.clock.now_ms();
    if (this.writer.hold(now_ms + ttl_ms, now_ms))
      this.leases.told({ kind: "began", tenure: this.writer.tenure });
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  async pass(time_ms: number): Promise<void> {
    this.clock.advance(time_ms);
    await this.settle();
  }
}

describe("this node's lease, as main sees it", () => {
  test("is told when it is held and when it runs out, and counted", async () => {
    const scene = new Scene();
    expect(scene.leases.holds()).toBe(false);
    expect(scene.leases.stats.losses).toBe(0);
    await scene.grant();
    expect(scene.leases.holds()).toBe(true);
    await scene.pass(1_500);
    await scene.grant();
    await scene.pass(1_500);
    expect(scene.told).toEqual([true]);
    await scene.pass(1_000);
    expect(scene.told).toEqual([true, false]);
    expect(scene.leases.holds()).toBe(false);
    expect(scene.leases.stats).toMatchObject({ held: false, losses: 1, without_ms: 500 });
    await scene.grant();
    expect(scene.told).toEqual([true, false, true]);
    expect(scene.leases.stats).toMatchObject({ held: true, losses: 1, gap_ms: 500 });
  });

  test("what a leader refused while the lease was held is not why it is lost later", async () => {
    const scene = new Scene();
    await scene.grant();
    scene.leases.told({ kind: "refused", leader: node, why: "term", ttl_ms });
    await scene.pass(1_500);
    await scene.grant();
    await scene.pass(ttl_ms + 1);
    expect(scene.leases.stats).toMatchObject({ held: false, refused: null });
    scene.leases.told({ kind: "refused", leader: node, why: "barred", ttl_ms });
    expect(scene.leases.stats.refused?.why).toBe("barred");
  });

  test("a gap that the raft thread closed before main looked is told as one", async () => {
    const scene = new Scene();
    await scene.grant();
    // The process was stopped: the clock goes on, and main's timers come after the raft thread's message.
    const { now_ms } = scene.clock;
    scene.clock.now_ms = () => now_ms.call(scene.clock) + 5_000;
    await scene.grant();
    expect(scene.told).toEqual([true, false, true]);
    expect(scene.leases.stats.gap_ms).toBe(3_000);
  });

  test("comes back only when what must stop has stopped, and stays away while that fails", async () => {
    const scene = new Scene();
    let fails = true;
    let prepared = 0;
    scene.leases.beforeHeld(() => {
      prepared++;
      return fails ? Promise.reject(new Error("an agent does not stop")) : Promise.resolve();
    });
    await scene.grant();
    expect(scene.leases.holds()).toBe(false);
    expect(scene.failures).toEqual(["an agent does not stop"]);
    fails = false;
    await scene.pass(600);
    expect(prepared).toBe(2);
    expect(scene.leases.holds()).toBe(true);
    expect(scene.told).toEqual([true]);
  });

  test("a tenure that was overtaken while it was prepared is not the one that counts", async () => {
    const scene = new Scene();
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let begun = 0;
    scene.leases.beforeHeld(() => gates[begun++]?.promise ?? Promise.resolve());
    await scene.grant();
    await scene.pass(3_000);
    await scene.grant();
    gates[0]?.resolve();
    await scene.settle();
    expect([scene.leases.tenure, scene.leases.holds(), scene.told]).toEqual([0, false, []]);
    gates[1]?.resolve();
    await scene.settle();
    expect([scene.leases.tenure, scene.leases.holds(), scene.told]).toEqual([2, true, [true]]);
  });

  test("is not held when it ran out while that took its time", async () => {
    const scene = new Scene();
    const stopped = Promise.withResolvers<void>();
    scene.leases.beforeHeld(() => stopped.promise);
    await scene.grant();
    await scene.pass(ttl_ms);
    stopped.resolve();
    await scene.settle();
    expect(scene.leases.holds()).toBe(false);
    expect(scene.told).toEqual([]);
  });
});

describe("the leader's side, as main asks it", () => {
  const permitted = { kind: "permitted", request: 1, leads: true, term: 7 } as const;

  test("a permission names its term; without one nothing may be given away", async () => {
    const { leases, posted } = new Scene();
    const asked = leases.permission(node, 5);
    expect(posted).toEqual([{ kind: "permit", request: 1, node, boot: 5 }]);
    leases.told(permitted);
    expect(await asked).toEqual({ term: 7 });
    const again = leases.mayReassign(node, 5);
    leases.told({ ...permitted, request: 2, term: null });
    expect(await again).toBe(false);
  });

  test("another node than the leader refuses, and a thread that hangs is not waited for", async () => {
    const scene = new Scene();
    const asked = scene.leases.mayReassign(node, 5);
    scene.leases.told({ ...permitted, leads: false, term: null });
    await expect(asked).rejects.toMatchObject({ code: "not_leader" });
    const late = scene.leases.mayReassign(node, 5);
    scene.clock.advance(3_000);
    await expect(late).rejects.toMatchObject({ code: "timeout" });
  });
});
