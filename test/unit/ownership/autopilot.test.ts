import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { majorityOf, votes } from "../../../src/ownership/autopilot-view.ts";
import { safeToStop } from "../../../src/ownership/safe-to-stop.ts";
import { chooseVoters, crowding, votersFor } from "../../../src/ownership/voter-choice.ts";
import type { PilotMember } from "../../../src/ownership/autopilot-view.ts";
import { PilotWorld } from "../../support/pilot-world.ts";

function cluster(count: number, more: (name: string, number: number) => object = () => ({})): PilotWorld {
  const world = new PilotWorld();
  for (let i = 2; i <= count; i++) world.join(`n${i}`, more(`n${i}`, i));
  world.settle();
  return world;
}

describe("the number of voters", () => {
  it.each([
    [0, null, 0],
    [1, null, 1],
    [2, null, 1],
    [3, null, 3],
    [4, null, 3],
    [5, null, 5],
    [6, null, 5],
    [7, null, 5],
    [100, null, 5],
    [7, 7, 7],
    [100, 7, 7],
    [5, 3, 3],
    [5, 4, 3],
    [5, 1, 1],
    [6, 7, 5],
  ])("of %d nodes with at most %s is %d", (nodes, most, expected) => {
    expect(votersFor(nodes, most)).toBe(expected);
  });

  it.each([
    [1, 1, 0],
    [2, 1, 1],
    [3, 3, 0],
    [4, 3, 1],
    [5, 5, 0],
    [8, 5, 3],
    [30, 5, 25],
  ])("a cluster of %d nodes comes to: %d voters, %d learners", (nodes, voters, learners) => {
    const world = cluster(nodes);
    expect([world.is("voter").length, world.is("learner").length]).toEqual([voters, learners]);
  });

  it("grows from one to three in one step, never by way of two", () => {
    const { taken } = cluster(3);
    const promotions = taken.flatMap((step) => (step.kind === "change" ? [step.changes] : []));
    expect(promotions.map((changes) => changes.filter(({ role }) => role === "voter").length)).toEqual([
      0, 2,
    ]);
  });

  it("stays odd while a node is not there or too far behind to vote", () => {
    const world = new PilotWorld();
    world.join("n2");
    world.join("n3");
    world.lagging.add("n3");
    world.settle();
    expect([world.is("voter"), world.is("learner")]).toEqual([["n1"], ["n2", "n3"]]);
    world.lagging.clear();
    world.settle();
    expect(world.is("voter")).toHaveLength(3);
    world.join("n4");
    world.join("n5");
    world.set("n5", "failed");
    world.settle();
    expect(world.is("voter")).toHaveLength(3);
  });

  it("does not shrink where that would leave a majority of the dead", () => {
    const world = cluster(5);
    for (const name of ["n2", "n3", "n4"]) world.set(name, "failed");
    world.nodes.delete("n5");
    const step = world.tick();
    expect(step.kind).toBe("nothing");
    expect(step.why).toContain("but only 1 of 3 voters would be well");
    expect(world.is("voter")).toHaveLength(5);
    world.set("n4", "alive");
    world.settle();
    expect(world.is("voter")).toEqual(expect.arrayContaining(["n1", "n4"]));
    expect(world.is("voter")).toHaveLength(3);
  });

  it("shrinks when nodes leave, and not before they had time to come back", () => {
    const world = cluster(5);
    world.set("n2", "gone");
    world.tick(20_000);
    expect(world.is("voter")).toHaveLength(5);
    world.set("n2", "alive");
    world.settle();
    expect(world.is("voter")).toHaveLength(5);
    world.set("n2", "gone");
    world.set("n3", "gone");
    world.settle();
    expect(world.is("voter")).toEqual(["n1", "n4", "n5"]);
    world.set("n4", "gone");
    world.settle();
    expect([world.is("voter"), world.is("learner")]).toEqual([["n1"], ["n5"]]);
  });

  it("drops a node that an operator removed at once", () => {
    const world = cluster(5);
    world.nodes.delete("n5");
    world.tick();
    expect(world.is("voter")).toEqual(["n1", "n2", "n3"]);
    expect([...world.members.keys()]).not.toContain("n5");
  });
});

