import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { LeaseGrants, permission_ms } from "../../../../src/cluster/leases/grants.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { LeaseFrame } from "../../../../src/wire/lease-frame.ts";

const node = "node-2" as NodeId;
const terms = { ttl_ms: 2_000, drift: 0.05 };
const wait_ms = 2_100;

/** A leader whose rounds end when the test says so; the second life of the node is registered. */
function leader() {
  const clock = new VirtualClock();
  const sent: (LeaseFrame & { readonly to: NodeId })[] = [];
  const asked: number[] = [];
  const registered = new Map<NodeId, number>([[node, 2]]);
  let last = 7;
  const grants = new LeaseGrants({
    terms,
    clock,
    send: (to, frame) => sent.push({ ...frame, to }),
    ask: (attempt) => asked.push(attempt),
    isRegistered: (id, boot) => registered.get(id) === boot,
    formerTerm_ms: () => terms.ttl_ms,
    last: () => last,
  });
  grants.lead(5, 0);
  const renew = (renewal: number, fields: { boot?: number; ttl_ms?: number } = {}): void =>
    grants.renewal(node, { kind: "renewal", boot: 2, renewal, ttl_ms: 2_000, ...fields });
  /** A quorum follows, or it does not. */
  const round = (led = true): void => grants.round(asked.at(-1) ?? -1, led);
  const write = (): void => void last++;
  return { clock, grants, sent, asked, registered, renew, round, write };
}

describe("a leader grants leases", () => {
  test("after a round that began after the renewal came, with what was in the log by then", () => {
    const { grants, sent, asked, renew, round, write } = leader();
    renew(1);
    expect([sent, asked.length]).toEqual([[], 1]);
    renew(2);
    write();
    round();
    // The second renewal came while the round was under way: the next one answers it.
    expect([sent, asked.length]).toEqual([[], 2]);
    round();
    expect(sent).toEqual([{ kind: "grant", to: node, boot: 2, renewal: 2, assignedUpTo: 8, wait_ms }]);
    expect(grants.counts).toEqual({ granted: 1, refused: 0 });
  });

  test("never for a round that failed, that another question had, or after it resigned", () => {
    const { grants, sent, asked, renew, round } = leader();
    renew(1);
    grants.round((asked.at(-1) ?? 0) + 1, true);
    round(false);
    renew(2);
    grants.resign();
    round();
    renew(3);
    expect([sent, grants.term]).toEqual([[], null]);
  });

  test("only to the registered life, and to nobody who counts longer than it waits", () => {
    const { grants, sent, renew, round } = leader();
    renew(1, { boot: 1 });
    renew(2, { boot: 3 });
    renew(3, { ttl_ms: 2_001 });
    round();
    // Each is told why, and what would be granted.
    const refusal = { kind: "refusal", to: node, ttl_ms: 2_000 };
    expect(sent).toEqual([
      { ...refusal, boot: 1, renewal: 1, why: "unregistered" },
      { ...refusal, boot: 3, renewal: 2, why: "unregistered" },
      { ...refusal, boot: 2, renewal: 3, why: "term" },
    ]);
    expect(grants.counts).toEqual({ granted: 0, refused: 3 });
  });
});

test("a leader tells how long ago it heard each node, in its own term alone", () => {
  const { clock, grants, renew, round } = leader();
  clock.advance(700);
  expect(grants.ages()).toEqual({ leading_ms: 700, heard: [] });
  renew(1);
  expect(grants.ages()?.heard).toEqual([]);
  round();
  clock.advance(300);
  expect(grants.ages()).toEqual({ leading_ms: 1_000, heard: [{ node, boot: 2, ago_ms: 300 }] });
  // One that is refused was heard all the same; not one of a life before.
  renew(2, { boot: 1 });
  expect(grants.ages()?.heard).toEqual([{ node, boot: 2, ago_ms: 300 }]);
  renew(3, { ttl_ms: 2_001 });
  expect(grants.ages()?.heard).toEqual([{ node, boot: 2, ago_ms: 0 }]);
  renew(4, { boot: 3 });
  expect(grants.ages()?.heard).toEqual([{ node, boot: 3, ago_ms: 0 }]);
  renew(5);
  round();
  expect(grants.ages()?.heard).toEqual([{ node, boot: 2, ago_ms: 0 }]);
  grants.resign();
  expect(grants.ages()).toBeNull();
  grants.lead(6, 0);
  expect(grants.ages()).toEqual({ leading_ms: 0, heard: [] });
});

