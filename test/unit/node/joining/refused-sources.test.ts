/** What strangers may write into the log and the events, and what a slow follower of these is spared. */
import { expect, test } from "vitest";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { RefusedSources } from "../../../../src/node/joining/refused-sources.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { brokenHandshake } from "../../../../src/ports/streams.ts";
import type { ClusterEvent } from "../../../../src/api/services.ts";

test("a host that is refused again and again, from other ports, is told once for each reason", async () => {
  const events = new EventLog(new VirtualClock(), 1);
  const refused = new RefusedSources(events);
  for (let port = 1_000; port < 1_100; port++) refused.add(`10.0.0.1:${port}`, "TLS handshake failed");
  refused.add("10.0.0.1:7946", "wrong key");
  refused.add("10.0.0.2:7946", "wrong key");
  refused.add("node-2 (10.0.0.3:41)", "version");
  refused.add("node-2 (10.0.0.3:42)", "version");
  const told = await taken(events, 0, 4);
  expect(told.map(({ data }) => data["source"])).toEqual([
    "10.0.0.1:1000",
    "10.0.0.1:7946",
    "10.0.0.2:7946",
    "node-2 (10.0.0.3:41)",
  ]);
  expect(refused.recent().get("10.0.0.2:7946")).toBe("wrong key");
});

test("a connection that broke in its handshake was refused by nobody", () => {
  const events = new EventLog(new VirtualClock(), 1);
  const refused = new RefusedSources(events);
  refused.add("10.0.0.1:41", brokenHandshake);
  expect([refused.recent().size, events.since(0, 10).length]).toEqual([0, 0]);
});

test("only the latest refusals are remembered", () => {
  const refused = new RefusedSources(new EventLog(new VirtualClock(), 1));
  for (let host = 0; host < 1_000; host++) refused.add(`host-${host}`, "wrong key");
  expect(refused.recent().size).toBe(256);
  expect(refused.recent().has("host-999")).toBe(true);
});

test("a follower of events that does not read is ended, with what it can resume from", async () => {
  const events = new EventLog(new VirtualClock(), 1);
  const follower = events.follow(null, new AbortController().signal)[Symbol.asyncIterator]();
  const first = follower.next();
  for (let n = 0; n < 5_000; n++) events.record("info", "test", `${n}`);
  let count = (await first).done === true ? 0 : 1;
  let last = 0;
  for (let next = await follower.next(); next.done !== true; next = await follower.next()) {
    count++;
    last = next.value.id;
  }
  expect(count).toBeLessThan(2_100);
  expect((await taken(events, last, 1))[0]?.id).toBe(last + 1);
});

async function taken(events: EventLog, after: number, count: number): Promise<readonly ClusterEvent[]> {
  const all: ClusterEvent[] = [];
  for await (const event of events.follow(after, new AbortController().signal)) {
    all.push(event);
    if (all.length === count) break;
  }
  return all;
}
