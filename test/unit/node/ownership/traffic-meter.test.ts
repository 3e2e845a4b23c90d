import { afterEach, expect, test } from "vitest";
import type { AgentName, NodeId } from "../../../../src/base/ids.ts";
import { TrafficMeter } from "../../../../src/node/ownership/traffic-meter.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { encodedMessage } from "../../../support/messages.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const [n1, n2] = ["n1" as NodeId, "n2" as NodeId];
/** Where each agent is. */
const homes = new Map([
  ["ann", n1],
  ["bob", n2],
  ["eve", n1],
]);
const table = { get: (agent: string) => ({ node: homes.get(agent) }) as never };
const opened: TrafficMeter[] = [];
afterEach(() => {
  for (const meter of opened.splice(0)) meter.close();
});

function world(handled: Readonly<Record<string, () => number>>) {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  const meters = [n1, n2].map((self) => {
    const membership = new MembershipTable(self, [self === n1 ? n2 : n1]);
    const count = (agent: AgentName): Promise<number | null> => Promise.resolve(handled[agent]?.() ?? null);
    return new TrafficMeter({ table, membership, peers: network.join(self), clock, handled: count });
  });
  opened.push(...meters);
  const pass = async (time_ms: number): Promise<void> => {
    for (let left_ms = time_ms; left_ms > 0; left_ms -= 100) {
      clock.advance(Math.min(100, left_ms));
      for (let i = 0; i < 50; i++) await Promise.resolve();
    }
  };
  return { meters: meters as [TrafficMeter, TrafficMeter], pass };
}

test("who writes to whom across nodes is known to all, in both directions, beside what stays at home", async () => {
  let handledByAnn = 0;
  const { meters, pass } = world({ ann: () => handledByAnn });
  const [first, second] = meters;
  for (let second_ = 0; second_ < 60; second_++) {
    for (let i = 0; i < 8; i++) first.sent(encodedMessage(i, { sender: "ann", receiver: "bob" }));
    // Of these none comes from elsewhere.
    handledByAnn += 4;
    first.sent(encodedMessage(1, { sender: "~client.x@n1", receiver: "bob" }));
    await pass(1_000);
  }
  const asked = second.gather();
  await pass(100);
  const traffic = await asked;
  expect([...traffic.keys()].toSorted()).toEqual(["ann", "bob"]);
  const ann = traffic.get("ann" as AgentName);
  expect(ann?.get(n2)).toBeGreaterThan(4);
  expect(ann?.get(n2)).toBeLessThan(12);
  expect(ann?.get(n1)).toBeCloseTo(4, 0);
  expect(traffic.get("bob" as AgentName)?.get(n1)).toBeGreaterThan(4);
  expect(second.of("ann" as AgentName)).toEqual(ann);
  expect(first.of("ann" as AgentName).size).toBe(0);
});
