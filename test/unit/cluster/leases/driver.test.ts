import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { LeaseGate, newLeaseCell } from "../../../../src/cluster/leases/cell.ts";
import { LeaseDriver } from "../../../../src/cluster/leases/driver.ts";
import { termSetting } from "../../../../src/cluster/leases/registered-terms.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { decodeControlQuery } from "../../../../src/wire/control-command.ts";
import { controlQueries } from "../../../../src/wire/control-kinds.ts";
import { encodeSettings } from "../../../../src/wire/control-setting.ts";
import { encodeNodeRecords, type NodeRecord } from "../../../../src/wire/control-node.ts";
import { decodeLeaseFrame, encodeLeaseFrame } from "../../../../src/wire/lease-frame.ts";

const [self, other] = ["node-1", "node-2"] as [NodeId, NodeId];

function record(bootEpoch: number, removed = false): NodeRecord {
  return { id: other, role: "voter", bootEpoch, region: "", zone: "", level: 1, removed };
}

/** A leader's driver over a control state that has these records, and these settings. */
function leader(records: NodeRecord[], settings: Readonly<Record<string, string>> = {}) {
  const clock = new VirtualClock();
  const granted: number[] = [];
  const asked: number[] = [];
  let applied = 0;
  const state = { records, queries: 0, last: 0 };
  const driver = new LeaseDriver(
    {
      boot: 1,
      terms: { ttl_ms: 2_000, drift: 0.05 },
      clock,
      bootClock: clock,
      cell: newLeaseCell(),
      tell: () => undefined,
    },
    {
      self,
      soon: () => undefined,
      send: (_node, bytes) => {
        const frame = decodeLeaseFrame(bytes);
        if (frame.kind === "grant") granted.push(frame.renewal);
      },
      ask: (attempt) => asked.push(attempt),
      last: () => state.last,
      applied: () => applied,
      query: (query) => {
        if (decodeControlQuery(query).kind === controlQueries.settings)
          return encodeSettings(
            Object.entries(settings).map(([name, value]) => ({ name, value, version: 1 })),
          );
        state.queries++;
        return encodeNodeRecords(state.records);
      },
    },
  );
  driver.status({ leader: self, term: 3, leads: true });
  const renew = (boot: number, renewal: number): void => {
    driver.receive(other, encodeLeaseFrame({ kind: "renewal", boot, renewal, ttl_ms: 2_000 }));
    driver.round(asked.at(-1) ?? -1, true);
  };
  const apply = (changed: NodeRecord[]): void => {
    state.records = changed;
    applied++;
  };
  return { clock, driver, state, granted, renew, apply };
}

test("a leader that was deposed gives nothing away", () => {
  const { clock, driver } = leader([record(1)]);
  clock.advance(10_000);
  driver.status({ leader: other, term: 4, leads: false });
  expect([driver.grants.term, driver.grants.permit(other, 1)]).toEqual([null, null]);
});

/** When a new leader, which was never granted anything, first permits that the node's agents are given away. */
function permittedAfter_ms(settings: Readonly<Record<string, string>>, ended = false): number {
  const { clock, driver } = leader([record(1)], settings);
  if (ended) driver.grants.ended(other, 1);
  for (let after_ms = 0; after_ms < 100_000; after_ms += 100, clock.advance(100))
    if (driver.grants.permit(other, 1) !== null) return after_ms;
  return Number.POSITIVE_INFINITY;
}

test("a new leader waits for as long as a node of longer terms may have been granted by the one before it", () => {
  expect(permittedAfter_ms({})).toBe(2_100);
  expect(permittedAfter_ms({ [termSetting(other)]: "30000" })).toBe(31_500);
  expect(permittedAfter_ms({ [termSetting(other)]: "500" })).toBe(2_100);
  expect(permittedAfter_ms({ [termSetting(self)]: "30000" })).toBe(2_100);
  expect(permittedAfter_ms({ [termSetting(other)]: "30000" }, true)).toBe(0);
  for (const damaged of ["", "-1", "1e9", "NaN", "30 s", "99999999999"])
    expect([damaged, permittedAfter_ms({ [termSetting(other)]: damaged })]).toEqual([damaged, 2_100]);
});

test("a new leader gives nothing away before it has applied what leaders before it may have committed", () => {
  const { clock, driver, state, apply } = leader([record(1)]);
  state.last = 1;
  driver.status({ leader: self, term: 4, leads: true });
  clock.advance(60_000);
  expect(driver.grants.permit(other, 1)).toBeNull();
  state.last = 2;
  apply([record(1)]);
  expect(driver.grants.permit(other, 1)).toBe(4);
});

test("a life that has just been registered is known at once; others are looked up now and then", () => {
  const { state, granted, renew, apply } = leader([record(1)]);
  renew(1, 1);
  apply([record(2)]);
  renew(2, 2);
  expect(granted).toEqual([1, 2]);
  const { queries } = state;
  for (let renewal = 3; renewal < 20; renewal++) {
    apply([record(2)]);
    renew(2, renewal);
  }
  expect([granted.length, state.queries]).toEqual([19, queries]);
});

test("a node with a longer term than its leader has leases of the leader's length, and says so", () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const drivers = new Map<NodeId, LeaseDriver>();
  const cells = new Map([self, other].map((node) => [node, newLeaseCell()]));
  for (const [node, cell] of cells) {
    const driver: LeaseDriver = new LeaseDriver(
      {
        boot: 1,
        terms: { ttl_ms: node === self ? 2_000 : 30_000, drift: 0.05 },
        clock,
        bootClock: clock,
        cell,
        tell: (news) => told.push(`${node} ${news.kind === "refused" ? news.why : news.kind}`),
      },
      {
        self: node,
        soon: (callback) => void clock.after(1, callback),
        send: (to, bytes) => void clock.after(1, () => drivers.get(to)?.receive(node, bytes)),
        ask: (attempt) => void clock.after(1, () => driver.round(attempt, true)),
        last: () => 0,
        applied: () => 1,
        query: () => encodeNodeRecords([record(1), { ...record(1), id: self }]),
      },
    );
    drivers.set(node, driver);
  }
  for (const [node, driver] of drivers) driver.status({ leader: self, term: 3, leads: node === self });
  clock.advance(60_000);
  expect(told.filter((line) => line.startsWith(other))).toEqual([`${other} term`, `${other} began`]);
  const lent = new LeaseGate(cells.get(other) ?? newLeaseCell(), clock);
  expect(lent.isGranted()).toBe(true);
  expect(lent.until_ms - clock.now_ms()).toBeLessThanOrEqual(2_000);
  const { heard = [] } = drivers.get(self)?.grants.ages() ?? {};
  expect(heard.find(({ node }) => node === other)?.ago_ms).toBeLessThan(2_000);
});

test("a node that was removed gets no lease", () => {
  const { granted, renew } = leader([record(1, true)]);
  renew(1, 1);
  expect(granted).toEqual([]);
});
