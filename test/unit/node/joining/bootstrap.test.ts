import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
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
  /** What it began is not known to it yet. */
  slow = false;
  /** How long its questions are under way. */
  delay_ms = 0;
  begun = false;
  /** Who had promised it when it began, itself included. */
  beganWith: readonly string[] = [];
  sees: readonly Waiting[] = [];
  bootstrap: Bootstrap | undefined;

  constructor(name: string) {
    this.id = parseNodeId(name);
  }

  get file(): string {
    return join(directory.path, `${this.id}.promise`);
  }

  start(expect: number | null = 3): this {
    const peers = network.join(this.id);
    this.bootstrap = new Bootstrap({
      expect,
      membership: { self: this.id, members: () => this.sees.map(({ id }) => aliveMember(id)) },
      peers: {
        handle: (method, handler) => peers.handle(method, handler),
        request: async (to, method, body) => {
          await new Promise<void>((resolve) => void clock.after(this.delay_ms, resolve));
          return await peers.request(to, method, body);
        },
      },
      clock,
      status: () => ({ members: [], last: this.begun || (this.founded && !this.slow) ? 1 : 0 }),
      found: () => {
        this.founded = true;
        this.beganWith = (/^(.*) agree:/.exec(this.notes.at(-1) ?? "")?.[1] ?? "").split(", ");
      },
      file: this.file,
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
    expect(a.notes.at(-1)).toBe("Waits for 2 nodes before the cluster begins: 1 are here");
    expect(a.founded).toBe(false);
  });

  test("a node of a cluster that has begun keeps those who wait from beginning another, however it was started", async () => {
    const [a, b, c] = [new Waiting("a").start(2), new Waiting("b").start(2), new Waiting("c").start(null)];
    c.begun = true;
    seeEachOther(a, b, c);
    await pass(40_000);
    expect([a, b, c].map(({ founded }) => founded)).toEqual([false, false, false]);
    expect(a.notes.at(-1)).toContain(
      "Node c does not agree that the cluster begins here: it knows of a cluster",
    );
  });

  test("a fourth that comes late with a lower id, while one has promised itself, does not keep them apart for ever", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => new Waiting(name).start());
    const [a, b, c, d] = nodes as [Waiting, Waiting, Waiting, Waiting];
    b.sees = [b, c, d];
    for (const node of [c, d]) node.sees = [c, d];
    a.sees = [a];
    await pass(2_000);
    expect(nodes.map(({ founded }) => founded)).toEqual([false, false, false, false]);
    seeEachOther(a, b, c, d);
    await pass(5_000);
    expect(nodes.map(({ founded }) => founded)).toEqual([true, false, false, false]);
  });

  test("promises to one that has moved its own go after it, also over restarts", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => new Waiting(name).start());
    const [a, b, c, d] = nodes as [Waiting, Waiting, Waiting, Waiting];
    b.sees = [b, c, d];
    c.sees = [b, c, d];
    d.sees = [d];
    a.sees = [a];
    await pass(2_000);
    for (const node of [b, c]) node.bootstrap?.stop();
    const [again, third] = [new Waiting("b").start(), new Waiting("c").start()];
    seeEachOther(a, again, third, d);
    await pass(5_000);
    expect([a, again, third, d].map(({ founded }) => founded)).toEqual([true, false, false, false]);
  });

  test("that wait for different numbers begin all the same", async () => {
    const [a, b, c] = [new Waiting("a").start(3), new Waiting("b").start(2), new Waiting("c").start(3)];
    for (const node of [b, c]) node.sees = [b, c];
    a.sees = [a];
    await pass(2_000);
    seeEachOther(a, b, c);
    await pass(5_000);
    expect([a, b, c].map(({ founded }) => founded)).toEqual([true, false, false]);
  });

  test("one that waits for nobody is in nobody's way, also of the lowest id", async () => {
    const nodes = [new Waiting("a").start(null), ...["b", "c", "d"].map((name) => new Waiting(name).start())];
    seeEachOther(...nodes);
    await pass(5_000);
    expect(nodes.map(({ founded }) => founded)).toEqual([false, true, false, false]);
  });

  test("whoever has begun keeps its promise to itself, and one out of reach keeps those to it", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => new Waiting(name).start());
    const [a, b, c, d] = nodes as [Waiting, Waiting, Waiting, Waiting];
    b.sees = [b, c, d];
    c.sees = [b, c, d];
    d.sees = [d];
    a.sees = [a];
    await pass(2_000);
    b.bootstrap?.stop();
    for (const node of [a, c, d]) network.cut(node.id, b.id);
    seeEachOther(a, c, d);
    await pass(40_000);
    expect(a.founded).toBe(false);
    expect(a.notes.at(-1)).toContain("it has promised node b already");
  });

  test("one that gave its own promise to a lower id while it asked the others does not begin", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => new Waiting(name).start());
    const [a, b, c, d] = nodes as [Waiting, Waiting, Waiting, Waiting];
    seeEachOther(b, c, d);
    a.sees = nodes;
    [a.delay_ms, b.delay_ms] = [300, 400];
    // It has promised itself at 0.9 s, and asks the others until 1.3 s; a asks it at 1.1 s.
    await pass(1_000);
    b.sees = nodes;
    await pass(500);
    expect(nodes.map(({ file }) => readFileSync(file, "utf8"))).toEqual(["a\n", "a\n", "b\n", "b\n"]);
    expect(nodes.map(({ founded }) => founded)).toEqual([false, false, false, false]);
    seeEachOther(...nodes);
    await pass(6_000);
    expect(nodes.map(({ founded }) => founded)).toEqual([true, false, false, false]);
  });

  test("one that began keeps its own promise, though it has not heard yet that it did", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => new Waiting(name).start());
    const [a, b, c, d] = nodes as [Waiting, Waiting, Waiting, Waiting];
    b.slow = true;
    a.sees = [a];
    seeEachOther(b, c, d);
    await pass(2_000);
    expect(b.founded).toBe(true);
    seeEachOther(...nodes);
    await pass(40_000);
    expect(a.founded).toBe(false);
    expect(a.notes.at(-1)).toContain("it knows of a cluster that has begun");
  });

  test("a promise that moved on never comes back", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => new Waiting(name).start());
    const [a, b, c, d] = nodes as [Waiting, Waiting, Waiting, Waiting];
    const alone = (): void => {
      for (const node of nodes) node.sees = [node];
    };
    // c promises itself, then b, and b then a: nobody else ever sees enough.
    for (const [node, view] of [
      [c, [c, d, new Waiting("z")]],
      [b, [b, c, d]],
      [a, [a, b, c]],
    ] as const) {
      alone();
      node.sees = view;
      if (node !== c) for (const asked of view) if (asked !== d) asked.sees = view;
      if (node === a) c.sees = [c];
      await pass(2_000);
    }
    expect([b, c].map(({ file }) => readFileSync(file, "utf8"))).toEqual(["a\n", "b\n"]);
    for (const node of [c, d]) node.sees = [c, d, new Waiting("z").start()];
    await pass(3_000);
    expect(readFileSync(c.file, "utf8")).toBe("b\n");
  });

  test("whoever sees whom, and however often they start again: those who begin had nobody in common", async () => {
    const names = ["a", "b", "c", "d", "e"];
    const phase = fc.record({
      views: fc.array(fc.subarray([0, 1, 2, 3, 4]), { minLength: 5, maxLength: 5 }),
      restarted: fc.subarray([0, 1, 2, 3, 4], { maxLength: 2 }),
      lasts_ms: fc.integer({ min: 1, max: 1_600 }),
    });
    const delayed = fc.array(fc.constantFrom(0, 0, 200, 600), { minLength: 5, maxLength: 5 });
    const used: (typeof directory)[] = [];
    let began = 0;
    await fc.assert(
      fc.asyncProperty(delayed, fc.array(phase, { minLength: 2, maxLength: 6 }), async (delays, phases) => {
        used.push(directory);
        directory = temporaryDirectory("bootstrap");
        network = new MemoryPeersNetwork(clock);
        const nodes = names.map((name) => new Waiting(name).start(2));
        for (const [i, node] of nodes.entries()) node.delay_ms = delays[i] ?? 0;
        for (const { views, restarted, lasts_ms } of phases) {
          for (const [i, view] of views.entries()) {
            const node = nodes[i] as Waiting;
            node.sees = nodes.filter((other, j) => other === node || view.includes(j));
          }
          for (const i of restarted) {
            nodes[i]?.bootstrap?.stop();
            nodes[i]?.start(2);
          }
          await pass(lasts_ms);
        }
        for (const node of nodes) node.bootstrap?.stop();
        const all = nodes.flatMap(({ beganWith }) => beganWith);
        began += nodes.filter(({ founded }) => founded).length;
        expect(all).toHaveLength(new Set(all).size);
        for (const { founded, beganWith } of nodes) expect(beganWith.length >= 2).toBe(founded);
      }),
      { numRuns: 80 },
    );
    for (const old of used) old.remove();
    expect(began).toBeGreaterThan(10);
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
