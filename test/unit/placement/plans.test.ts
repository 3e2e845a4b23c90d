import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import type { Candidate } from "../../../src/placement/candidate.ts";
import { planFailover, type Orphan } from "../../../src/placement/failover-plan.ts";
import {
  planRebalance,
  rebalanceStrategies,
  type MovableAgent,
  type Move,
} from "../../../src/placement/rebalance-plan.ts";
import { initialPlacementState } from "../../../src/placement/strategies.ts";
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

function orphan(agent: string, fields: Partial<Orphan["request"]> = {}, priority: number = 5): Orphan {
  const request = {
    strategy: "least_agents",
    preferNodes: [],
    targetNode: null,
    services: [],
    region: null,
    zone: null,
  } as const;
  return { agent: agent as AgentName, request: { ...request, ...fields }, priority };
}

const plan = (orphans: readonly Orphan[], nodes: readonly Candidate[]) =>
  planFailover(orphans, nodes, initialPlacementState, new Prng(3));

function movable(agent: string, on: string, fields: Partial<MovableAgent> = {}): MovableAgent {
  return { agent: agent as AgentName, node: on as NodeId, allowed: null, traffic: new Map(), ...fields };
}

/** How many agents each node has after the moves. */
function after(nodes: readonly Candidate[], moves: readonly Move[]): Record<string, number> {
  const counts: Record<string, number> = Object.fromEntries(nodes.map(({ id, agents }) => [id, agents]));
  for (const { from, to } of moves) {
    counts[from] = (counts[from] ?? 0) - 1;
    counts[to] = (counts[to] ?? 0) + 1;
  }
  return counts;
}

describe("the agents of lost nodes", () => {
  test("spread over those that are left, each counted at once", () => {
    const orphans = Array.from({ length: 30 }, (_, index) => orphan(`agent-${index}`));
    const { placed, unplaced } = plan(orphans, [node("a", { agents: 20 }), node("b"), node("c")]);
    expect(unplaced).toEqual([]);
    expect(placed.filter(({ to }) => to === "a")).toHaveLength(0);
    expect(placed.filter(({ to }) => to === "b")).toHaveLength(15);
  });

  test("the important ones find room first; the rest waits, with the reason", () => {
    const { placed, unplaced } = plan(
      [orphan("a-low", {}, 1), orphan("critical", {}, 10)],
      [node("a", { maxAgents: 1 }), node("b", { status: "failed" })],
    );
    expect(placed.map(({ agent }) => agent)).toEqual(["critical"]);
    expect(unplaced).toEqual([
      {
        agent: "a-low",
        why: 'No node can take the agent: "a" is full (1 of 1 agents), "b" is failed',
      },
    ]);
  });

  test("a target that is lost is given up, other wishes hold", () => {
    const wishes = { targetNode: "gone" as NodeId, services: ["gpu"] };
    const { placed } = plan([orphan("x", wishes)], [node("a"), node("b", { services: ["gpu"] })]);
    expect(placed).toEqual([expect.objectContaining({ agent: "x", to: "b" })]);
  });

  test("whatever is lost: all are placed or named once, nowhere beyond its places; the same loss gives the same plan", () => {
    const nodes = fc.uniqueArray(
      fc.record({
        id: fc.constantFrom("a", "b", "c", "d", "e", "f"),
        agents: fc.nat({ max: 9 }),
        maxAgents: fc.nat({ max: 12 }),
      }),
      { selector: ({ id }) => id, minLength: 1 },
    );
    const orphans = fc.uniqueArray(
      fc.record({
        name: fc.integer({ min: 0, max: 99 }),
        strategy: fc.constantFrom(...placementStrategies),
        priority: fc.constantFrom(1, 5, 10),
      }),
      { selector: ({ name }) => name, maxLength: 60 },
    );
    fc.assert(
      fc.property(nodes, orphans, (nodeFields, lost) => {
        const candidates = nodeFields.map(({ id, ...fields }) => node(id, fields));
        const all = lost.map(({ name, strategy, priority }) =>
          orphan(`agent-${name}`, { strategy }, priority),
        );
        const { placed, unplaced } = plan(all, candidates);
        const named = [...placed, ...unplaced].map(({ agent }) => agent);
        expect(named.toSorted()).toEqual(all.map(({ agent }) => agent).toSorted());
        const room = candidates.reduce(
          (sum, { agents, maxAgents }) => sum + Math.max(0, maxAgents - agents),
          0,
        );
        expect(placed).toHaveLength(Math.min(room, all.length));
        for (const { id, agents, maxAgents } of candidates) {
          const came = placed.filter(({ to }) => to === id).length;
          expect(came).toBeLessThanOrEqual(Math.max(0, maxAgents - agents));
        }
        expect(plan(all.toReversed(), candidates).placed).toEqual(placed);
        expect(candidates.map(({ agents }) => agents)).toEqual(nodeFields.map(({ agents }) => agents));
      }),
    );
  });
});

