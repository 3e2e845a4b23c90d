import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { parseNodeId, type NodeId } from "../../../../src/base/ids.ts";
import type { Member } from "../../../../src/cluster/membership.ts";
import { Bootstrap, expectedClusterUuid } from "../../../../src/node/joining/bootstrap.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

let directory = temporaryDirectory("bootstrap");
let clock = new VirtualClock();
let network = new MemoryPeersNetwork(clock);

afterEach(() => {
  directory.remove();
  directory = temporaryDirectory("bootstrap");
  clock = new VirtualClock();
  network = new MemoryPeersNetwork(clock);
});

class Waiting {
  readonly id: NodeId;
  readonly notes: string[] = [];
  founded = false;
  begun = false;
  sees: readonly Waiting[] = [];
  bootstrap: Bootstrap | undefined;

  constructor(name: string) {
    this.id = parseNodeId(name);
  }

  start(expect: number | null = 3): this {
    const peers = network.join(this.id);
    this.bootstrap = new Bootstrap({
      expect,
      membership: { self: this.id, members: () => this.sees.map(({ id }) => aliveMember(id)) },
      peers,
      clock,
      status: () => ({ members: [], last: this.begun || this.founded ? 1 : 0 }),
      found: () => {
        this.founded = true;
      },
      file: join(directory.path, `${this.id}.promise`),
      note: (text) => this.notes.push(text),
    });
    return this;
  }
}

function aliveMember(id: NodeId): Member {
  return {
    id,
    status: "alive",
    tags: { raft: { host: "", port: 1, identity: 1, role: "voter" } },
  } as unknown as Member;
}

async function pass(duration_ms: number): Promise<void> {
  const end_ms = clock.now_ms() + duration_ms;
  clock.after(duration_ms, () => undefined);
  await clock.runUntilSettled(() => clock.now_ms() >= end_ms, duration_ms);
}

function seeEachOther(...nodes: Waiting[]): void {
  for (const node of nodes) node.sees = nodes;
}

describe("nodes that wait for each other", () => {
  test("one of them begins, the one of the lowest id, when all are there", async () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => new Waiting(name).start()) as [Waiting, Waiting, Waiting];
    seeEachOther(a, b);
    c.sees = [c];
    await pass(3_000);
    expect([a, b, c].map(({ founded }) => founded)).toEqual([false, false, false]);
    expect(a.notes).toEqual(["Waits for 3 nodes before the cluster begins: 2 are here"]);
    seeEachOther(a, b, c);
    await pass(3_000);
    expect([a, b, c].map(({ founded }) => founded)).toEqual([true, false, false]);
  });

  test("two that see different sets never both begin: what they share has promised one", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => new Waiting(name).start());
    const [a, b, c, d] = nodes as [Waiting, Waiting, Waiting, Waiting];
    seeEachOther(b, c, d);
    a.sees = [];
    await pass(3_000);
    expect(b.founded).toBe(true);
    for (const node of [a, c]) node.sees = [a, c, d];
    await pass(40_000);
    expect(a.founded).toBe(false);
    expect(a.notes.at(-1)).toMatch(
      /does not agree that the cluster begins here: it has promised node b already/,
    );
  });

  test("a promise is kept over a restart", async () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => new Waiting(name).start()) as [Waiting, Waiting, Waiting];
    seeEachOther(b, c, new Waiting("d"));
    await pass(1_500);
    b.bootstrap?.stop();
    c.bootstrap?.stop();
    const again = new Waiting("c").start();
    seeEachOther(a, again, new Waiting("z").start());
    await pass(3_000);
    expect(a.founded).toBe(false);
  });

  test("a node that knows of a cluster, or was not told to wait, promises nothing", async () => {
    const [a, b] = ["a", "b"].map((name) => new Waiting(name).start(2)) as [Waiting, Waiting];
    b.begun = true;
    seeEachOther(a, b);
    await pass(2_000);
    expect(a.founded).toBe(false);
    expect(a.notes.at(-1)).toContain("it knows of a cluster that has begun");
    const c = new Waiting("c").start(null);
    seeEachOther(a, c);
    await pass(40_000);
    expect(a.notes.at(-1)).toContain("it was not started with --bootstrap-expect");
    expect(a.founded).toBe(false);
  });

  test("all make the same UUID of the key and the cluster's name", () => {
    const key = new Uint8Array(32).fill(1);
    const uuid = expectedClusterUuid(key, "prod");
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(expectedClusterUuid(key, "prod")).toBe(uuid);
    expect(expectedClusterUuid(key, "other")).not.toBe(uuid);
    expect(expectedClusterUuid(new Uint8Array(32).fill(2), "prod")).not.toBe(uuid);
  });
});
