import { expect, test } from "vitest";
import { LeaseCellWriter, LeaseGate, newLeaseCell } from "../../../../src/cluster/leases/cell.ts";

function scene() {
  const time = { now: 1_000 };
  const cell = newLeaseCell();
  const clock = { now_ms: () => time.now };
  return { time, writer: new LeaseCellWriter(cell), gate: new LeaseGate(cell, clock) };
}

test("nothing is held at first, and nothing once it has run out", () => {
  const { time, writer, gate } = scene();
  expect(gate.holds()).toBe(false);
  expect(writer.hold(3_000, time.now)).toBe(true);
  gate.admit(writer.tenure);
  expect(gate.remaining_ms()).toBe(2_000);
  time.now = 2_999;
  expect(gate.holds()).toBe(true);
  time.now = 3_000;
  expect(gate.holds()).toBe(false);
});

test("a tenure that was not admitted here does not count, however long it lasts", () => {
  const { time, writer, gate } = scene();
  writer.hold(3_000, time.now);
  expect(gate.holds()).toBe(false);
  expect(gate.isGranted()).toBe(true);
  gate.admit(writer.tenure);
  expect(gate.holds()).toBe(true);
});

test("renewed in time it is the same tenure; after a gap, one nobody noticed, it is another", () => {
  const { time, writer, gate } = scene();
  writer.hold(3_000, time.now);
  gate.admit(writer.tenure);
  time.now = 2_500;
  expect(writer.hold(4_500, time.now)).toBe(false);
  expect(gate.holds()).toBe(true);
  time.now = 4_500;
  expect(writer.hold(6_000, time.now)).toBe(true);
  expect(gate.holds()).toBe(false);
  expect(gate.ended_ms).toBe(4_500);
  gate.admit(writer.tenure);
  expect(gate.holds()).toBe(true);
});

test("it never becomes shorter by a grant, and never begins in the past", () => {
  const { time, writer, gate } = scene();
  writer.hold(3_000, time.now);
  gate.admit(writer.tenure);
  expect(writer.hold(2_000, time.now)).toBe(false);
  expect(gate.until_ms).toBe(3_000);
  time.now = 5_000;
  expect(writer.hold(4_000, time.now)).toBe(false);
  expect(gate.holds()).toBe(false);
});

test("given up, it is over at once", () => {
  const { time, writer, gate } = scene();
  writer.hold(3_000, time.now);
  gate.admit(writer.tenure);
  writer.lose(time.now);
  expect(gate.holds()).toBe(false);
});
