import { afterEach, expect, it } from "vitest";
import { LoadMonitor } from "../../../src/node/load-monitor.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";

const { rss } = process.memoryUsage;
afterEach(() => void (process.memoryUsage.rss = rss));

it("goes on with the figure before where the system's files cannot be read, as without descriptors", () => {
  const clock = new VirtualClock();
  const told: number[] = [];
  const monitor = new LoadMonitor({
    clock,
    dataDir: ".",
    interval_ms: 2_000,
    changed: (load) => told.push(load.memory_bytes),
  });
  process.memoryUsage.rss = () => {
    throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
  };
  clock.advance(5_000);
  expect(told.length).toBeGreaterThan(2);
  expect(new Set(told)).toEqual(new Set([told[0]]));
  process.memoryUsage.rss = () => 7;
  clock.advance(2_000);
  expect(told.at(-1)).toBe(7);
  monitor.stop();
});
