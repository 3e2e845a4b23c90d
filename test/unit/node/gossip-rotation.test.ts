/** Rotation of the gossip key over peers in memory and key files on disk; times run fifty times as fast. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import type { NodeId } from "../../../src/base/ids.ts";
import { GossipRotation } from "../../../src/node/gossip-rotation.ts";
import { systemClock } from "../../../src/platform/node/clock.ts";
import { systemEntropy } from "../../../src/platform/node/entropy.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import {
  formatGossipRing,
  GossipKeys,
  type GossipRing,
  isNewerRing,
} from "../../../src/security/gossip-keys.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import { MembershipTable } from "../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { until } from "../../support/until.ts";

const directory = temporaryDirectory("rotation");
const faster = 50;
const clusterKey = new Uint8Array(32).fill(1);
const names = ["a", "b", "c"] as NodeId[];

class Cluster {
  wall_ms = 1_000_000;
  /** Every delay that anybody asked for. */
  readonly waits: number[] = [];
  /** What has passed besides. */
  later_ms = 0;
  /** Runs when anybody asks for a delay. */
  waited: (delay_ms: number) => void = () => undefined;
  readonly clock: Clock = {
    now_ms: () => systemClock.now_ms() + this.later_ms,
    wall_ms: () => this.wall_ms,
    after: (delay_ms, callback) => {
      this.waits.push(delay_ms);
      this.waited(delay_ms);
      return systemClock.after(delay_ms / faster, callback);
    },
  };
  readonly network = new MemoryPeersNetwork(this.clock);
  readonly nodes = new Map<NodeId, Node>();
  /** Runs after each ring that any node has taken. */
  taken: (count: number) => void = () => undefined;
  /** Runs before any node looks at a ring that it is given. */
  before: (node: Node, ring: GossipRing) => Promise<void> = () => Promise.resolve();
  waitsFor: string | null = null;
  #taken = 0;

  took(): void {
    this.taken(++this.#taken);
  }

  node(name: NodeId): Node {
    const found = this.nodes.get(name);
    if (!found) throw new Error(`There is no ${name}`);
    return found;
  }

  async start(name: NodeId, rotateEvery_ms: number | null = null): Promise<Node> {
    const node = await Node.start(this, name, rotateEvery_ms);
    this.nodes.set(name, node);
    for (const other of this.nodes.values()) if (other !== node) other.table.setStatus(name, "alive");
    return node;
  }

  /** As kill -9: nobody reaches it, and its disk stays. */
  kill(name: NodeId): void {
    this.node(name).rotation.close();
    this.nodes.delete(name);
    for (const other of this.nodes.values()) {
      this.network.cut(name, other.name);
      other.table.setStatus(name, "failed");
    }
  }

  async restart(name: NodeId): Promise<Node> {
    for (const other of this.nodes.values()) this.network.heal(name, other.name);
    return await this.start(name);
  }

  /** Whether each opens what each other one seals. */
  get hears(): boolean {
    const all = [...this.nodes.values()].map(({ table }) => table.gossipKeys);
    return all.every((keys) =>
      all.every(([sealing]) => keys.some((key) => sealing && Buffer.compare(key, sealing) === 0)),
    );
  }

  get rings(): string[] {
    return [...new Set([...this.nodes.values()].map(({ keys }) => formatGossipRing(keys.ring)))];
  }

  async agreed(): Promise<void> {
    await until(() => this.rings.length === 1 && this.hears);
  }

  close(): void {
    for (const { rotation } of this.nodes.values()) rotation.close();
  }
}

class Node {
  readonly told: string[] = [];
  readonly failures: string[] = [];

  static async start(cluster: Cluster, name: NodeId, rotateEvery_ms: number | null): Promise<Node> {
    const folder = join(directory.path, name);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const keys = await GossipKeys.open(join(folder, "gossip.keys"), clusterKey, []);
    const others = [...cluster.nodes.keys()].filter((other) => other !== name);
    return new Node(cluster, name, keys, new MembershipTable(name, others), rotateEvery_ms);
  }

