import { afterEach, beforeEach, expect, test } from "vitest";
import type { GoingOn } from "../../../../src/agents/goes-on.ts";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { ConsensusStatus } from "../../../../src/cluster/consensus/consensus.ts";
import { loadConfig } from "../../../../src/config/load-config.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { Partition, type PartitionParts } from "../../../../src/node/partition/partition.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { memoryDatabases } from "../../../../src/platform/memory/database.ts";
import { openEngine } from "../../../../src/store/engine.ts";
import * as table from "../../../../src/store/queued-writes-table.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { until } from "../../../support/until.ts";

const self = "node-3" as NodeId;
const others = ["node-1", "node-2"] as NodeId[];
const text = `
coordination:
  partition:
    detection_timeout: 100ms
    strategy: custom
    decisions:
      - { condition: "nodes < quorum", action: read-only }
      - { condition: critical_agents_present, action: continue-critical }
      - { condition: "queued_writes > 1", action: stop }
`;

/** A node whose voters are three, and that hears of no quorum. */
async function cutOff() {
  const { database } = openEngine(memoryDatabases(), "store.db");
  const clock = new VirtualClock();
  const membership = new MembershipTable(self, others);
  for (const node of others) membership.setStatus(node, "failed");
  const status = { quorum: false, members: [self, ...others].map((node) => ({ node, role: "voter" })) };
  const queuedWrites = {
    put: async (write: table.NewQueuedWrite, limit: number) => table.putQueuedWrite(database, write, limit),
    list: async (options: Parameters<typeof table.listQueuedWrites>[1]) =>
      table.listQueuedWrites(database, options),
    counts: async (of: table.QueuedSince) => table.countQueuedWrites(database, of),
    refuseUnbegun: async (detail: string) => table.takeUnbegunWrites(database, detail, clock.wall_ms()),
  };
  const { config } = loadConfig({ file: "caxton.yaml", flags: {}, env: {}, readFile: () => text });
  const events = new EventLog(clock, 1);
  const peers = new MemoryPeersNetwork(clock);
  const givenUp: number[] = [];
  const parts = {
    config,
    foundation: { self, store: { client: { queuedWrites } } },
    network: { membership, peers: peers.join(self), cut: () => undefined },
    consensus: {
      consensus: {
        status: () => status as unknown as ConsensusStatus,
        onStatus: () => () => undefined,
        cut: () => undefined,
        giveUp: () => Promise.resolve(void givenUp.push(clock.now_ms())),
      },
    },
    control: {
      kv: { list: () => Promise.reject(new Error("no quorum")) },
      unheard: { list: () => [] },
    },
    events,
    keys: { all: () => [] },
    failed: () => undefined,
  } as unknown as PartitionParts;
  return { partition: await Partition.start(parts), events, membership, peers, givenUp };
}

let world: Awaited<ReturnType<typeof cutOff>>;
const accept = (path: string) =>
  world.partition.service.accept({
    method: "PUT",
    path,
    headers: {},
    body: new Uint8Array(),
    principal: { subject: "alice", roles: ["developer"], tokenId: "t", keyId: "k", expires_s: 1 },
    requestId: "r",
    subject: path,
    observed: 0,
  });

beforeEach(async () => {
  world = await cutOff();
  await until(() => world.partition.monitor.minority);
});
afterEach(() => world.partition.close());

test("decisions are taken anew as the queue grows and is dropped, and say which agents go on", async () => {
  const { partition, events } = world;
  const goingOn: GoingOn[] = [];
  expect(partition.service.action).toBe("read-only");
  let critical = false;
  partition.serve(
    () => Promise.reject(new Error("there is no quorum")),
    () => critical,
    (who) => goingOn.push(who),
  );
  await accept("/api/v1/kv/a");
  expect(partition.service.action).toBe("read-only");
  await accept("/api/v1/kv/b");
  expect(partition.service.action).toBe("stop");
  expect(goingOn.at(-1)).toBe("none");
  critical = true;
  await partition.service.resolve({ prefer: "majority", drop: true });
  expect(partition.service.action).toBe("continue-critical");
  expect(goingOn.at(-1)).toBe("critical");
  expect(partition.counters.outcomes.refused).toBe(2);
  expect(events.since(0, 100).map(({ text }) => text)).toContain(
    "2 queued writes refused: Dropped by an operator at node-3 with resolve-partition",
  );
});

test("writes that wait for a leader are ended once it is known that there is none", () => {
  expect(world.givenUp).toHaveLength(1);
});

test("what a node has when it begins to serve counts at once", () => {
  const goingOn: GoingOn[] = [];
  world.partition.serve(
    () => Promise.reject(new Error("there is no quorum")),
    () => true,
    (who) => goingOn.push(who),
  );
  expect(world.partition.service.action).toBe("continue-critical");
  expect(goingOn.at(-1)).toBe("critical");
});

test("a node of an older program says whom it reaches in its way, and is answered in it", async () => {
  const [old] = others as [NodeId];
  world.membership.setStatus(old, "alive");
  const peers = world.peers.join(old);
  const unreached = [others[1]];
  peers.handle("partition.reach", () =>
    Promise.resolve(new TextEncoder().encode(JSON.stringify({ unreached }))),
  );
  const { blind, groups } = await world.partition.service.overview();
  expect(blind.filter(({ from, to }) => from === self || to === self)).toEqual([]);
  expect(groups.find(({ nodes }) => nodes.includes(old))?.nodes).toContain(self);
  const answer = await peers.request(self, "partition.reach", new TextEncoder().encode("{}"));
  expect(Object.keys(JSON.parse(new TextDecoder().decode(answer)) as object)).toEqual(["unreached"]);
});

test("a node of an older program is asked for its report as it knows it", async () => {
  const [old] = others as [NodeId];
  world.membership.setStatus(old, "alive");
  const counts = { queued: 0, replaying: 0, applied: 0, conflicted: 0, refused: 0, expired: 0 };
  world.peers.join(old).handle("partition.report", (body) => {
    const asked = JSON.parse(new TextDecoder().decode(body)) as object;
    if (Object.keys(asked).join() !== "since_ms") throw new CaxtonError("invalid_argument", "unknown key");
    const report = { node: old, state: "healthy", counts, writes: [], more: false };
    return Promise.resolve(new TextEncoder().encode(JSON.stringify(report)));
  });
  const { nodes, missing } = await world.partition.service.report(0, new Map([[self, 1]]));
  expect(missing.map(({ node }) => node)).toEqual(["node-2"]);
  expect(nodes.map(({ node }) => node)).toEqual([old, self]);
});
