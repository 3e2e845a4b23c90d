import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { LeaseBook } from "../../../src/ownership/lease-book.ts";
import { OwnerLease } from "../../../src/ownership/owner-lease.ts";

const terms = { ttl_ms: 2_000, drift: 0.05 };
const wait_ms = 2_100;
const node = "node-1" as NodeId;

describe("the owner's side", () => {
  test("counts from when the renewal was sent, not from when the grant came", () => {
    const lease = new OwnerLease(terms);
    const renewal = lease.renew(1_000);
    expect(lease.holds(1_000, 0)).toBe(false);
    expect(lease.granted({ renewal, assignedUpTo: 0 })).toBe(true);
    expect(lease.holds(2_999, 0)).toBe(true);
    expect(lease.holds(3_000, 0)).toBe(false);
    expect(lease.remaining_ms(2_500)).toBe(500);
  });

  test("counts only once the assignments are known that it was granted with", () => {
    const lease = new OwnerLease(terms);
    lease.granted({ renewal: lease.renew(0), assignedUpTo: 7 });
    expect(lease.holds(1, 6)).toBe(false);
    expect(lease.holds(1, 7)).toBe(true);
  });

  test("a grant counts once, an older one after a newer one not at all", () => {
    const lease = new OwnerLease(terms);
    const first = lease.renew(0);
    const second = lease.renew(500);
    expect(lease.granted({ renewal: second, assignedUpTo: 0 })).toBe(true);
    expect(lease.granted({ renewal: second, assignedUpTo: 0 })).toBe(false);
    expect(lease.granted({ renewal: first, assignedUpTo: 0 })).toBe(false);
    expect(lease.granted({ renewal: 99, assignedUpTo: 0 })).toBe(false);
    expect(lease.remaining_ms(500)).toBe(2_000);
  });

  test("given up, it is over at once, and what was under way grants nothing", () => {
    const lease = new OwnerLease(terms);
    lease.granted({ renewal: lease.renew(0), assignedUpTo: 0 });
    const underWay = lease.renew(100);
    lease.lose();
    expect(lease.holds(101, 0)).toBe(false);
    expect(lease.granted({ renewal: underWay, assignedUpTo: 0 })).toBe(false);
  });

  test("renewals that are never answered are forgotten", () => {
    const lease = new OwnerLease(terms);
    const first = lease.renew(0);
    for (let index = 0; index < 100; index++) lease.renew(index);
    expect(lease.granted({ renewal: first, assignedUpTo: 0 })).toBe(false);
  });
});