  readonly rotation: GossipRotation;

  private constructor(
    cluster: Cluster,
    readonly name: NodeId,
    readonly keys: GossipKeys,
    readonly table: MembershipTable,
    rotateEvery_ms: number | null,
  ) {
    const take = keys.take.bind(keys);
    keys.take = async (ring) => {
      await cluster.before(this, ring);
      return await take(ring);
    };
    table.setGossipKeys(keys.accepted);
    const set = table.setGossipKeys.bind(table);
    table.setGossipKeys = (accepted) => {
      set(accepted);
      cluster.took();
    };
    this.rotation = new GossipRotation({
      self: name,
      keys,
      membership: table,
      peers: cluster.network.join(name),
      clock: cluster.clock,
      entropy: systemEntropy,
      rotateEvery_ms,
      waitsFor: () => cluster.waitsFor,
      patience_ms: 1_000,
      changed: (text) => this.told.push(text),
      failed: (what, reason) => this.failures.push(`${what}: ${reason}`),
    });
  }
}

const clusters: Cluster[] = [];
afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.close();
  directory.remove();
});

async function three(): Promise<Cluster> {
  const cluster = new Cluster();
  clusters.push(cluster);
  for (const name of names) await cluster.start(name);
  return cluster;
}

describe("rotating the gossip key", () => {
  test("in three steps, at each moment of which every node opens what every other seals", async () => {
    const cluster = await three();
    const moments: boolean[] = [];
    cluster.taken = () => moments.push(cluster.hears);
    const before = cluster.node(names[0] as NodeId).table.gossipKeys[0];
    const answer = await cluster.node(names[0] as NodeId).rotation.rotateGossipKey();
    expect(answer.nodes).toEqual(names.map((node) => ({ node, status: "rotated" })));
    expect(moments).toEqual(Array.from({ length: 9 }, () => true));
    await cluster.agreed();
    for (const { table, told } of cluster.nodes.values()) {
      expect(table.gossipKeys.length).toBe(1);
      expect(table.gossipKeys[0]).not.toEqual(before);
      expect(told).toEqual([`Gossip key is now ${answer.key}`]);
    }
  });

  test("a node that was down takes the key when it is back, and so does one that was cut off", async () => {
    const cluster = await three();
    cluster.kill("c" as NodeId);
    const answer = await cluster.node("a" as NodeId).rotation.rotateGossipKey();
    expect(answer.nodes.at(-1)).toEqual({ node: "c", status: "down" });
    await cluster.restart("c" as NodeId);
    await cluster.agreed();
    expect(cluster.node("c" as NodeId).keys.ring.generation).toBe(3);
  });

  test("any node that ends and starts again at any step is with the others at the end", async () => {
    for (const victim of ["b", "c"] as NodeId[]) {
      for (let step = 1; step <= 8; step++) {
        const cluster = await three();
        cluster.taken = (count) => {
          if (count === step) cluster.kill(victim);
        };
        await cluster.node("a" as NodeId).rotation.rotateGossipKey();
        await cluster.restart(victim);
        await cluster.agreed();
        cluster.close();
        directory.remove();
      }
    }
  });

  test("the node that rotates may end at any step: the others hear each other, and the next rotation goes through", async () => {
    for (let step = 1; step <= 8; step++) {
      const cluster = await three();
      const first = cluster.node("a" as NodeId);
      cluster.taken = (count) => {
        if (count === step) cluster.kill("a" as NodeId);
      };
      await first.rotation.rotateGossipKey().catch(() => undefined);
      expect(cluster.hears, `step ${step}`).toBe(true);
      cluster.taken = () => undefined;
      await cluster.node("b" as NodeId).rotation.rotateGossipKey();
      await cluster.restart("a" as NodeId);
      await cluster.agreed();
      expect(cluster.node("c" as NodeId).table.gossipKeys.length).toBe(1);
      cluster.close();
      directory.remove();
    }
  });

  test("a live node that does not take the key stops it while the old one still seals", async () => {
    const cluster = await three();
    cluster.network.cut("a" as NodeId, "c" as NodeId);
    const before = cluster.node("c" as NodeId).table.gossipKeys[0];
    const refusal = await cluster
      .node("a" as NodeId)
      .rotation.rotateGossipKey()
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CaxtonError);
    expect(String(refusal)).toContain('node "c" did not take it');
    expect(String(refusal)).toContain("the old key still seals everywhere");
    for (const { table } of cluster.nodes.values()) expect(table.gossipKeys[0]).toEqual(before);
    expect(cluster.hears).toBe(true);
  });

  test("two at once: one goes through, the other is refused, and all agree", async () => {
    for (let round = 0; round < 5; round++) {
      const cluster = await three();
      const both = await Promise.allSettled(
        (["a", "b"] as NodeId[]).map((name) => cluster.node(name).rotation.rotateGossipKey()),
      );
      const refused = both.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
      expect(refused.length).toBe(1);
      expect(refused[0]).toContain("overtook this one");
      await cluster.agreed();
      expect(cluster.node("c" as NodeId).table.gossipKeys.length).toBe(1);
      cluster.close();
      directory.remove();
    }
  });

  test("another's step that comes between two of this one ends it there, whichever ring would win", async () => {
    for (let round = 0; round < 8; round++) {
      const cluster = await three();
      const a = cluster.node("a" as NodeId);
      cluster.before = async (node, ring) => {
        // While others take the first step: somebody who had it went on from there.
        if (node === a || ring.generation !== 1 || a.keys.ring.generation !== 1) return;
        const keys = [...ring.keys, systemEntropy.bytes(32)];
        await a.keys.take({ ...ring, generation: 2, keys });
      };
      await expect(a.rotation.rotateGossipKey()).rejects.toThrow("overtook this one");
      expect(cluster.hears).toBe(true);
      expect(a.keys.ring.keys).toHaveLength(3);
      cluster.close();
      directory.remove();
    }
  });

  test("the new key is not left alone when another's ring took its place meanwhile", async () => {
    const cluster = await three();
    const a = cluster.node("a" as NodeId);
    cluster.before = async (node, ring) => {
      // While others take the second step: another rotation got as far as that, and its ring wins.
      if (node === a || ring.generation !== 2 || a.keys.ring.keys.length !== 2) return;
      let other = { ...ring, keys: [systemEntropy.bytes(32)] };
      while (!isNewerRing(other, ring)) other = { ...ring, keys: [systemEntropy.bytes(32)] };
      await a.keys.take(other);
    };
    await expect(a.rotation.rotateGossipKey()).rejects.toThrow('overtook this one at node "a"');
    const generations = [...cluster.nodes.values()].map(({ keys }) => keys.ring.generation);
    expect(generations).toEqual([2, 2, 2]);
  });

  test("one at a time at one node", async () => {
    const cluster = await three();
    const again = cluster.node("a" as NodeId).rotation;
    const [one, two] = [again.rotateGossipKey(), again.rotateGossipKey()];
    await expect(two).rejects.toThrow("under way");
    await one;
    await cluster.agreed();
  });

  test("packets that this node cannot open make it ask for the keys", async () => {
    const cluster = await three();
    const late = cluster.node("c" as NodeId);
    for (const name of ["a", "b"] as NodeId[]) {
      cluster.network.cut(name, late.name);
      cluster.node(name).table.setStatus(late.name, "failed");
    }
    await cluster.node("a" as NodeId).rotation.rotateGossipKey();
    for (const name of ["a", "b"] as NodeId[]) cluster.network.heal(name, late.name);
    expect(await late.rotation.explains("192.0.2.1")).toBe(false);
    // Of a member's address: it asks them, and all is explained.
    expect(await late.rotation.explains("127.0.0.1")).toBe(true);
    await cluster.agreed();
  });

  test("a member that is coming back is waited for before its packets are taken for a stranger's", async () => {
    const cluster = await three();
    const [a, b, late] = ["a", "b", "c"].map((name) => cluster.node(name as NodeId)) as [Node, Node, Node];
    for (const node of [a, b]) {
      cluster.network.cut(node.name, late.name);
      node.table.setStatus(late.name, "failed");
    }
    await a.rotation.rotateGossipKey();
    cluster.later_ms = 60_000;
    cluster.waited = (delay_ms) => {
      if (delay_ms !== 6_000) return;
      for (const node of [a, b]) {
        cluster.network.heal(node.name, late.name);
        node.table.setStatus(late.name, "alive");
      }
    };
    expect(await a.rotation.explains("127.0.0.1")).toBe(true);
    await cluster.agreed();
    cluster.waited = () => undefined;
    cluster.later_ms = 120_000;
    expect(await a.rotation.explains("127.0.0.1")).toBe(false);
  });

  test("a live node that does not answer yet is asked again, and told of only when it goes on so", async () => {
    const cluster = await three();
    const [a, c] = [cluster.node("a" as NodeId), cluster.node("c" as NodeId)];
    cluster.network.cut(a.name, c.name);
    a.table.setStatus(c.name, "suspect");
    a.table.setStatus(c.name, "alive");
    await until(() => cluster.waits.includes(2_000));
    cluster.network.heal(a.name, c.name);
    await a.rotation.rotateGossipKey();
    await cluster.agreed();
    expect(a.failures).toEqual([]);
    cluster.network.cut(a.name, c.name);
    a.table.setStatus(c.name, "suspect");
    a.table.setStatus(c.name, "alive");
    await until(() => a.failures.length > 0);
    expect(a.failures).toEqual([expect.stringContaining('compare gossip keys with node "c"')]);
    expect(cluster.waits.filter((wait_ms) => wait_ms === 6_000)).not.toEqual([]);
  });

  test("a refusal alone makes it ask, too", async () => {
    const cluster = await three();
    const late = cluster.node("c" as NodeId);
    for (const name of ["a", "b"] as NodeId[]) {
      cluster.network.cut(name, late.name);
      cluster.node(name).table.setStatus(late.name, "failed");
    }
    await cluster.node("a" as NodeId).rotation.rotateGossipKey();
    for (const name of ["a", "b"] as NodeId[]) cluster.network.heal(name, late.name);
    late.table.refuse("127.0.0.1", "its gossip packets are sealed with another cluster key");
    await cluster.agreed();
  });

  test("rings of strangers' making are refused and change nothing", async () => {
    const cluster = await three();
    const before = cluster.rings;
    const peers = cluster.network.join("z" as NodeId);
    for (const bad of ["", "{}", "x".repeat(10_000), '{"generation":9,"since_ms":1,"keys":["AA"]}'])
      await expect(
        peers.request("a" as NodeId, "security.gossip-ring.take", encodeUtf8(bad)),
      ).rejects.toThrow("no gossip keys");
    expect(cluster.rings).toEqual(before);
  });

  test("by schedule the node with the lowest name does it, once a time", async () => {
    const cluster = new Cluster();
    clusters.push(cluster);
    cluster.waitsFor = "waits for a seed";
    for (const name of names) await cluster.start(name, 3_600_000);
    const generations = (): number[] => [...cluster.nodes.values()].map(({ keys }) => keys.ring.generation);
    // In no cluster yet: neither does the time begin, nor does anybody rotate.
    const looks = (): number => cluster.waits.filter((wait_ms) => wait_ms === 30_000).length;
    await until(() => looks() >= 12);
    expect([...cluster.nodes.values()].map(({ keys }) => keys.ring.since_ms)).toEqual([0, 0, 0]);
    cluster.waitsFor = null;
    await until(() => [...cluster.nodes.values()].every(({ keys }) => keys.ring.since_ms > 0));
    expect(generations()).toEqual([0, 0, 0]);
    cluster.wall_ms += 3_600_000;
    await until(() => generations().every((generation) => generation === 3));
    await cluster.agreed();
    // Nobody else tried and was overtaken.
    expect([...cluster.nodes.values()].flatMap(({ failures }) => failures)).toEqual([]);
  });
});
