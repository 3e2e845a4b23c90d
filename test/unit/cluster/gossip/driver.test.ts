import { describe, expect, test } from "vitest";
import { beat_ms } from "../../../../src/cluster/gossip/heartbeat.ts";
import { World, type WorldNode } from "../../../support/gossip-world.ts";
import { thorough } from "../../../support/thorough.ts";

function three(nodes: readonly WorldNode[]): [WorldNode, WorldNode, WorldNode] {
  const [a, b, c] = nodes;
  if (!a || !b || !c) throw new Error("three nodes were wanted");
  return [a, b, c];
}

/** The log takes it: each that applies it says so, first the operator's node. */
function removeAt(gone: WorldNode, at: WorldNode, other: WorldNode): void {
  const boot = gone.driver.members().find(({ id }) => id === gone.id)?.bootEpoch ?? 0;
  at.driver.remove(gone.id, boot);
  other.driver.removals([{ node: gone.id, boot }]);
}

function never(): never {
  throw new Error("a node knows itself");
}

describe("a healthy cluster", () => {
  test("three nodes join one after the other and know each other within two seconds", async () => {
    const world = new World(1);
    const nodes = await world.cluster(3);
    for (const node of nodes) expect(world.alive(node)).toHaveLength(3);
    expect(world.clock.now_ms()).toBeLessThan(2_000);
  });

  test("thirty nodes that start at once through one seed know each other within ten seconds", async () => {
    const world = new World(2);
    await world.cluster(30);
    expect(world.clock.now_ms()).toBeLessThan(10_000);
  });

  test("nobody is suspected for five minutes", async () => {
    const world = new World(3);
    await world.cluster(5);
    world.clock.advance(300_000);
    expect([...world.events("suspect"), ...world.events("failed")]).toEqual([]);
  });

  test.each(thorough ? [4, 5, 6] : [4])(
    "a twentieth lost and unequal delays cause no false failure, seed %i",
    async (seed) => {
      const world = new World(seed);
      world.network.setRules({ loss: 0.05, duplication: 0.01, delay_ms: [0.1, 20] });
      await world.cluster(5);
      world.clock.advance(200_000);
      expect(world.events("failed")).toEqual([]);
    },
  );

  test("an idle node sends a constant number of small packets", async () => {
    const perSecond = async (count: number): Promise<number> => {
      const world = new World(7);
      const [first] = await world.cluster(count);
      world.clock.advance(30_000);
      const before = first?.driver.stats().packetsSent ?? 0;
      world.clock.advance(60_000);
      const stats = first?.driver.stats();
      expect((stats?.bytesSent ?? 0) / (stats?.packetsSent ?? 1)).toBeLessThan(700);
      return ((stats?.packetsSent ?? 0) - before) / 60;
    };
    expect(await perSecond(3)).toBeLessThan(8);
    expect(await perSecond(20)).toBeLessThan(8);
  });
});

test("an idle node wakes up for packets and probes, hardly for anything else", async () => {
  const world = new World(8);
  const nodes = await world.cluster(3);
  world.clock.advance(30_000);
  const sent = (): number => nodes.reduce((sum, { driver }) => sum + driver.stats().packetsSent, 0);
  const [sentBefore, end_ms] = [sent(), world.clock.now_ms() + 60_000];
  let turns = 0;
  while ((world.clock.next_ms() ?? Infinity) <= end_ms && world.clock.step()) turns++;
  const packets = sent() - sentBefore;
  // A probe each 300 ms, a look each second or so, the streams' frames.
  expect((turns - packets) / nodes.length / 60).toBeLessThan(5.5);
});

test("a node that is alone goes on with its probes' clock only, and tells its news when somebody comes", async () => {
  const world = new World(9);
  const first = await world.start("n1", { profile: "lan", seeds: [] });
  first.driver.setLoad({ agents: 7, cpu_percent: 1, memory_bytes: 1, memory_percent: 1 });
  const end_ms = world.clock.now_ms() + 60_000;
  let turns = 0;
  while ((world.clock.next_ms() ?? Infinity) <= end_ms && world.clock.step()) turns++;
  expect(turns / 60).toBeLessThan(6);
  const second = await world.start("n2", { profile: "lan", seeds: ["n1"] });
  const known = (): boolean =>
    second.driver.members().some(({ id, load }) => id === first.id && load.agents === 7);
  for (let second_s = 0; second_s < 10 && !known(); second_s++) world.clock.advance(1_000);
  expect(known()).toBe(true);
});