describe("the leader's side", () => {
  function leading(now_ms = 0): LeaseBook {
    const book = new LeaseBook(terms);
    book.lead(now_ms);
    return book;
  }

  test("grants only after a round that began after the renewal came", () => {
    const book = leading();
    const round = book.begin();
    expect(book.ask({ node, boot: 1, renewal: 5 })).toBe(true);
    expect(book.confirmed(round, 10)).toEqual([]);
    expect(book.confirmed(book.begin(), 20)).toEqual([{ node, boot: 1, renewal: 5 }]);
    expect(book.confirmed(book.begin(), 30)).toEqual([]);
  });

  test("a new leader waits for what others may have granted, whoever it is about", () => {
    const book = leading(1_000);
    expect(book.mayReassign(node, 1, 1_000 + wait_ms - 1)).toBe(false);
    expect(book.mayReassign(node, 1, 1_000 + wait_ms)).toBe(true);
  });

  test("a silent node's agents are free a term and the drift after its last grant", () => {
    const book = leading();
    book.ask({ node, boot: 1, renewal: 1 });
    book.confirmed(book.begin(), 10_000);
    expect(book.mayReassign(node, 1, 10_000 + wait_ms - 1)).toBe(false);
    expect(book.mayReassign(node, 1, 10_000 + wait_ms)).toBe(true);
  });

  test("who asks right now is back: its agents stay", () => {
    const book = leading();
    book.ask({ node, boot: 1, renewal: 1 });
    expect(book.mayReassign(node, 1, 100_000)).toBe(false);
  });

  test("proof that the process is gone spares the wait, even a new leader's", () => {
    const book = leading();
    book.ask({ node, boot: 3, renewal: 1 });
    book.confirmed(book.begin(), 5);
    book.ended(node, 3);
    expect(book.mayReassign(node, 3, 6)).toBe(true);
    expect(book.ask({ node, boot: 3, renewal: 2 })).toBe(false);
  });

  test("proof about an older life says nothing of the present one", () => {
    const book = leading();
    book.ask({ node, boot: 4, renewal: 1 });
    book.confirmed(book.begin(), 5);
    book.ended(node, 3);
    expect(book.mayReassign(node, 4, 6)).toBe(false);
    expect(book.mayReassign(node, 3, 6)).toBe(false);
    expect(book.ask({ node, boot: 4, renewal: 2 })).toBe(true);
  });

  test("a barred node gets nothing more, and what it asked for is forgotten", () => {
    const book = leading();
    book.ask({ node, boot: 1, renewal: 1 });
    book.bar(node);
    expect(book.confirmed(book.begin(), 5)).toEqual([]);
    expect(book.ask({ node, boot: 1, renewal: 2 })).toBe(false);
    book.admit(node);
    expect(book.ask({ node, boot: 1, renewal: 3 })).toBe(true);
  });

  test("who does not lead grants and reassigns nothing", () => {
    const book = leading();
    book.resign();
    expect(book.ask({ node, boot: 1, renewal: 1 })).toBe(false);
    expect(book.mayReassign(node, 1, Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  test("what was asked of it in an earlier time as leader is not granted in a later one", () => {
    const book = leading();
    book.ask({ node, boot: 1, renewal: 1 });
    book.resign();
    book.lead(50_000);
    expect(book.confirmed(book.begin(), 50_001)).toEqual([]);
  });

  test("an older life than one that was granted gets nothing", () => {
    const book = leading();
    book.ask({ node, boot: 2, renewal: 1 });
    book.confirmed(book.begin(), 5);
    expect(book.ask({ node, boot: 1, renewal: 9 })).toBe(false);
  });
});

/**
 * Owner and leaders with clocks that run apart by at most the stated drift, renewals and grants delayed at
 * will, leaders that change and go on confirming what they began: at no real moment may a leader reassign
 * while the owner holds.
 */
test("no leader ever gives away what its owner still holds", () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 400 }) }),
    },
    { weight: 3, arbitrary: fc.constant({ kind: "renew" as const }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("ask" as const), leader: fc.nat({ max: 1 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("begin" as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("confirm" as const), leader: fc.nat({ max: 1 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("deliver" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("elect" as const) }) },
  );
  const wild = { ttl_ms: 1_000, drift: 0.5 };
  const drifts = fc.constantFrom(1, 1.25, 1.5);
  let held = 0;
  let free = 0;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 60, maxLength: 120 }),
      drifts,
      drifts,
      drifts,
      (steps, owner, first, second) => {
        // All clocks run between 1 and 1.5 times as fast as real time, so no two differ by more than half.
        const rates = [first, second];
        const lease = new OwnerLease(wild);
        const books = [new LeaseBook(wild), new LeaseBook(wild)];
        let now = 0;
        let leader = 0;
        const rounds = [0, 0];
        const asked: number[] = [];
        const grants: number[] = [];
        const book = (index: number): LeaseBook => books[index] as LeaseBook;
        const clock = (index: number): number => now * (rates[index] as number);
        book(0).lead(0);
        for (const action of steps) {
          switch (action.kind) {
            case "pass":
              now += action.ms;
              break;
            case "renew":
              asked.push(lease.renew(now * owner));
              break;
            case "ask": {
              // A deposed leader may still be asked; it never gets a round again.
              const renewal = asked.shift();
              if (renewal !== undefined) book(action.leader).ask({ node, boot: 1, renewal });
              break;
            }
            case "begin":
              rounds[leader] = book(leader).begin();
              break;
            case "confirm":
              // A deposed leader may look late at the answers to what it began in time.
              for (const { renewal } of book(action.leader).confirmed(
                rounds[action.leader] as number,
                clock(action.leader),
              ))
                grants.push(renewal);
              break;
            case "deliver": {
              const renewal = grants.shift();
              if (renewal !== undefined) lease.granted({ renewal, assignedUpTo: 0 });
              break;
            }
            case "elect":
              // The former leader does not know yet; it may reassign no more, since nothing it proposes commits.
              leader = 1 - leader;
              book(leader).lead(clock(leader));
              rounds[leader] = 0;
              break;
          }
          const holds = lease.holds(now * owner, 0);
          if (holds) held += 1;
          if (!book(leader).mayReassign(node, 1, clock(leader))) continue;
          free += 1;
          expect(holds).toBe(false);
        }
      },
    ),
    { numRuns: 1_000 },
  );
  // Enough of both, or nothing was tried.
  expect(held).toBeGreaterThan(1_000);
  expect(free).toBeGreaterThan(1_000);
});
