import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { LeaseGate, newLeaseCell } from "../../../../src/cluster/leases/cell.ts";
import { LeaseRenewals } from "../../../../src/cluster/leases/renewals.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { LeaseFrame } from "../../../../src/wire/lease-frame.ts";

const [leader, other] = ["node-1", "node-3"] as [NodeId, NodeId];

/** An owner that hears what the test has leaders say; `now_ms` is its boot clock, too. */
function owner(cell = newLeaseCell()) {
  const clock = new VirtualClock();
  clock.advance(100_000);
  const sent: { readonly to: NodeId; readonly renewal: number }[] = [];
  const began: number[] = [];
  let applied = 0;
  const renewals = new LeaseRenewals({
    boot: 2,
    terms: { ttl_ms: 2_000, drift: 0.05 },
    clock,
    bootClock: clock,
    cell,
    send: (to, frame: LeaseFrame) => {
      if (frame.kind === "renewal") sent.push({ to, renewal: frame.renewal });
    },
    applied: () => applied,
    began: (tenure) => began.push(tenure),
  });
  const gate = new LeaseGate(cell, clock);
  const grant = (
    from: NodeId,
    renewal: number,
    fields: { boot?: number; assignedUpTo?: number } = {},
  ): void =>
    renewals.granted(from, {
      kind: "grant",
      boot: 2,
      renewal,
      assignedUpTo: 0,
      wait_ms: 2_100,
      ...fields,
    });
  const last = (): number => sent.at(-1)?.renewal ?? -1;
  const apply = (index: number): void => {
    applied = index;
    renewals.applied();
  };
  return { clock, renewals, sent, began, gate, grant, last, apply };
}

test("a grant counts from when its renewal was sent, and only what the leader that was asked says to this life", () => {
  const { clock, renewals, gate, grant, last, began } = owner();
  renewals.follow(leader);
  const asked = last();
  clock.advance(50);
  grant(other, asked);
  grant(leader, asked, { boot: 1 });
  grant(leader, asked + 99);
  expect(gate.isGranted()).toBe(false);
  grant(leader, asked);
  expect([gate.isGranted(), began]).toEqual([true, [1]]);
  expect(gate.until_ms).toBe(102_000);
  expect(renewals.longestWait_ms).toBe(2_100);
});

test("a grant waits for the assignments that it was given with; the one before it counts on meanwhile", () => {
  const { clock, renewals, gate, grant, last, apply } = owner();
  renewals.follow(leader);
  grant(leader, last());
  clock.advance(500);
  renewals.renew();
  grant(leader, last(), { assignedUpTo: 9 });
  expect(gate.until_ms).toBe(102_000);
  apply(8);
  expect(gate.until_ms).toBe(102_000);
  apply(9);
  expect(gate.until_ms).toBe(102_500);
});

test("renews three times a term while it holds, more often while it does not, and at once at a new leader or link", () => {
  const { clock, renewals, sent, grant, last } = owner();
  renewals.follow(leader);
  clock.advance(450);
  expect(sent).toHaveLength(4);
  grant(leader, last());
  clock.advance(150);
  const held = sent.length;
  clock.advance(2_001);
  expect(sent.length - held).toBe(3);
  renewals.linkUp(other);
  expect(sent.length - held).toBe(3);
  renewals.linkUp(leader);
  renewals.follow(other);
  expect(sent.at(-1)?.to).toBe(other);
  expect(sent.length - held).toBe(5);
});

test("what a driver before it held is nobody's, and what it held itself ends with it", () => {
  const first = owner();
  first.renewals.follow(first.sent.length === 0 ? leader : other);
  first.grant(leader, first.last());
  expect(first.gate.isGranted()).toBe(true);
  const second = owner(first.gate.cell);
  expect(second.gate.isGranted()).toBe(false);
  second.renewals.follow(leader);
  const underWay = second.last();
  second.grant(leader, underWay);
  expect(second.gate.isGranted()).toBe(true);
  second.renewals.renew();
  const late = second.last();
  second.renewals.close();
  expect(second.gate.isGranted()).toBe(false);
  second.grant(leader, late);
  expect(second.gate.isGranted()).toBe(false);
});
