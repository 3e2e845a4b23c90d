import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import {
  capacityOf,
  isStandby,
  loadOf,
  unavailability,
  unstrained,
  type Candidate,
} from "../../../src/placement/candidate.ts";
import {
  choosePlacement,
  type Placement,
  type PlacementRequest,
} from "../../../src/placement/choose-placement.ts";
import {
  initialPlacementState,
  parsePlacementStrategy,
  type PlacementState,
} from "../../../src/placement/strategies.ts";
import { placementStrategies } from "../../../src/wire/agent-spec.ts";

function node(id: string, fields: Partial<Candidate> = {}): Candidate {
  return {
    id: id as NodeId,
    status: "alive",
    healthy: true,
    agents: 0,
    maxAgents: 100,
    cpu_percent: 0,
    memory_percent: 0,
    weight: 100,
    services: [],
    region: "eu",
    zone: "a",
    ...fields,
  };
}

function request(
  fields: Partial<Omit<PlacementRequest, "preferNodes">> & { preferNodes?: string[] } = {},
): PlacementRequest {
  const plain = {
    strategy: "round_robin",
    targetNode: null,
    services: [],
    region: null,
    zone: null,
  } as const;
  return { ...plain, ...fields, preferNodes: (fields.preferNodes ?? []) as NodeId[] };
}

function place(candidates: readonly Candidate[], fields: Parameters<typeof request>[0] = {}): Placement {
  return choosePlacement(candidates, request(fields), initialPlacementState, new Prng(1));
}

/** The nodes chosen by `count` placements, one after the other. */
function sequence(
  count: number,
  candidates: (round: number) => readonly Candidate[],
  strategy: PlacementRequest["strategy"],
): string[] {
  const prng = new Prng(7);
  let state: PlacementState = initialPlacementState;
  return Array.from({ length: count }, (_, round) => {
    const placement = choosePlacement(candidates(round), request({ strategy }), state, prng);
    if (placement.kind === "refused") return placement.why;
    state = placement.state;
    return placement.node;
  });
}

function counts(chosen: readonly string[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const id of chosen) result[id] = (result[id] ?? 0) + 1;
  return result;
}

describe("what can be said of a node", () => {
  test.each([
    [0, 100, 1],
    [25, 100, 0.75],
    [100, 100, 0],
    [120, 100, 0],
    [0, 0, 0],
  ])("with %i of %i agents its capacity is %d", (agents, maxAgents, capacity) => {
    expect(capacityOf({ agents, maxAgents })).toBe(capacity);
  });

  test.each([
    [{ cpu_percent: 50, memory_percent: 40, agents: 10 }, 35],
    [{ cpu_percent: 100, memory_percent: 100, agents: 100 }, 100],
    [{}, 0],
    [{ cpu_percent: Number.NaN }, 40],
    [{ cpu_percent: -5, memory_percent: 1e9 }, 30],
    [{ maxAgents: 0 }, 30],
  ])("load of %j is %d", (fields, load) => {
    expect(loadOf(node("a", fields))).toBeCloseTo(load, 10);
  });

  test.each<[Partial<Candidate>, string | null]>([
    [{}, null],
    [{ status: "suspect" }, "is suspect"],
    [{ status: "failed" }, "is failed"],
    [{ status: "left" }, "has left"],
    [{ healthy: false }, "has no lease (the leader does not hear it)"],
    [{ agents: 100 }, "is full (100 of 100 agents)"],
    [{ maxAgents: 0 }, "takes no agents (it is leaving, isolated or a witness, or its node.max_agents is 0)"],
    [{ agents: Number.NaN }, "is full (NaN of 100 agents)"],
  ])("%j: %s", (fields, reason) => {
    expect(unavailability(node("a", fields))).toBe(reason);
  });
});