describe("failures", () => {
  test("a killed node is known as failed by all others within 3.5 seconds, at any seed", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(seed);
      const [a, b, c] = three(await world.cluster(3));
      world.clock.advance(5_000 + seed * 37);
      await world.kill(c);
      const killed = world.clock.now_ms();
      const known = (): boolean => world.statusAt(a, c) === "failed" && world.statusAt(b, c) === "failed";
      expect(world.clock.runUntil(known, 10_000)).toBe(true);
      expect(world.clock.now_ms() - killed, `seed ${seed}`).toBeLessThan(3_500);
      expect(world.statusAt(a, b)).toBe("alive");
    }
  });

  test("when two of three die at once, the survivor knows both as failed within 5 seconds", async () => {
    const world = new World(8);
    const [a, b, c] = three(await world.cluster(3));
    await world.kill(b);
    await world.kill(c);
    const known = (): boolean => world.statusAt(a, b) === "failed" && world.statusAt(a, c) === "failed";
    expect(world.clock.runUntil(known, 5_000)).toBe(true);
  });

  test("a node that was stopped for a second refutes the suspicion", async () => {
    const world = new World(9);
    const [a, b, c] = three(await world.cluster(3));
    world.clock.advance(3_000);
    world.pause(c);
    expect(world.clock.runUntil(() => world.statusAt(a, c) === "suspect", 5_000)).toBe(true);
    world.resume(c);
    const well = (): boolean => world.statusAt(a, c) === "alive" && world.statusAt(b, c) === "alive";
    expect(world.clock.runUntil(well, 2_000)).toBe(true);
    world.clock.advance(10_000);
    expect(world.events("failed")).toEqual([]);
  });

  test("a node that slept for long accuses nobody when it wakes, and is taken back", async () => {
    const world = new World(10);
    const [a, b, c] = three(await world.cluster(3));
    world.clock.advance(3_000);
    world.pause(c);
    world.clock.advance(20_000);
    expect(world.statusAt(a, c)).toBe("failed");
    world.resume(c);
    expect(
      world.clock.runUntil(() => world.statusAt(a, c) === "alive" && world.statusAt(b, c) === "alive", 5_000),
    ).toBe(true);
    expect(world.events("failed").filter((event) => !event.startsWith("n3"))).toEqual([]);
  });

  test("4 of 30 stopped for 16 seconds: no false failure among the healthy, all back within a second", async () => {
    const world = new World(16);
    world.network.setRules({ delay_ms: [0.1, 2] });
    const nodes = await world.cluster(30);
    world.clock.advance(12_000);
    const stopped = nodes.slice(3, 7);
    for (const node of stopped) world.pause(node);
    world.clock.advance(16_000);
    for (const node of stopped) world.resume(node);
    const back = (): boolean => nodes.every((node) => world.alive(node).length === 30);
    expect(world.clock.runUntil(back, 1_000)).toBe(true);
    const healthy = (event: string): boolean => !stopped.some(({ id }) => event.startsWith(`${id} at`));
    expect([...world.events("failed"), ...world.events("suspect")].filter(healthy)).toEqual([]);
  });

  test("a restarted node is back at once with its higher boot epoch, before it was even missed", async () => {
    const world = new World(11);
    const [a, b, c] = three(await world.cluster(3));
    await world.kill(c);
    const again = await world.start("n3", { boot: 2, seeds: ["n1"] });
    const back = (): boolean =>
      [a, b].every((node) =>
        node.driver
          .members()
          .some((member) => member.id === again.id && member.bootEpoch === 2 && member.status === "alive"),
      );
    expect(world.clock.runUntil(back, 1_000)).toBe(true);
    world.clock.advance(20_000);
    expect(world.events("failed")).toEqual([]);
  });

  test.each([0, 30_000])(
    "the first node, which has no seeds, is found by the others %i ms after it died",
    async (pause_ms) => {
      const world = new World(22);
      const [a, b, c] = three(await world.cluster(3));
      await world.kill(a);
      world.clock.advance(pause_ms);
      const again = await world.start("n1", { boot: 2 });
      const all = [again, b, c];
      expect(world.clock.runUntil(() => all.every((node) => world.alive(node).length === 3), 8_000)).toBe(
        true,
      );
    },
  );

  test("a node that left is left, not failed, and comes back after a restart", async () => {
    const world = new World(12);
    const [a, b, c] = three(await world.cluster(3));
    c.driver.leave();
    expect(world.clock.runUntil(() => c.reports.some((report) => report.kind === "left-told"), 3_000)).toBe(
      true,
    );
    await world.kill(c);
    world.clock.advance(20_000);
    expect(world.statusAt(a, c)).toBe("left");
    expect(world.statusAt(b, c)).toBe("left");
    expect(world.events("failed")).toEqual([]);
    await world.start("n3", { boot: 2, seeds: ["n2"] });
    expect(
      world.clock.runUntil(() => world.statusAt(a, c) === "alive" && world.statusAt(b, c) === "alive", 2_000),
    ).toBe(true);
  });

  test("a removed node is forgotten everywhere and returns only by its own restart", async () => {
    const world = new World(13);
    const [a, b, c] = three(await world.cluster(3));
    await world.kill(c);
    expect(world.clock.runUntil(() => world.statusAt(b, c) === "failed", 10_000)).toBe(true);
    removeAt(c, a, b);
    expect(
      world.clock.runUntil(
        () => world.statusAt(a, c) === undefined && world.statusAt(b, c) === undefined,
        2_000,
      ),
    ).toBe(true);
    // Push-pull must not bring it back.
    world.clock.advance(120_000);
    expect(world.statusAt(a, c)).toBeUndefined();
    await world.start("n3", { boot: 2, seeds: ["n2"] });
    expect(world.clock.runUntil(() => world.statusAt(a, c) === "alive", 2_000)).toBe(true);
  });
});

