import { expect, test } from "vitest";
import { WakeTimer } from "../../../../src/cluster/gossip/wake-timer.ts";
import { NodeClock, VirtualClock } from "../../../../src/platform/memory/clock.ts";

function made() {
  const world = new VirtualClock();
  const clock = new NodeClock(world);
  const ticks: number[] = [];
  return { world, clock, ticks, timer: new WakeTimer(clock, () => ticks.push(world.now_ms())) };
}

test("ticks once at its moment, which can be moved and taken back", () => {
  const { world, ticks, timer } = made();
  timer.set(100);
  timer.set(100);
  timer.set(50);
  world.advance(200);
  expect(ticks).toEqual([50]);
  timer.set(300);
  timer.cancel();
  world.advance(200);
  expect(ticks).toEqual([50]);
});

test("too late, it lets what waited for the loop go first, once", () => {
  const { world, clock, ticks, timer } = made();
  timer.set(100);
  clock.pause();
  world.advance(150);
  const order: string[] = [];
  clock.resume();
  world.after(0, () => order.push(`a packet after ${ticks.length} ticks`));
  world.advance(1);
  expect(order).toEqual(["a packet after 0 ticks"]);
  expect(ticks).toEqual([150]);
});
