/** Two nodes' events, followed at one of them. */
import { expect, test } from "vitest";
import type { ClusterEvent } from "../../../../src/api/services.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import { ClusterEvents } from "../../../../src/node/events/cluster-events.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { pairEvent } from "../../../../src/node/partition/lost-pairs.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { encodeUtf8 } from "../../../../src/wire/cursor.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const [one, two] = ["node-1", "node-2"] as [NodeId, NodeId];

function world() {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  const membership = new MembershipTable(one, [two]);
  const [here, there] = [new EventLog(clock, 1), new EventLog(clock, 1_000)];
  const events = new ClusterEvents({ log: here, membership, peers: network.join(one), clock });
  const theirs = network.join(two);
  void new ClusterEvents({
    log: there,
    membership: new MembershipTable(two),
    peers: theirs,
    clock,
  });
  const abort = new AbortController();
  const seen: ClusterEvent[] = [];
  const over = (async () => {
    for await (const event of events.followAll(null, abort.signal)) seen.push(event);
  })();
  /** Lets time pass until so many events were seen. */
  const until = async (count: number): Promise<void> => {
    for (let turn = 0; turn < 1_000 && seen.length < count; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 10 === 9) clock.advance(1_000);
    }
    expect(seen.length).toBe(count);
  };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, network, membership, theirs, events, here, there, seen, until, settled, abort, over };
}

test("what only another node knows is seen here, with its node; what every node sees is not seen twice", async () => {
  const { here, there, seen, until, settled, abort, over } = world();
  await settled();
  there.record("info", "member.joined", "Node node-3 joined");
  there.record("warn", "message.dead_letter", "there");
  here.record("info", "member.joined", "Node node-3 joined");
  await until(2);
  expect(seen.map(({ node, type, id }) => [node, type, id])).toEqual([
    [undefined, "member.joined", 1],
    [two, "message.dead_letter", 1],
  ]);
  there.record("warn", "agent.trap", "again");
  await until(3);
  abort.abort();
  await over;
});

test("a node that goes or restarts is no matter of its events", async () => {
  const { network, membership, there, seen, until, settled, clock, abort, over } = world();
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1_000);
      await settled();
    }
  };
  await settled();
  network.cut(one, two);
  await pass(8);
  membership.setStatus(two, "failed");
  await pass(30);
  membership.setStatus(two, "alive");
  await pass(8);
  expect(seen).toEqual([]);
  network.heal(one, two);
  there.record("warn", "message.dead_letter", "after all");
  await until(1);
  expect(seen[0]).toMatchObject({ node: two, text: "after all" });
  abort.abort();
  await over;
});

test("a node that cannot be asked for long is told once, and followed again from where it was", async () => {
  const { network, there, seen, until, settled, clock, abort, over } = world();
  await settled();
  network.cut(one, two);
  there.record("warn", "message.dead_letter", "meanwhile");
  await until(1);
  clock.advance(5_000);
  await settled();
  expect(seen.map(({ type, text }) => [type, text])).toEqual([
    ["events.missing", 'The events of node-2 cannot be followed: Cannot reach node "node-2"'],
  ]);
  network.heal(one, two);
  await until(3);
  expect(seen[1]).toMatchObject({ type: "events.followed", text: "The events of node-2 are followed again" });
  expect(seen[2]).toMatchObject({ node: two, text: "meanwhile" });
  abort.abort();
  await over;
});

test("however many follow, each node is asked once a second, and all see the same", async () => {
  const { network, events, clock, settled, there, until, abort, over, seen } = world();
  await settled();
  const others: ClusterEvent[][] = [];
  const ends = Array.from({ length: 20 }, async () => {
    const own: ClusterEvent[] = [];
    others.push(own);
    for await (const event of events.followAll(null, abort.signal)) own.push(event);
  });
  await settled();
  const before = network.requests;
  for (let second = 0; second < 5; second++) {
    clock.advance(1_000);
    await settled();
  }
  expect(network.requests - before).toBe(5);
  there.record("warn", "agent.trap", "once");
  await until(1);
  await settled();
  for (const own of others) expect(own).toEqual(seen);
  abort.abort();
  await Promise.all([over, ...ends]);
});

test("who follows later learns which nodes cannot be asked, too", async () => {
  const { network, events, until, settled, clock, abort, over } = world();
  await settled();
  network.cut(one, two);
  clock.advance(1_000);
  await until(1);
  const later = events.followAll(null, abort.signal)[Symbol.asyncIterator]();
  expect((await later.next()).value).toMatchObject({ type: "events.missing", data: { node: two } });
  abort.abort();
  await later.next();
  await over;
});

test.each([
  ["a line's end in its type", { type: "x\ndata: forged" }],
  ["a time that is none", { at_ms: 1e300 }],
])("an answer with %s is refused, and its node told as missing", async (_what, fields) => {
  const { theirs, until, seen, settled, clock, abort, over } = world();
  await settled();
  const event = { id: 1, type: "agent.trap", level: "warn", at_ms: 1, text: "", data: {}, ...fields };
  const answer = encodeUtf8(JSON.stringify({ last: 1, events: [event] }));
  theirs.handle("events.since", () => Promise.resolve(answer));
  clock.advance(1_000);
  await until(1);
  expect(seen[0]).toMatchObject({ type: "events.missing", data: { node: two } });
  abort.abort();
  await over;
});

test("that two others lost each other is seen once, and what they say of this node not at all", async () => {
  const { there, seen, until, settled, abort, over } = world();
  await settled();
  const tell = (nodes: readonly string[], lost: boolean): void =>
    there.record("warn", pairEvent, `${nodes.join(" ")} ${lost}`, { nodes, lost });
  const pair = ["node-2", "node-3"];
  for (const lost of [true, true, false, false, true]) tell(pair, lost);
  tell(["node-1", "node-2"], true);
  there.record("warn", "message.dead_letter", "last");
  await until(4);
  expect(seen.map(({ text }) => text)).toEqual([
    "node-2 node-3 true",
    "node-2 node-3 false",
    "node-2 node-3 true",
    "last",
  ]);
  abort.abort();
  await over;
});

test("a pair of which one failed has ended: when they lose each other again, that is seen", async () => {
  const { there, membership, seen, until, settled, clock, abort, over } = world();
  const [three, nodes] = ["node-3" as NodeId, ["node-2", "node-3"]];
  membership.setStatus(three, "alive");
  await settled();
  there.record("warn", pairEvent, "lost", { nodes, lost: true });
  await until(1);
  membership.setStatus(three, "failed");
  clock.advance(1_000);
  await settled();
  membership.setStatus(three, "alive");
  there.record("warn", pairEvent, "lost again", { nodes, lost: true });
  there.record("warn", "message.dead_letter", "last");
  await until(3);
  expect(seen.map(({ text }) => text)).toEqual(["lost", "lost again", "last"]);
  abort.abort();
  await over;
});