describe("instances of one name", () => {
  const web = "web" as AgentName;
  const instance = (index: number, fields: Partial<Orphan["request"]> = {}): Orphan => ({
    ...orphan(`web-${index}`, fields),
    group: web,
  });
  const on = (id: string) => ({ group: web, node: id as NodeId });
  const planned = (orphans: readonly Orphan[], nodes: readonly Candidate[], others: readonly string[]) =>
    planFailover(orphans, nodes, initialPlacementState, new Prng(3), others.map(on)).placed.map(
      ({ to }) => to,
    );

  test("of a lost node go where no other is, however full that is", () => {
    const nodes = [node("a"), node("b", { agents: 90 }), node("c", { agents: 95 })];
    expect(planned([instance(1)], nodes, ["a", "b"])).toEqual(["c"]);
    expect(planned([instance(1), instance(2)], nodes, ["a"]).toSorted()).toEqual(["b", "c"]);
  });

  test("share one only where the others have no room, and then the one with the fewest", () => {
    const full = { agents: 100 };
    expect(planned([instance(1)], [node("a"), node("b", full)], ["a"])).toEqual(["a"]);
    expect(planned([instance(1), instance(2)], [node("a"), node("b")], ["a"])).toEqual(["b", "a"]);
    expect(planned([instance(1, { preferNodes: ["a" as NodeId] })], [node("a"), node("b")], ["a"])).toEqual([
      "b",
    ]);
    expect(planned([instance(1)], [node("a"), node("b", { weight: 0 })], ["a"])).toEqual(["a"]);
  });

  test("move apart when agents are moved, by whatever strategy, and are never brought together", () => {
    const nodes = [node("a", { agents: 3 }), node("b", { agents: 2 }), node("c", { agents: 1 })];
    const agents = [
      movable("web-1", "a", { group: web }),
      movable("web-2", "a", { group: web }),
      movable("other", "a"),
      movable("web-3", "b", { group: web, traffic: new Map([["a" as NodeId, 100]]) }),
      movable("more", "b"),
      movable("still", "c"),
    ];
    for (const strategy of rebalanceStrategies) {
      const moves = planRebalance(strategy, agents, nodes, 10);
      expect(moves, strategy).toEqual([
        { agent: "web-1", from: "a", to: "c", why: '2 instances of "web" are on a' },
      ]);
    }
  });
});

describe("the agents of a lost node", () => {
  test("do not all go to the one that was a little emptier when it was measured", () => {
    const orphans = Array.from({ length: 1_000 }, (_, i) => orphan(`o-${i}`, { strategy: "least_loaded" }));
    const nodes = [
      node("a", { maxAgents: 20_000, cpu_percent: 10 }),
      node("b", { maxAgents: 20_000, cpu_percent: 30 }),
    ];
    const { placed } = plan(orphans, nodes);
    const onB = placed.filter(({ to }) => to === "b").length;
    // Eight points of load between them: eight percent more for the emptier one.
    expect(onB).toBeGreaterThan(420);
    expect(onB).toBeLessThan(500);
  });
});

