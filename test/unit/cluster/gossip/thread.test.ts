import { afterEach, describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../../src/base/ids.ts";
import { resolveHost, spawnGossipWorker } from "../../../../src/cluster/gossip/spawn.ts";
import { GossipThread } from "../../../../src/cluster/gossip/thread.ts";
import type { MembershipEvent } from "../../../../src/cluster/membership.ts";
import { systemClock } from "../../../../src/platform/node/clock.ts";
import type { Address } from "../../../../src/ports/datagrams.ts";
import { ContactNetwork } from "../../../support/contact-peers.ts";
import { freePort } from "../../../support/free-port.ts";
import { question_ms } from "../../../support/patience.ts";
import { until } from "../../../support/until.ts";

const uuid = "0192f0c0-0000-7000-8000-0000000000aa";
const key = new Uint8Array(32).fill(3);
const tags = {
  version: "0.1.0",
  region: "here",
  zone: "a",
  api: "",
  maxAgents: 100,
  weight: 1,
  services: [],
};
const running: GossipThread[] = [];

interface Started {
  readonly thread: GossipThread;
  readonly local: Address;
  readonly events: MembershipEvent[];
  readonly kept: string[];
}

async function start(
  network: ContactNetwork,
  name: string,
  choices: {
    boot?: number;
    uuid?: string | null;
    seeds?: readonly Address[];
    port?: number;
    adopted?: (uuid: string) => Promise<void>;
  } = {},
): Promise<Started> {
  const local = { host: "127.0.0.1", port: choices.port ?? (await freePort()) };
  const kept: string[] = [];
  const events: MembershipEvent[] = [];
  const thread = await GossipThread.start({
    identity: {
      self: name as NodeId,
      boot: choices.boot ?? 1,
      cluster: "test",
      uuid: choices.uuid === undefined ? null : choices.uuid,
      bind: local,
      advertise: local,
      tags,
      profile: "lan",
      timing: {},
      keys: [key],
    },
    seeds: choices.seeds ?? [],
    seed: local.port,
    clock: systemClock,
    peers: network.join(name as NodeId, local),
    spawn: spawnGossipWorker,
    resolve: resolveHost,
    adopted: async (adopted) => {
      await choices.adopted?.(adopted);
      kept.push(adopted);
    },
    seedFailed: () => {},
    removed: () => {},
    failed: (error) => {
      throw error;
    },
  });
  running.push(thread);
  thread.subscribe((event) => events.push(event));
  return { thread, local, events, kept };
}

const status = (at: Started, of: Started): string | undefined => at.thread.member(of.thread.self)?.status;
const alive = (at: Started): number =>
  at.thread.members().filter((member) => member.status === "alive").length;

afterEach(async () => {
  await Promise.all(running.splice(0).map((thread) => thread.stop()));
});

describe("the gossip thread over real UDP", () => {
  test("three nodes join by name, spread agents and load, ping, leave, fail, come back", async () => {
    const network = new ContactNetwork();
    const a = await start(network, "node-1", { uuid });
    const seeds = [{ host: "localhost", port: a.local.port }];
    const b = await start(network, "node-2", { seeds });
    const c = await start(network, "node-3", { seeds });
    await until(() => [a, b, c].every((node) => alive(node) === 3));
    expect(b.kept).toEqual([uuid]);
    expect(c.thread.uuid).toBe(uuid);

    const claim = {
      agent: "echo" as AgentName,
      epoch: 1,
      revision: 1,
      status: "running",
      module: "ef".repeat(32) as ModuleHash,
    } as const;
    c.thread.announce([claim], []);
    c.thread.setLoad({ agents: 1, cpu_percent: 12, memory_bytes: 5e7, memory_percent: 3 });
    await until(() => a.thread.locate(claim.agent)?.node === "node-3");
    await until(() => a.thread.member("node-3" as NodeId)?.load.agents === 1);
    expect(a.events.some((event) => event.kind === "directory")).toBe(true);

    expect(await a.thread.ping("node-3" as NodeId, question_ms)).toBeGreaterThan(0);
    await expect(a.thread.ping("node-9" as NodeId, 100)).rejects.toThrow(/No node "node-9"/);

    await b.thread.leave(question_ms);
    await b.thread.stop();
    await until(() => status(a, b) === "left" && status(c, b) === "left");

    await c.thread.stop();
    await until(() => status(a, c) === "failed");
    await expect(a.thread.ping("node-3" as NodeId, 50)).rejects.toThrow(/timed out after 50 ms/);
    const again = await start(network, "node-3", { boot: 2, uuid, seeds, port: c.local.port });
    await until(() => status(a, again) === "alive");
    expect(a.thread.member("node-3" as NodeId)?.bootEpoch).toBe(2);

    const stats = await a.thread.stats();
    expect(stats.packetsReceived).toBeGreaterThan(0);
    expect(stats.roundTrips_ms.length).toBeGreaterThan(0);
    expect(stats.dropped["malformed"]).toBeUndefined();
  });

  test("a disk that cannot keep the cluster's UUID delays joining by its only seed, and no more", async () => {
    const network = new ContactNetwork();
    const a = await start(network, "node-1", { uuid });
    const seeds = [{ host: "localhost", port: a.local.port }];
    let tries = 0;
    const adopted = (): Promise<void> =>
      ++tries < 3 ? Promise.reject(new Error("no space left on the device")) : Promise.resolve();
    const b = await start(network, "node-2", { seeds, adopted });
    await until(() => [a, b].every((node) => alive(node) === 2));
    expect([tries, b.kept]).toEqual([3, [uuid]]);
    const refused = b.events.flatMap((event) => (event.kind === "refused" ? [event.reason] : []));
    expect(refused[0]).toBe("cannot keep the cluster's UUID: no space left on the device");
  });

  test("gossip keys are rotated while it runs; ones that are none are refused", async () => {
    const network = new ContactNetwork();
    const a = await start(network, "node-1", { uuid });
    const b = await start(network, "node-2", { seeds: [{ host: "localhost", port: a.local.port }] });
    await until(() => [a, b].every((node) => alive(node) === 2));
    const fresh = new Uint8Array(32).fill(4);
    for (const keys of [[key, fresh], [fresh, key], [fresh]]) {
      for (const node of [a, b]) node.thread.setGossipKeys(keys);
      // An answer of each thread says that it has the keys.
      await Promise.all([a, b].map((node) => node.thread.stats()));
      expect(await a.thread.ping(b.thread.self, question_ms)).toBeGreaterThan(0);
    }
    expect(a.thread.gossipKeys).toEqual([fresh]);
    expect((await b.thread.stats()).dropped["unknown_key"]).toBeUndefined();
    for (const wrong of [[], [new Uint8Array(31)], Array.from({ length: 9 }, () => fresh)])
      expect(() => a.thread.setGossipKeys(wrong)).toThrow(/1 to 8 of 32 bytes/);
  });

  test("a port in use is said so", async () => {
    const network = new ContactNetwork();
    const a = await start(network, "node-1", { uuid });
    await expect(start(network, "node-2", { uuid, port: a.local.port })).rejects.toMatchObject({
      code: "port_in_use",
    });
  });

  test("tags that do not fit are refused at once", async () => {
    const a = await start(new ContactNetwork(), "node-1", { uuid });
    const services = Array.from({ length: 500 }, (_, i) => `${i}`.padStart(40, "s"));
    expect(() => a.thread.setTags({ ...tags, services })).toThrow(/at most 16384/);
  });
});
