/**
 * A process for a test that stops it: holds a lease of so many ms, renewed by nobody, and prints a line whenever it
 * looks, with what it finds and what its monotonic clock says.
 */
import { LeaseCellWriter, LeaseGate, newLeaseCell } from "../../src/cluster/leases/cell.ts";
import { openBootClock } from "../../src/platform/bun/boot-clock.ts";

const clock = openBootClock();
const cell = newLeaseCell();
const writer = new LeaseCellWriter(cell);
const gate = new LeaseGate(cell, clock);
const now_ms = clock.now_ms();
writer.hold(now_ms + Number(process.argv[2]), now_ms);
gate.admit(writer.tenure);

setInterval(() => console.log(gate.holds() ? "holds" : "lost"), 1);
