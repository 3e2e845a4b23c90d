/** A thread for a test of clocks: tells its boot-time clock and its lease when asked. */
import { LeaseGate } from "../../src/cluster/leases/cell.ts";
import { openBootClock } from "../../src/platform/bun/boot-clock.ts";
import { parentChannel } from "../../src/platform/node/threads.ts";

const parent = parentChannel<SharedArrayBuffer, { readonly now_ms: number; readonly holds: boolean }>();
const clock = openBootClock();
parent.receive((cell) => {
  const gate = new LeaseGate(cell, clock);
  gate.admit(gate.tenure);
  parent.post({ now_ms: clock.now_ms(), holds: gate.holds() });
});