describe("a new leader", () => {
  it("does not take for removed whom it has not heard of yet", () => {
    const world = cluster(5);
    const [four, five] = [world.nodes.get("n4"), world.nodes.get("n5")];
    world.nodes.delete("n4");
    world.nodes.delete("n5");
    world.lead("n2");
    for (let i = 0; i < 20; i++) expect(world.tick().kind).toBe("nothing");
    if (four !== undefined) world.nodes.set("n4", four);
    for (let i = 0; i < 20; i++) world.tick();
    expect(world.is("voter")).toEqual(["n1", "n2", "n3"]);
    expect(world.is("learner")).toEqual(["n4"]);
    if (five !== undefined) world.nodes.set("n5", five);
    world.settle();
    expect(world.is("voter")).toHaveLength(5);
  });
});

describe("a dead voter", () => {
  it("is replaced by a learner that is well, after a while", () => {
    const world = cluster(4);
    expect(world.is("voter")).toEqual(["n1", "n2", "n3"]);
    world.set("n3", "failed");
    world.tick();
    world.tick(5_000);
    expect(world.is("voter")).toEqual(["n1", "n2", "n3"]);
    world.settle();
    expect([world.is("voter"), world.is("learner")]).toEqual([["n1", "n2", "n4"], ["n3"]]);
    world.set("n3", "alive");
    world.settle();
    expect(world.is("voter")).toEqual(["n1", "n2", "n4"]);
  });

  it("keeps its vote while nobody could have it", () => {
    const world = cluster(3);
    world.set("n3", "failed");
    world.settle();
    expect(world.is("voter")).toEqual(["n1", "n2", "n3"]);
    const five = cluster(5);
    five.set("n2", "failed");
    five.set("n3", "failed");
    five.settle();
    expect(five.is("voter")).toHaveLength(5);
  });

  it("whose log is gone can never vote again, and is not waited for", () => {
    const world = cluster(3);
    world.join("n3", { identity: 9 });
    world.set("n3", "failed");
    world.tick();
    expect([world.is("voter"), world.is("learner")]).toEqual([["n1", "n2"], ["n3"]]);
  });

  it("that came back without its log learns first", () => {
    const world = cluster(3);
    world.join("n3", { identity: 9 });
    const first = world.tick();
    expect(first).toMatchObject({ kind: "change", changes: [{ node: "n3", role: "learner", identity: 9 }] });
    world.settle();
    expect(world.is("voter")).toEqual(["n1", "n2", "n3"]);
    expect(world.members.get("n3")?.identity).toBe(9);
  });
});

describe("a witness", () => {
  const pair = (): PilotWorld => {
    const world = new PilotWorld();
    world.join("n2");
    world.join("w1", { role: "witness" });
    world.settle();
    return world;
  };

  it("votes beside two nodes, and not beside one or three", () => {
    const world = pair();
    expect([world.is("voter"), world.is("witness")]).toEqual([["n1", "n2"], ["w1"]]);
    world.join("n3");
    world.settle();
    expect([world.is("voter"), world.is("witness")]).toEqual([["n1", "n2", "n3"], []]);
    world.set("n3", "gone");
    world.settle();
    expect([world.is("voter"), world.is("witness")]).toEqual([["n1", "n2"], ["w1"]]);
  });

  it("stays when a node or itself dies, unless another witness is there", () => {
    const world = pair();
    world.set("n2", "failed");
    world.settle();
    expect([world.is("voter"), world.is("witness")]).toEqual([["n1", "n2"], ["w1"]]);
    world.set("n2", "alive");
    world.set("w1", "failed");
    world.settle();
    expect([world.is("voter"), world.is("witness")]).toEqual([["n1", "n2"], ["w1"]]);
    world.join("w2", { role: "witness" });
    world.settle();
    expect([world.is("voter"), world.is("witness")]).toEqual([["n1", "n2"], ["w2"]]);
  });
});

