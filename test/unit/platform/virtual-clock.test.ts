import fc from "fast-check";
import { expect, test } from "vitest";
import { NodeClock, VirtualClock } from "../../../src/platform/memory/clock.ts";

test("events run in the order of their time, equal times in the order they were set", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 40 }), (delays) => {
      const clock = new VirtualClock();
      const ran: { delay: number; index: number; at: number }[] = [];
      delays.forEach((delay, index) =>
        clock.after(delay, () => ran.push({ delay, index, at: clock.now_ms() })),
      );
      clock.advance(20);
      const expected = delays.map((delay, index) => ({ delay, index, at: delay }));
      expected.sort((a, b) => a.delay - b.delay || a.index - b.index);
      expect(ran).toEqual(expected);
    }),
  );
});

test("advance also runs what its events schedule within the span, and leaves later ones", () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  clock.after(10, () => {
    ran.push("first");
    clock.after(5, () => ran.push("nested"));
    clock.after(50, () => ran.push("later"));
  });
  clock.advance(20);
  expect(ran).toEqual(["first", "nested"]);
  expect(clock.now_ms()).toBe(20);
  clock.advance(40);
  expect(ran).toEqual(["first", "nested", "later"]);
});

test("a cancelled timer never fires and leaves nothing to wait for", () => {
  const clock = new VirtualClock();
  const timer = clock.after(5, () => expect.unreachable());
  timer.cancel();
  timer.cancel();
  expect(clock.next_ms()).toBeUndefined();
  expect(clock.step()).toBe(false);
});

test("runUntil stops at the event that makes the condition true, or at its limit", () => {
  const clock = new VirtualClock();
  let count = 0;
  const tick = (): void => {
    count++;
    clock.after(10, tick);
  };
  clock.after(10, tick);
  expect(clock.runUntil(() => count === 3, 1_000)).toBe(true);
  expect(clock.now_ms()).toBe(30);
  expect(clock.runUntil(() => count === 100, 100)).toBe(false);
  expect(clock.now_ms()).toBe(130);
});

test("runUntilSettled lets promises run between events", async () => {
  const clock = new VirtualClock();
  const sleep = (delay_ms: number): Promise<void> => new Promise((resolve) => clock.after(delay_ms, resolve));
  const moments: number[] = [];
  let done = false;
  void (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(7);
      moments.push(clock.now_ms());
    }
    done = true;
  })();
  expect(await clock.runUntilSettled(() => done, 1_000)).toBe(true);
  expect(moments).toEqual([7, 14, 21]);
});

test("a paused node's timers fire late, in order, and never after a cancel", () => {
  const world = new VirtualClock();
  const node = new NodeClock(world);
  const ran: string[] = [];
  node.after(10, () => ran.push("a"));
  node.after(11, () => ran.push("b"));
  const cancelled = node.after(12, () => ran.push("cancelled"));
  node.pause();
  world.advance(100);
  expect(ran).toEqual([]);
  cancelled.cancel();
  node.resume();
  world.advance(0);
  expect(ran).toEqual(["a", "b"]);
});

test("a skewed and drifting node clock shows another wall time and fires at its own pace", () => {
  const world = new VirtualClock();
  const node = new NodeClock(world, { skew_ms: 5_000, drift: 2 });
  let at = -1;
  node.after(100, () => (at = world.now_ms()));
  world.advance(60);
  expect(at).toBe(50);
  expect(node.now_ms()).toBe(120);
  expect(node.wall_ms() - world.wall_ms()).toBe(5_060);
});