describe("constraints", () => {
  test("a target is taken or refused with the reason, never replaced", () => {
    const candidates = [node("a"), node("b", { agents: 100 }), node("c", { status: "failed" })];
    expect(place(candidates, { targetNode: "a" as NodeId })).toMatchObject({
      kind: "placed",
      node: "a",
      why: "target node",
    });
    expect(place(candidates, { targetNode: "b" as NodeId })).toEqual({
      kind: "refused",
      code: "no_capacity",
      why: 'Cannot place on node "b": it is full (100 of 100 agents)',
    });
    expect(place(candidates, { targetNode: "c" as NodeId })).toMatchObject({
      why: 'Cannot place on node "c": it is failed',
    });
    expect(place(candidates, { targetNode: "d" as NodeId })).toEqual({
      kind: "refused",
      code: "node_not_found",
      why: 'Cannot place on node "d": no such member. Members: a, b, c',
    });
  });

  test("preferred nodes are tried in their order; then the strategy decides, and says so", () => {
    const candidates = [node("a"), node("b"), node("c", { status: "suspect" })];
    expect(place(candidates, { preferNodes: ["b", "a"] })).toMatchObject({
      node: "b",
      why: "preferred node",
    });
    expect(place(candidates, { preferNodes: ["c", "b"] })).toMatchObject({
      node: "b",
      why: 'preferred node, since "c" is suspect',
    });
    expect(place(candidates, { preferNodes: ["x", "c"] })).toMatchObject({
      node: "a",
      why: 'round_robin: the first by id; "x" is not a member, "c" is suspect',
    });
  });

  test("service, region and zone must fit", () => {
    const candidates = [
      node("a", { region: "us" }),
      node("b", { zone: "z" }),
      node("c"),
      node("d", { services: ["gpu", "disk"] }),
    ];
    expect(place(candidates, { services: ["disk"] })).toMatchObject({ node: "d" });
    expect(place(candidates, { region: "us" })).toMatchObject({ node: "a" });
    expect(place(candidates, { zone: "z" })).toMatchObject({ node: "b" });
    expect(place(candidates, { services: ["gpu"], region: "eu", zone: "z" })).toEqual({
      kind: "refused",
      code: "no_capacity",
      why: 'No node can take the agent: "a" is in region "us", "b" has no service "gpu", "c" is in zone "a", "d" is in zone "a"',
    });
    expect(place(candidates, { targetNode: "c" as NodeId, services: ["gpu"] })).toMatchObject({
      why: 'Cannot place on node "c": it has no service "gpu"',
    });
    expect(place(candidates, { preferNodes: ["c"], services: ["gpu"] })).toMatchObject({ node: "d" });
  });

  test("a refusal names a few nodes only", () => {
    const full = Array.from({ length: 9 }, (_, i) => node(`n${i}`, { agents: 100 }));
    const refused = place(full);
    expect(refused.kind === "refused" && refused.why).toMatch(
      /"n4" is full \(100 of 100 agents\) and 4 more$/,
    );
    expect(place([])).toMatchObject({
      kind: "refused",
      why: "No node can take the agent: no members are known",
    });
  });
});

describe("strategies", () => {
  test("round_robin goes over the nodes by id, in whatever order they come", () => {
    const abc = [node("b"), node("c"), node("a")];
    expect(sequence(7, () => abc, "round_robin")).toEqual(["a", "b", "c", "a", "b", "c", "a"]);
  });

  test("round_robin keeps its place while nodes come, fail and fill", () => {
    const rounds = [
      [node("a"), node("b"), node("c")],
      [node("a"), node("b", { status: "failed" }), node("c")],
      [node("a"), node("b"), node("c"), node("d")],
      [node("a", { agents: 100 }), node("b"), node("c"), node("d")],
      [node("c"), node("d")],
      [node("a"), node("c"), node("d")],
    ];
    expect(sequence(6, (round) => rounds[round] ?? [], "round_robin")).toEqual([
      "a",
      "c",
      "d",
      "b",
      "c",
      "d",
    ]);
  });

  test("least_loaded takes the lowest load, by the formula", () => {
    const candidates = [
      node("a", { cpu_percent: 50 }),
      node("b", { memory_percent: 60 }),
      node("c", { agents: 70 }),
    ];
    expect(place(candidates, { strategy: "least_loaded" })).toMatchObject({
      node: "b",
      why: "least_loaded: load 18.0, the lowest of 3 nodes",
    });
  });

  test("least_agents takes the fewest agents", () => {
    const candidates = [
      node("a", { agents: 5 }),
      node("b", { agents: 3, cpu_percent: 90 }),
      node("c", { agents: 9 }),
    ];
    expect(place(candidates, { strategy: "least_agents" })).toMatchObject({
      node: "b",
      why: "least_agents: 3 agents, the fewest of 3 nodes",
    });
  });

  test.each(["random", "least_loaded", "least_agents", "weighted"] as const)(
    "%s is fair among equals",
    (strategy) => {
      const abcd = ["a", "b", "c", "d"].map((id) => node(id));
      for (const count of Object.values(counts(sequence(4_000, () => abcd, strategy)))) {
        expect(count).toBeGreaterThan(880);
        expect(count).toBeLessThan(1_120);
      }
    },
  );

  test("weighted respects weights; without any it is random", () => {
    const weighted = [node("a", { weight: 100 }), node("b", { weight: 300 }), node("c", { weight: 0 })];
    const chosen = counts(sequence(4_000, () => weighted, "weighted"));
    expect(chosen["a"]).toBeGreaterThan(900);
    expect(chosen["a"]).toBeLessThan(1_100);
    expect(chosen["c"]).toBeUndefined();
    const none = [node("a", { weight: 0 }), node("b", { weight: -1 }), node("c", { weight: Number.NaN })];
    expect(Object.keys(counts(sequence(200, () => none, "weighted"))).toSorted()).toEqual(["a", "b", "c"]);
  });

  test("names are read with - and _ alike", () => {
    for (const name of placementStrategies)
      expect(parsePlacementStrategy(name.replaceAll("_", "-"))).toBe(name);
    expect(parsePlacementStrategy("LEAST_LOADED")).toBe("least_loaded");
    expect(parsePlacementStrategy("best")).toBeNull();
  });
});