describe("what is given away", () => {
  test("is free a term and the drift after this node led, whoever granted before", () => {
    const { clock, grants } = leader();
    clock.advance(wait_ms - 1);
    expect(grants.permit(node, 2)).toBeNull();
    clock.advance(1);
    expect(grants.permit(node, 2)).toBe(5);
  });

  test("waits as long as an earlier leader may have granted for, and says so to those that it grants", () => {
    const { clock, grants, sent, renew, round } = leader();
    grants.lead(6, 10_000);
    clock.advance(9_999);
    expect(grants.permit(node, 2)).toBeNull();
    renew(1);
    round();
    expect(sent[0]).toMatchObject({ wait_ms: 10_000 });
    clock.advance(9_999);
    expect(grants.permit(node, 2)).toBeNull();
    clock.advance(1);
    expect(grants.permit(node, 2)).toBe(6);
  });

  test("a longer wait forgets no life that has ended", () => {
    const { grants } = leader();
    grants.ended(node, 2);
    grants.lead(6, 10_000);
    expect(grants.permit(node, 2)).toBe(6);
  });

  test("gets no lease until it is decided; a renewal meanwhile is answered then, and is a reason to ask no more", () => {
    const { clock, grants, sent, renew, round } = leader();
    clock.advance(wait_ms);
    expect(grants.permit(node, 2)).toBe(5);
    renew(1);
    round();
    expect(sent).toMatchObject([{ kind: "refusal", why: "given_away" }]);
    // It is back: what was not proposed by now is not to be.
    expect(grants.permit(node, 2)).toBeNull();
    grants.admit(node);
    round();
    expect(sent.slice(1)).toMatchObject([{ kind: "grant", renewal: 1 }]);
  });

  test("is barred in the term of the permission alone", () => {
    const { clock, grants, sent, renew, round } = leader();
    clock.advance(wait_ms);
    expect(grants.permit(node, 2)).toBe(5);
    grants.resign();
    grants.lead(6, 0);
    renew(1);
    round();
    expect(sent).toHaveLength(1);
  });

  test("gets one again by itself, though only when no proposal with the permission can come any more", () => {
    const { clock, grants, sent, renew, round } = leader();
    clock.advance(wait_ms);
    grants.permit(node, 2);
    clock.advance(permission_ms - 1);
    renew(1);
    round();
    expect([sent.map(({ kind }) => kind), permission_ms]).toEqual([["refusal"], 15_000]);
    clock.advance(1);
    renew(2);
    round();
    expect(sent.slice(1)).toMatchObject([{ kind: "grant", renewal: 2 }]);
  });

  test("of one whose agents went for good, or whose life has ended: none in that life", () => {
    const { grants, sent, renew } = leader();
    grants.bar(node);
    renew(1);
    grants.admit(node);
    grants.ended(node, 2);
    renew(2);
    expect(sent).toMatchObject([
      { renewal: 1, why: "barred" },
      { renewal: 2, why: "barred" },
    ]);
  });

  test("not while it asks, and not by who leads no more", () => {
    const { clock, grants, renew } = leader();
    clock.advance(wait_ms);
    renew(1);
    expect(grants.permit(node, 2)).toBeNull();
    grants.resign();
    expect(grants.permit(node, 2)).toBeNull();
  });

  test("no question of an earlier time as leader is answered in a later one", () => {
    const { grants, sent, asked, renew, round } = leader();
    renew(1);
    const old = asked.at(-1) ?? 0;
    grants.resign();
    grants.lead(6, 0);
    grants.round(old, true);
    round();
    expect(sent).toEqual([]);
    renew(2);
    round();
    expect(sent).toMatchObject([{ renewal: 2 }]);
  });
});
