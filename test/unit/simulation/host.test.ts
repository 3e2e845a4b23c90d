import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { Host } from "../../../src/simulation/host.ts";

function machine() {
  const world = new VirtualClock();
  const host = new Host(world);
  const log: string[] = [];
  const note = (what: string) => (): void => void log.push(`${what} ${world.now_ms()}`);
  return { world, host, log, note };
}

describe("a simulated machine", () => {
  test("runs late timers first and then the packets that waited, when it goes on after a pause", () => {
    const { world, host, log, note } = machine();
    host.after(10, note("timer"));
    world.after(5, () => host.pause());
    world.after(8, () => host.receive(note("packet")));
    world.after(30, () => host.resume());
    world.advance(100);
    expect(log).toEqual(["timer 30", "packet 30"]);
  });

  test("keeps packets both ways while its network stands still, and its timers run", () => {
    const { world, host, log, note } = machine();
    host.after(10, note("timer"));
    world.after(5, () => host.stall());
    world.after(8, () => host.receive(note("in")));
    world.after(9, () => host.send(note("out")));
    world.after(30, () => host.unstall());
    world.advance(100);
    expect(log).toEqual(["timer 10", "out 30", "in 30"]);
  });

  test("takes its time over each event while it is slow, and catches up afterwards", () => {
    const { world, host, log, note } = machine();
    host.setCost(10);
    for (let i = 1; i <= 4; i++) host.receive(note(`packet-${i}`));
    world.after(15, () => host.setCost(0));
    world.advance(100);
    expect(log).toEqual(["packet-1 0", "packet-2 10", "packet-3 20", "packet-4 20"]);
  });

  test("loses packets when the socket's buffer is full, but no bytes of a stream", () => {
    const { host, log, note } = machine();
    host.pause();
    for (let i = 0; i < 3_000; i++) host.receive(note("packet"));
    for (let i = 0; i < 10; i++) host.receiveStream(note("stream"));
    host.resume();
    expect(host.overflowed).toBe(3_000 - 2_048);
    expect(log).toHaveLength(2_048 + 10);
  });

  test("has clocks that jump and drift, and time that never goes back", () => {
    const { world, host } = machine();
    world.advance(1_000);
    const wall_ms = host.wall_ms();
    host.setClock(-60_000, 1.5);
    expect(host.now_ms()).toBe(1_000);
    world.advance(1_000);
    expect([host.now_ms(), host.wall_ms()]).toEqual([2_500, wall_ms - 60_000 + 1_500]);
    host.setClock(0, 1);
    expect(host.now_ms()).toBe(2_500);
  });

  test("forgets a timer that was cancelled while it was late", () => {
    const { world, host, log, note } = machine();
    const timer = host.after(10, note("timer"));
    host.pause();
    world.advance(20);
    timer.cancel();
    host.resume();
    expect(log).toEqual([]);
  });
});