describe("always", () => {
  const anyNode = fc.record({
    id: fc.constantFrom("a", "b", "c", "d", "e", "f"),
    status: fc.constantFrom<Candidate["status"]>("alive", "alive", "suspect", "failed", "left"),
    healthy: fc.boolean(),
    agents: fc.integer({ min: 0, max: 12 }),
    maxAgents: fc.integer({ min: 0, max: 10 }),
    cpu_percent: fc.double(),
    memory_percent: fc.double(),
    weight: fc.double(),
  });
  const anyNodes = fc.uniqueArray(
    anyNode.map(({ id, ...fields }) => node(id, fields)),
    { selector: ({ id }) => id },
  );
  const anyRequest = fc.record({
    strategy: fc.constantFrom(...placementStrategies),
    preferNodes: fc.array(fc.constantFrom("a", "b", "z"), { maxLength: 3 }),
    targetNode: fc.option(fc.constantFrom("a", "c", "z") as fc.Arbitrary<NodeId>),
  });

  test("never a dead, unwell or full node; refused only when none would do; the same for the same seed", () => {
    fc.assert(
      fc.property(anyNodes, anyRequest, fc.integer(), (candidates, wanted, seed) => {
        const choose = (): Placement =>
          choosePlacement(candidates, request(wanted), initialPlacementState, new Prng(seed));
        const placement = choose();
        expect(choose()).toEqual(placement);
        const able = candidates.filter((each) => unavailability(each) === null).map(({ id }) => id);
        if (placement.kind === "placed") {
          expect(able).toContain(placement.node);
          if (wanted.targetNode !== null) expect(placement.node).toBe(wanted.targetNode);
        } else if (wanted.targetNode !== null) expect(able).not.toContain(wanted.targetNode);
        else expect(able).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test("round_robin over unchanging nodes: none gets two more than another", () => {
    fc.assert(
      fc.property(anyNodes, fc.integer({ min: 1, max: 40 }), (candidates, count) => {
        const available = candidates.filter((each) => unavailability(each) === null);
        const working = available.filter((each) => !isStandby(each));
        const able = unstrained(working.length > 0 ? working : available).map(({ id }) => id);
        fc.pre(able.length > 0);
        const chosen = counts(sequence(count, () => candidates, "round_robin"));
        const each = able.map((id) => chosen[id] ?? 0);
        expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("what a strategy looks at", () => {
  test("nobody gets an agent whose processor, memory or disk is nearly used up, unless all are alike", () => {
    const well = node("well", { cpu_percent: 40, memory_percent: 40, disk_percent: 40 });
    for (const figure of ["cpu_percent", "memory_percent", "disk_percent"] as const) {
      const strained = node("a-strained", { [figure]: 97 });
      expect(place([strained, well])).toMatchObject({ kind: "placed", node: "well" });
      expect(place([strained, node("b", { [figure]: 96 })])).toMatchObject({ node: "a-strained" });
      expect(place([strained, well], { targetNode: "a-strained" as NodeId })).toMatchObject({
        node: "a-strained",
      });
    }
  });

  test("a node that stands by gets an agent only where no other can take it", () => {
    const standby = node("a", { weight: 0 });
    expect(place([standby, node("b")])).toMatchObject({ node: "b" });
    expect(place([standby, node("b", { agents: 100 })])).toMatchObject({ node: "a" });
  });

  test("connections, shares of places, and messages with agents there", () => {
    const nodes = [
      node("a", { connections: 9, agents: 10, maxAgents: 100 }),
      node("b", { connections: 2, agents: 10, maxAgents: 40 }),
    ];
    expect(place(nodes, { strategy: "least_connections" })).toMatchObject({ node: "b" });
    expect(place(nodes, { strategy: "even_distribution" })).toMatchObject({ node: "a" });
    // What the share would be with it.
    const empty = [node("a", { maxAgents: 10 }), node("b", { maxAgents: 100 })];
    expect(place(empty, { strategy: "even_distribution" })).toMatchObject({ node: "b" });
    const both = new Map([
      ["a" as NodeId, 1],
      ["b" as NodeId, 3],
    ]);
    const loaded = [node("a"), node("b", { cpu_percent: 80 })];
    expect(place(loaded, { strategy: "locality", traffic: both })).toMatchObject({ node: "b" });
    const traffic = new Map([["b" as NodeId, 3]]);
    const chatty = place(nodes, { strategy: "locality", traffic });
    expect(chatty).toMatchObject({ node: "b", why: "locality: 3.0 messages a second with agents there" });
    expect(place(nodes, { strategy: "locality" })).toMatchObject({
      node: "a",
      why: expect.stringContaining("no messages measured yet"),
    });
  });

  test("by hash the same name goes to the same node, and when one goes only its own go elsewhere", () => {
    const nodes = ["a", "b", "c", "d"].map((id) => node(id));
    const at = (among: readonly Candidate[], key: string): string => {
      const placed = place(among, { strategy: "ip_hash", key });
      return placed.kind === "placed" ? placed.node : "";
    };
    const keys = Array.from({ length: 200 }, (_, i) => `agent-${i}`);
    const before = keys.map((key) => at(nodes, key));
    expect(new Set(before).size).toBe(4);
    const after = keys.map((key) => at(nodes.slice(1), key));
    for (const [i, home] of before.entries()) if (home !== "a") expect(after[i]).toBe(home);
  });
});