describe("a live node that an operator removes", () => {
  test("is told, and is out for good until it restarts", async () => {
    const world = new World(15);
    const [a, b, c] = three(await world.cluster(3));
    const isOut = (): boolean =>
      world.statusAt(a, c) === undefined &&
      world.statusAt(b, c) === undefined &&
      c.reports.some(({ kind }) => kind === "removed");
    removeAt(c, a, b);
    expect(world.clock.runUntil(isOut, 2_000)).toBe(true);
    // It runs on, and says what it will.
    c.driver.setLoad({ agents: 7, cpu_percent: 1, memory_bytes: 1, memory_percent: 1 });
    c.driver.setTags({ ...(c.driver.members()[0] ?? { tags: never() }).tags, weight: 9 });
    world.clock.advance(120_000);
    expect(isOut()).toBe(true);
    await world.kill(c);
    await world.start("n3", { boot: 2, seeds: ["n2"] });
    expect(world.clock.runUntil(() => world.statusAt(a, c) === "alive", 2_000)).toBe(true);
  });

  test("hears of it when it can be reached again", async () => {
    const world = new World(16);
    const [a, b, c] = three(await world.cluster(3));
    world.network.cut([a.host, b.host], [c.host]);
    expect(world.clock.runUntil(() => world.statusAt(a, c) === "failed", 20_000)).toBe(true);
    removeAt(c, a, b);
    world.clock.advance(60_000);
    expect(c.reports.some(({ kind }) => kind === "removed")).toBe(false);
    world.network.heal();
    expect(world.clock.runUntil(() => c.reports.some(({ kind }) => kind === "removed"), 30_000)).toBe(true);
    expect([world.statusAt(a, c), world.statusAt(b, c)]).toEqual([undefined, undefined]);
  });
});

describe("partitions", () => {
  test("both sides see the other as failed, and converge after the heal with no outside help", async () => {
    for (const minutes of [0.5, 10]) {
      const world = new World(14);
      const nodes = await world.cluster(5);
      const [left, right] = [nodes.slice(0, 2), nodes.slice(2)];
      const failed = (from: readonly WorldNode[], of: readonly WorldNode[]): boolean =>
        from.every((node) => of.every((other) => world.statusAt(node, other) === "failed"));
      world.network.cut(
        left.map((node) => node.host),
        right.map((node) => node.host),
      );
      expect(world.clock.runUntil(() => failed(left, right) && failed(right, left), 30_000)).toBe(true);
      world.clock.advance(minutes * 60_000);
      world.network.heal();
      expect(world.clock.runUntil(() => nodes.every((node) => world.alive(node).length === 5), 15_000)).toBe(
        true,
      );
    }
  });

  test("a link cut between two of three nodes causes no failure: the third helps", async () => {
    const world = new World(15);
    const [a, b] = three(await world.cluster(3));
    world.network.cut([a.host], [b.host]);
    world.clock.advance(120_000);
    expect(world.events("failed")).toEqual([]);
  });
});

