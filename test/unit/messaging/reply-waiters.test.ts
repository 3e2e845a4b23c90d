/** What clients that wait may hold, and what is kept for their retries. */
import { expect, test } from "vitest";
import { ReplyWaiters, waiterLimit } from "../../../src/messaging/reply-waiters.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";

test("waiters are bounded, and free again when answered, late or given up", async () => {
  const clock = new VirtualClock();
  const waiters = new ReplyWaiters(clock);
  const reply = new Uint8Array([1]);
  const giveUp = new AbortController();
  const waiting = Array.from({ length: waiterLimit }, (_, n) =>
    waiters.wait(`~a.${n}`, 1_000, giveUp.signal),
  );
  expect(waiters.full).toBe(true);
  expect([waiters.offer("~a.0", reply, false), waiters.offer("~a.0", reply, false)]).toEqual([true, false]);
  expect(waiters.full).toBe(false);
  expect(await waiting[0]).toBe(reply);
  giveUp.abort();
  expect(await waiting[1]).toBeUndefined();
  const late = waiters.wait("~a.late", 1_000);
  clock.step();
  expect(await late).toBeUndefined();
});

test("who waits when the node stops is answered, and so is who comes later", async () => {
  const waiters = new ReplyWaiters(new VirtualClock());
  const waiting = [waiters.wait("~a.1", 60_000), waiters.wait("~a.1", 60_000), waiters.wait("~b.1", 60_000)];
  expect(waiters.closed).toBe(false);
  waiters.close();
  expect(await Promise.all([...waiting, waiters.wait("~c.1", 60_000)])).toEqual(Array(4).fill(undefined));
  expect(waiters.closed).toBe(true);
});

test("kept replies are bounded in count and bytes, the oldest forgotten first", async () => {
  const clock = new VirtualClock();
  const waiters = new ReplyWaiters(clock);
  const isKept = async (address: string): Promise<boolean> => {
    const giveUp = new AbortController();
    const answer = waiters.wait(address, 1_000, giveUp.signal);
    giveUp.abort();
    return (await answer) !== undefined;
  };
  for (let n = 0; n < 1_001; n++) waiters.offer(`~a.${n}`, new Uint8Array(1), true);
  expect([await isKept("~a.0"), await isKept("~a.1"), await isKept("~a.1000")]).toEqual([false, true, true]);
  for (let n = 0; n < 7; n++) waiters.offer(`~b.${n}`, new Uint8Array(10 * 1024 * 1024), true);
  expect([await isKept("~b.0"), await isKept("~b.6")]).toEqual([false, true]);
});
