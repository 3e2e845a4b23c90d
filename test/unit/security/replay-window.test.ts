import fc from "fast-check";
import { expect, test } from "vitest";
import { ReplayWindow, replayWindow_packets } from "../../../src/security/replay-window.ts";

test("a window takes each counter once and none older than its width, as a set would", () => {
  const jump = fc.oneof(fc.integer({ min: -1_100, max: 40 }), fc.integer({ min: 1_000, max: 3_000 }));
  fc.assert(
    fc.property(fc.array(jump, { maxLength: 300 }), (jumps) => {
      const window = new ReplayWindow();
      const taken = new Set<number>();
      let newest = -1;
      for (const offset of jumps) {
        const counter = Math.max(0, newest + offset);
        const fresh = counter > newest - replayWindow_packets && !taken.has(counter);
        expect(window.isFresh(counter)).toBe(fresh);
        if (!fresh) continue;
        window.take(counter);
        taken.add(counter);
        newest = Math.max(newest, counter);
      }
    }),
  );
});

test("counters far above 32 bits work", () => {
  const window = new ReplayWindow();
  window.take(Number.MAX_SAFE_INTEGER - 1);
  expect(window.isFresh(Number.MAX_SAFE_INTEGER - 1)).toBe(false);
  expect(window.isFresh(Number.MAX_SAFE_INTEGER - 2)).toBe(true);
  expect(window.isFresh(Number.MAX_SAFE_INTEGER)).toBe(true);
  expect(window.isFresh(5)).toBe(false);
});

test("what a step of many counters passed over is fresh, though the same bits were taken before", () => {
  const window = new ReplayWindow();
  for (let counter = 0; counter < replayWindow_packets; counter++) window.take(counter);
  window.take(replayWindow_packets + 74);
  for (let counter = replayWindow_packets; counter < replayWindow_packets + 74; counter++) {
    expect(window.isFresh(counter), `${counter}`).toBe(true);
    window.take(counter);
    expect(window.isFresh(counter), `${counter} again`).toBe(false);
  }
});
