import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { LeaseGate, newLeaseCell } from "../../../../src/cluster/leases/cell.ts";
import { LeaseRenewals } from "../../../../src/cluster/leases/renewals.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { RefusedLease } from "../../../../src/cluster/leases/node-lease.ts";
import type { LeaseFrame, LeaseRefusal } from "../../../../src/wire/lease-frame.ts";

const [leader, other] = ["node-1", "node-3"] as [NodeId, NodeId];

/** An owner that hears what the test has leaders say; `now_ms` is its boot clock, too. */
function owner(cell = newLeaseCell(), ttl_ms = 2_000) {
  const clock = new VirtualClock();
  clock.advance(100_000);
  const sent: { readonly to: NodeId; readonly renewal: number; readonly ttl_ms: number }[] = [];
  const began: number[] = [];
  const refused: RefusedLease[] = [];
  let applied = 0;
  const renewals = new LeaseRenewals({
    boot: 2,
    terms: { ttl_ms, drift: 0.05 },
    clock,
    bootClock: clock,
    cell,
    send: (to, frame: LeaseFrame) => {
      if (frame.kind === "renewal") sent.push({ to, renewal: frame.renewal, ttl_ms: frame.ttl_ms });
    },
    applied: () => applied,
    tell: (news) => {
      if (news.kind === "began") began.push(news.tenure);
      else refused.push(news);
    },
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
  const refuse = (from: NodeId, renewal: number, why: LeaseRefusal, most_ms = 2_000, boot = 2): void =>
    renewals.refused(from, { kind: "refusal", boot, renewal, why, ttl_ms: most_ms });
  const last = (): number => sent.at(-1)?.renewal ?? -1;
  const apply = (index: number): void => {
    applied = index;
    renewals.applied();
  };
  return { clock, renewals, sent, began, refused, gate, grant, refuse, last, apply };
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

test("a leader that waits for less is asked for that, and its grant counts for no longer", () => {
  const { clock, renewals, sent, refused, gate, grant, refuse, last } = owner(newLeaseCell(), 30_000);
  renewals.follow(leader);
  const [first] = sent;
  expect(first).toMatchObject({ to: leader, ttl_ms: 30_000 });
  refuse(leader, last(), "term");
  expect(sent.slice(1)).toMatchObject([{ to: leader, ttl_ms: 2_000 }]);
  expect(refused).toMatchObject([{ leader, why: "term", ttl_ms: 2_000 }]);
  grant(leader, last());
  expect(gate.until_ms).toBe(102_000);
  // Renewed in time, as one of that length.
  clock.advance(700);
  expect(sent).toHaveLength(3);
  // Whoever leads next may grant what is configured here.
  renewals.follow(other);
  expect(sent.at(-1)).toMatchObject({ to: other, ttl_ms: 30_000 });
  grant(other, last());
  expect(gate.until_ms).toBe(130_700);
});

test("a refusal counts only from the leader that was asked, and none makes it ask without end", () => {
  const { renewals, sent, refused, refuse, last, clock } = owner(newLeaseCell(), 30_000);
  renewals.follow(leader);
  const asked = last();
  refuse(other, asked, "term");
  refuse(leader, asked + 99, "term");
  refuse(leader, asked, "term", 2_000, 1);
  expect([sent.length, refused]).toEqual([1, []]);
  refuse(leader, asked, "unregistered");
  expect([sent.length, refused]).toMatchObject([1, [{ why: "unregistered" }]]);
  clock.advance(150);
  // Less than any leader has.
  for (let i = 0; i < 5; i++) refuse(leader, last(), "term", 1);
  expect(sent.slice(2).map(({ ttl_ms }) => ttl_ms)).toEqual([500]);
});

test("what a leader refused that is none any more binds nobody: whoever leads now is asked for all that is configured", () => {
  const { renewals, sent, refused, refuse, last } = owner(newLeaseCell(), 30_000);
  renewals.follow(leader);
  const asked = last();
  renewals.follow(other);
  refuse(leader, asked, "term");
  expect([sent.length, refused]).toEqual([2, []]);
});
