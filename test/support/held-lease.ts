/** A node's lease that is held as long as nobody takes it away: for tests of what is not about leases. */
import { LeaseCellWriter, LeaseGate, newLeaseCell } from "../../src/cluster/leases/cell.ts";

const always_ms = 1e15;

export function heldLease() {
  const cell = newLeaseCell();
  const writer = new LeaseCellWriter(cell);
  writer.hold(always_ms, 0);
  const gate = new LeaseGate(cell, { now_ms: () => 0 });
  gate.admit(writer.tenure);
  return { cell, tenure: gate.admitted, gate, writer, holds: () => gate.holds(), subscribe: () => () => {} };
}
