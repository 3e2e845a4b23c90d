/** The clock of leases: one for all threads, and it goes on while the process is stopped. */
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { LeaseCellWriter, newLeaseCell } from "../../../src/cluster/leases/cell.ts";
import { openBootClock } from "../../../src/platform/bun/boot-clock.ts";
import { spawnThread } from "../../../src/platform/node/threads.ts";
import { ScriptProcesses } from "../../support/script-process.ts";
import { until } from "../../support/until.ts";

const scripts = new ScriptProcesses();
afterAll(() => scripts.end());

const isLinux = process.platform === "linux";
const clock = openBootClock();

test("never goes back, and has fractions of a millisecond", () => {
  const times = Array.from({ length: 1_000 }, () => clock.now_ms());
  expect(times.every((time, i) => i === 0 || time >= (times[i - 1] ?? 0))).toBe(true);
  expect(times.some((time) => time !== Math.floor(time))).toBe(true);
});

test("goes on, whatever becomes of the memory around it", async () => {
  for (let round = 0; round < 20; round++) {
    const before_ms = clock.now_ms();
    Array.from({ length: 20_000 }, (_, i) => new Uint8Array(i % 100));
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(clock.now_ms()).toBeGreaterThan(before_ms);
  }
});

test.skipIf(!isLinux)("is the system's time since boot", () => {
  const before_ms = clock.now_ms();
  const system_ms = Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1_000;
  const after_ms = clock.now_ms();
  // The system tells whole hundredths of a second.
  expect(system_ms).toBeGreaterThan(before_ms - 20);
  expect(system_ms).toBeLessThanOrEqual(after_ms + 10);
});

test("is the same in every thread, so that a lease written by one is judged alike by another", async () => {
  const url = new URL("../../support/boot-clock-thread.ts", import.meta.url);
  const thread = spawnThread<{ now_ms: number; holds: boolean }, SharedArrayBuffer>(url, { name: "clock" });
  const answers: { now_ms: number; holds: boolean }[] = [];
  thread.receive((answer) => void answers.push(answer));
  const cell = newLeaseCell();
  const writer = new LeaseCellWriter(cell);
  const before_ms = clock.now_ms();
  writer.hold(before_ms + 60_000, before_ms);
  thread.post(cell);
  await until(() => answers.length === 1);
  writer.lose(clock.now_ms());
  const after_ms = clock.now_ms();
  thread.post(cell);
  await until(() => answers.length === 2);
  await thread.terminate();
  expect(answers.map(({ holds }) => holds)).toEqual([true, false]);
  const [first, second] = answers.map(({ now_ms }) => now_ms) as [number, number];
  expect(first).toBeGreaterThanOrEqual(before_ms);
  expect(first).toBeLessThanOrEqual(clock.now_ms());
  expect(second).toBeGreaterThanOrEqual(after_ms);
});

test.skipIf(!isLinux)(
  "a process that was stopped beyond its lease finds it lost at its first look",
  async () => {
    const lease_ms = 1_500;
    const { child, lines } = scripts.start("lease-holder.ts", [`${lease_ms}`]);
    await until(() => lines().includes("holds"));
    const stoppedAt_ms = clock.now_ms();
    child.kill("SIGSTOP");
    await until(() => readFileSync(`/proc/${child.pid}/stat`, "latin1").includes(") T "));
    await until(() => clock.now_ms() > stoppedAt_ms + lease_ms);
    // All that it had said by then has been read meanwhile.
    const before = lines().length;
    child.kill("SIGCONT");
    await until(() => lines().length > before + 3);
    // A line that was on its way when it stopped may still say what was so then.
    expect(lines().slice(before + 1)).not.toContain("holds");
  },
);