describe("roles", () => {
  it("a node that is to learn never votes; a leader that is not to vote hands over first", () => {
    const world = cluster(4, (name) => ({ role: name === "n3" ? "learner" : "voter" }));
    expect([world.is("voter"), world.is("learner")]).toEqual([["n1", "n2", "n4"], ["n3"]]);
    world.join("n1", { role: "learner" });
    world.join("n5");
    world.settle();
    expect(world.self).not.toBe("n1");
    expect(world.is("voter")).toEqual(["n2", "n4", "n5"]);
  });

  it("a voter that is to be a witness leaves first, since its log is of another kind", () => {
    const world = cluster(3);
    world.join("n3", { role: "witness" });
    world.settle();
    expect([world.is("voter"), world.is("witness")]).toEqual([["n1", "n2"], ["n3"]]);
  });
});

describe("places", () => {
  it("are spread: no zone has more voters than it must", () => {
    const zones = ["a", "a", "a", "b", "b", "c"];
    const world = new PilotWorld();
    for (const [i, zone] of zones.entries()) world.join(`n${i + 1}`, { zone, region: "eu" });
    world.settle();
    const byZone = world.is("voter").map((name) => world.nodes.get(name)?.zone ?? "");
    expect(byZone.toSorted().join("")).toBe("aabbc");
  });

  it("are mended when a node in a better one joins, and left alone otherwise", () => {
    const world = cluster(3, () => ({ zone: "a" }));
    world.join("n4", { zone: "b" });
    world.settle();
    expect(world.is("voter")).toContain("n4");
    const before = world.taken.length;
    world.join("n5", { zone: "a", role: "learner" });
    world.settle();
    expect(world.taken.length).toBe(before + 1);
  });

  it("are chosen no worse than by any other choice of the same size, for small clusters", () => {
    const candidate = fc.record({
      region: fc.constantFrom("eu", "us"),
      zone: fc.constantFrom("a", "b", "c"),
    });
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 3, maxLength: 7 }), (places) => {
        const all = places.map((place, i) => ({ ...place, node: `n${i}` as NodeId, rank: 1 }));
        const picked = chooseVoters(all, 3);
        const crowd = crowding(all.filter(({ node }) => picked.includes(node)));
        for (const a of all) {
          for (const b of all) {
            for (const c of all) {
              if (a === b || b === c || a === c) continue;
              // In zones: regions count less, and the greedy choice may miss one of them.
              expect(Math.floor(crowd / 1_000)).toBeLessThanOrEqual(Math.floor(crowding([a, b, c]) / 1_000));
            }
          }
        }
      }),
    );
  });
});