describe("joining", () => {
  test("a fresh joiner takes the UUID, is asked to keep it, and only then takes part", async () => {
    const world = new World(16);
    const first = await world.start("n1");
    const joiner = await world.start("n2", { uuid: null, seeds: ["n1"] });
    expect(
      world.clock.runUntil(() => world.alive(first).length === 2 && world.alive(joiner).length === 2, 5_000),
    ).toBe(true);
    expect(joiner.driver.uuid).toBe(first.driver.uuid);
    expect(joiner.reports.some((report) => report.kind === "adopted")).toBe(true);
  });

  test("a joiner whose seed is not up yet joins when it is", async () => {
    const world = new World(17);
    const joiner = await world.start("n2", { uuid: null, seeds: ["n1"] });
    world.clock.advance(120_000);
    expect(joiner.driver.uuid).toBeNull();
    await world.start("n1");
    expect(world.clock.runUntil(() => world.alive(joiner).length === 2, 20_000)).toBe(true);
  });

  test.each([
    ["another cluster's name", { cluster: "other" }, /in cluster "test", not in "other"/],
    ["another UUID", { uuid: "0192f0c0-0000-7000-8000-000000000002" }, /its UUID is/],
    [
      "a name in use elsewhere",
      { host: "10.0.0.99", boot: 6 },
      /node id "n2" is in use by a live node at 10\.0\.0\.2/,
    ],
    ["an old copy of a data directory", { boot: 3 }, /older than 5/],
    ["a boot epoch of the future", { boot: 2 ** 47 }, /future/],
  ])("refuses %s and says so at both ends, once a source and minute", async (what, choices, reason) => {
    const world = new World(18);
    const seed = await world.start("n1");
    const first = await world.start("n2", { boot: 5, seeds: ["n1"] });
    world.clock.advance(5_000);
    await world.kill(first);
    if (!("host" in choices)) world.clock.advance(10_000);
    const stranger = await world.start("n2", { seeds: ["n1"], ...choices });
    world.clock.advance(3_000);
    for (const node of [seed, stranger]) {
      const told = node.reports.filter((report) => report.kind === "refused" && reason.test(report.reason));
      const sources = told.map((report) => report.kind === "refused" && report.source);
      expect(sources.length).toBeGreaterThan(0);
      expect(new Set(sources).size).toBe(sources.length);
    }
    // Who looked for the seed learns whether there is any use in going on with it.
    const elsewhere = stranger.reports.some((report) => report.kind === "refused" && report.elsewhere);
    expect(elsewhere).toBe(what.startsWith("another"));
    expect(seed.reports.some((report) => report.kind === "refused" && report.elsewhere)).toBe(false);
  });

  test("another cluster key is told by the address it came from, and changes nothing", async () => {
    const world = new World(19);
    const first = await world.start("n1");
    const stranger = await world.start("n2", { key: new Uint8Array(32).fill(9), seeds: ["n1"] });
    world.clock.advance(5_000);
    // The stream's certificate would have stopped it before; here the datagrams must.
    expect(first.driver.stats().dropped["unknown_key"]).toBeGreaterThan(0);
    expect(first.reports.some((report) => report.kind === "refused" && report.source === stranger.host)).toBe(
      true,
    );
  });
});

describe("a wedged node", () => {
  test("falls silent when its main thread stops beating, is seen as failed, and recovers", async () => {
    const world = new World(20);
    const [a, , c] = three(await world.cluster(3));
    let beating = true;
    const beat = (): void => {
      if (beating) c.driver.beat();
      c.clock.after(beat_ms, beat);
    };
    beat();
    world.clock.advance(60_000);
    expect(world.events("failed")).toEqual([]);
    beating = false;
    expect(world.clock.runUntil(() => world.statusAt(a, c) === "failed", 10_000)).toBe(true);
    beating = true;
    expect(world.clock.runUntil(() => world.statusAt(a, c) === "alive", 5_000)).toBe(true);
  });

  test("is not one whose main stalls for a second, nor one that was stopped as a whole", async () => {
    const world = new World(21);
    const [, , c] = three(await world.cluster(3));
    let beating = true;
    const beat = (): void => {
      if (beating) c.driver.beat();
      c.clock.after(beat_ms, beat);
    };
    beat();
    beating = false;
    world.clock.advance(1_500);
    beating = true;
    world.clock.advance(5_000);
    expect(c.driver.stats().dropped["wedged"]).toBeUndefined();
    world.pause(c);
    world.clock.advance(30_000);
    world.resume(c);
    world.clock.advance(5_000);
    expect(c.driver.stats().dropped["wedged"]).toBeUndefined();
  });
});
