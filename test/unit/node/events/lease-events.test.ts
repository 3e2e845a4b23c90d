import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { LeaseStats, RefusedLease } from "../../../../src/cluster/leases/node-lease.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { LeaseEvents } from "../../../../src/node/events/lease-events.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";

const leader = "n1" as NodeId;

/** A node whose lease is held or refused as the test says. */
class Scene {
  readonly clock = new VirtualClock();
  readonly log = new EventLog(this.clock, 1);
  stats: LeaseStats = { held: false, losses: 0, without_ms: 0, gap_ms: 0, refused: null };
  readonly #held = new Set<(held: boolean) => void>();
  readonly #refused = new Set<(refused: RefusedLease) => void>();

  constructor() {
    new LeaseEvents({ lease: this, ttl_ms: 30_000, events: this.log, clock: this.clock });
  }

  subscribe(listener: (held: boolean) => void): () => void {
    this.#held.add(listener);
    return () => void this.#held.delete(listener);
  }

  onRefused(listener: (refused: RefusedLease) => void): () => void {
    this.#refused.add(listener);
    return () => void this.#refused.delete(listener);
  }

  hold(held: boolean, gap_ms = 0): void {
    this.stats = { ...this.stats, held, gap_ms, refused: null };
    for (const listener of this.#held) listener(held);
  }

  refuse(why: RefusedLease["why"], ttl_ms = 10_000): void {
    const refused = { leader, why, ttl_ms };
    this.stats = { ...this.stats, refused };
    for (const listener of this.#refused) listener(refused);
  }

  get texts(): string[] {
    return this.log.since(0, 100).map(({ text }) => text);
  }
}

const waits = ": its agents wait until the leader of the cluster renews it";

test("a loss is told once it lasts, and with its reason once that is known", () => {
  const scene = new Scene();
  scene.hold(true);
  scene.hold(false);
  scene.hold(true, 100);
  scene.clock.advance(1_000);
  expect(scene.texts).toEqual([]);
  scene.hold(false);
  scene.clock.advance(250);
  scene.refuse("unregistered");
  scene.refuse("unregistered");
  scene.refuse("given_away");
  scene.hold(true, 7_000);
  expect(scene.texts).toEqual([
    `This node has no lease${waits}`,
    `This node has no lease, since the leader (n1) does not know this start of it yet${waits}`,
    `This node has no lease, since the leader (n1) is giving its agents to others${waits}`,
    "This node has its lease again after 7s: its agents go on",
  ]);
});

test("a leader that grants less than is configured here is told of, once", () => {
  const scene = new Scene();
  scene.refuse("term");
  scene.hold(true);
  scene.refuse("term");
  scene.refuse("term", 5_000);
  const text = (there: string): string =>
    `failover.lease_ttl is 30s here and ${there} at the leader (n1), whose leases last ${there}: give all nodes the same`;
  expect(scene.texts).toEqual([text("10s"), text("5s")]);
});