describe("whatever happens", () => {
  const name = fc.constantFrom("n1", "n2", "n3", "n4", "n5", "n6", "n7", "w1", "w2");
  const event = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("join" as const), name, zone: fc.constantFrom("a", "b") }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("failed" as const, "gone" as const), name }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("alive" as const), name }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), name }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("wipe" as const),
        name,
        identity: fc.integer({ min: 2, max: 9 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("time" as const),
        name,
        ticks: fc.integer({ min: 1, max: 45 }),
      }),
    },
  );

  it("each step leaves a majority that is well and the leader among the voters, and the end is as it should be", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const world = new PilotWorld();
        for (const happened of events) {
          const own = happened.name === world.self;
          const node = world.nodes.get(happened.name);
          if (happened.kind === "join" && node === undefined) {
            const role = happened.name.startsWith("w") ? "witness" : "voter";
            world.join(happened.name, { zone: happened.zone, role });
          } else if (happened.kind === "remove" && !own && spares(world, happened.name))
            world.nodes.delete(happened.name);
          else if (happened.kind === "wipe" && !own && node !== undefined && spares(world, happened.name))
            world.nodes.set(happened.name, { ...node, identity: happened.identity, presence: "alive" });
          else if (
            happened.kind === "alive" ||
            ((happened.kind === "failed" || happened.kind === "gone") && !own)
          )
            world.set(happened.name, happened.kind);
          else if (happened.kind === "time") for (let i = 0; i < happened.ticks; i++) checkedTick(world);
        }
        // Then all come back, and there is peace.
        for (const known of world.nodes.keys()) world.set(known, "alive");
        world.settle();
        const data = [...world.nodes.values()].filter(({ role }) => role === "voter").length;
        const witnesses = world.nodes.size - data;
        const paired = data === 2 && witnesses > 0;
        expect(world.is("voter")).toHaveLength(paired ? 2 : votersFor(data, null));
        expect(world.is("witness")).toHaveLength(paired ? 1 : 0);
        expect(world.is("learner")).toHaveLength(data - world.is("voter").length);
        expect(world.step(true)).toMatchObject({ kind: "nothing" });
      }),
      { numRuns: 500 },
    );
  });

  /** Whether a majority of the voters keeps its log without this one: what is lost beyond that nobody can mend. */
  function spares(world: PilotWorld, name: string): boolean {
    const voters = [...world.members.values()].filter(({ role }) => votes(role));
    const kept = voters.filter(
      ({ node, identity }) => node !== name && world.nodes.get(node)?.identity === identity,
    );
    return kept.length >= majorityOf(voters.length);
  }

  function checkedTick(world: PilotWorld): void {
    const before = new Map(world.members);
    const step = world.tick();
    if (step.kind !== "change") return;
    const voters = [...world.members.values()].filter(({ role }) => votes(role));
    const well = voters.filter(
      ({ node }) => node === world.self || world.nodes.get(node)?.presence === "alive",
    );
    const names = (all: Iterable<PilotMember>): string =>
      [...all]
        .filter(({ role }) => votes(role))
        .map(({ node, role }) => `${node} ${role}`)
        .sort()
        .join();
    // A learner may come at any time; who votes changes only where a majority is well afterwards.
    if (names(before.values()) !== names(world.members.values()))
      expect(well.length).toBeGreaterThanOrEqual(majorityOf(voters.length));
    expect(world.is("voter")).toContain(world.self);
    const data = world.is("voter").length;
    expect(2 * data).toBeGreaterThan(voters.length);
    for (const { node, role } of step.changes) {
      const was = before.get(node);
      if (role === "voter") expect(was?.caughtUp ?? false).toBe(true);
      if (role !== null && was !== undefined) expect(was.role === "witness").toBe(role === "witness");
    }
  }
});

describe("taking a node down", () => {
  const answer = (world: PilotWorld, node: string) => safeToStop(node as NodeId, world.view());

  it("is safe while the others keep a majority that is well", () => {
    const world = cluster(3);
    expect(answer(world, "n2").safe).toBe(true);
    expect(answer(world, "n1").safe).toBe(true);
    world.set("n3", "failed");
    world.tick();
    expect(answer(world, "n2")).toEqual({
      safe: false,
      why: "1 of the other 2 voters is well, 2 are needed",
    });
    // The one that is down already takes nothing away.
    expect(answer(world, "n3").safe).toBe(true);
    expect(safeToStop("n2" as NodeId, world.view(true)).safe).toBe(false);
  });

  it("is not safe for the only voter, and always for a learner", () => {
    const world = cluster(2);
    expect(answer(world, "n1").safe).toBe(false);
    expect(answer(world, "n2")).toEqual({ safe: true, why: "n2 does not vote" });
  });

  it("needs another voter with the data beside a witness", () => {
    const world = new PilotWorld();
    world.join("n2");
    world.join("w1", { role: "witness" });
    world.settle();
    expect(answer(world, "n2").safe).toBe(true);
    world.set("n2", "failed");
    world.tick();
    expect(answer(world, "n1").safe).toBe(false);
    expect(answer(world, "w1").safe).toBe(false);
  });
});
