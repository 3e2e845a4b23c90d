/**
 * Mixed faults on five real nodes of this machine, for as long as asked: `bun run drill:faults --minutes 60 --seed 7`.
 * Exits 1 when a promise was broken. Needs root; touches no other node.
 */
import { parseArgs } from "node:util";
import { drillFaults } from "./fault-drill.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "60" },
    faults: { type: "string" },
  },
});

/** More than fit: what is left over when the time is up is not begun. */
const faultsAMinute = 15;
const minutes = Number(values.minutes);

try {
  const told = await drillFaults({
    seed: Number(values.seed),
    faults: Number(values.faults ?? Math.ceil(minutes * faultsAMinute)),
    until_ms: performance.now() + minutes * 60_000,
    log: (line) => console.log(line),
  });
  for (const line of told) console.log(line);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