describe("rebalancing", () => {
  const on = (id: string, count: number): MovableAgent[] =>
    Array.from({ length: count }, (_, index) => movable(`${id}-${index}`, id));

  test("an even distribution takes as few moves as there is surplus", () => {
    const nodes = [node("a", { agents: 10 }), node("b", { agents: 2 }), node("c")];
    const moves = planRebalance("even_distribution", [...on("a", 10), ...on("b", 2)], nodes, 100);
    expect(moves).toHaveLength(6);
    expect(after(nodes, moves)).toEqual({ a: 4, b: 4, c: 4 });
    expect(moves[0]).toEqual({
      agent: "a-0",
      from: "a",
      to: "c",
      why: "10 % of its places are taken, of c's 0 %",
    });
  });

  test("even is by share of places, not by heads", () => {
    const nodes = [node("small", { agents: 30, maxAgents: 50 }), node("large", { maxAgents: 100 })];
    const moves = planRebalance("even_distribution", on("small", 30), nodes, 100);
    expect(after(nodes, moves)).toEqual({ small: 10, large: 20 });
  });

  test("moves are bounded, and what is bound to its node or unwell stays", () => {
    const nodes = [node("a", { agents: 10 }), node("b"), node("c", { healthy: false })];
    expect(planRebalance("even_distribution", on("a", 10), nodes, 2)).toHaveLength(2);
    const bound = on("a", 10).map((agent) => ({ ...agent, allowed: new Set(["a", "c"] as NodeId[]) }));
    expect(planRebalance("even_distribution", bound, nodes, 100)).toEqual([]);
  });

  test("a loaded node gives until the loads are close, and no more", () => {
    const nodes = [node("a", { agents: 10, cpu_percent: 100 }), node("b", { cpu_percent: 20 })];
    const moves = planRebalance("least_loaded", on("a", 10), nodes, 100);
    expect(moves.map(({ to }) => to)).toEqual(Array.from({ length: moves.length }, () => "b"));
    expect(moves).toHaveLength(4);
    expect(planRebalance("least_loaded", on("a", 10), [node("a", { agents: 10 }), node("b")], 100)).toEqual(
      [],
    );
  });

  test("an agent goes where most of its messages go, when there are enough", () => {
    const nodes = [node("a", { agents: 3 }), node("b", { agents: 1 })];
    const traffic = (a: number, b: number): ReadonlyMap<NodeId, number> =>
      new Map([
        ["a" as NodeId, a],
        ["b" as NodeId, b],
      ]);
    const agents = [
      movable("chatty", "a", { traffic: traffic(1, 9) }),
      movable("even", "a", { traffic: traffic(5, 5) }),
      movable("quiet", "a", { traffic: traffic(0, 0.5) }),
    ];
    expect(planRebalance("locality", agents, nodes, 100)).toEqual([
      { agent: "chatty", from: "a", to: "b", why: "90 % of its 10.0 messages a second are with agents on b" },
    ]);
  });

  test("two that each follow the other do not change places", () => {
    const nodes = [node("a", { agents: 1 }), node("b", { agents: 1 })];
    const agents = [
      movable("x", "a", { traffic: new Map([["b" as NodeId, 10]]) }),
      movable("y", "b", { traffic: new Map([["a" as NodeId, 10]]) }),
    ];
    expect(planRebalance("locality", agents, nodes, 100)).toHaveLength(1);
  });

  test("whatever the cluster: each agent moves once at most, nobody is overfilled, and a second plan has nothing to add", () => {
    const cluster = fc.uniqueArray(
      fc.record({
        id: fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
        agents: fc.nat({ max: 30 }),
        maxAgents: fc.integer({ min: 30, max: 60 }),
        cpu_percent: fc.nat({ max: 100 }),
      }),
      { selector: ({ id }) => id, minLength: 1 },
    );
    fc.assert(
      fc.property(cluster, fc.constantFrom(...rebalanceStrategies), (fields, strategy) => {
        const nodes = fields.map(({ id, ...rest }) => node(id, rest));
        const agents = fields.flatMap(({ id, agents: count }) => on(id, count));
        const moves = planRebalance(strategy, agents, nodes, 1_000);
        expect(new Set(moves.map(({ agent }) => agent)).size).toBe(moves.length);
        const counts = after(nodes, moves);
        for (const { id, maxAgents } of nodes) expect(counts[id]).toBeLessThanOrEqual(maxAgents);
        if (strategy !== "even_distribution") return;
        const now = nodes.map((candidate) => ({ ...candidate, agents: counts[candidate.id] ?? 0 }));
        const moved = new Map(moves.map(({ agent, to }) => [agent, to]));
        const there = agents.map((agent) => ({ ...agent, node: moved.get(agent.agent) ?? agent.node }));
        expect(planRebalance(strategy, there, now, 1_000)).toEqual([]);
      }),
    );
  });
});
