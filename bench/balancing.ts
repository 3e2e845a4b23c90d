/**
 * What a choice of a node costs among a hundred with a thousand agents, by strategy, and what whole plans cost; and how
 * long a real node takes to give the statistics of so many (itself, and the others registered by HTTP).
 */
import { readFileSync } from "node:fs";
import type { AgentName, NodeId } from "../src/base/ids.ts";
import { Prng } from "../src/base/prng.ts";
import type { Candidate } from "../src/placement/candidate.ts";
import { choosePlacement, type PlacementRequest } from "../src/placement/choose-placement.ts";
import { planFailover } from "../src/placement/failover-plan.ts";
import { planRebalance, rebalanceStrategies } from "../src/placement/rebalance-plan.ts";
import { initialPlacementState } from "../src/placement/strategies.ts";
import { placementStrategies } from "../src/wire/agent-spec.ts";
import type { StatsAnswer } from "../src/api/cluster/nodes.ts";
import type { TestNodeProcess } from "../test/support/node-process.ts";
import { type Bench, type Figure, quantile } from "./measurement.ts";
import { deployMany, startCluster } from "./nodes.ts";

const nodesCount = 100;
const agentsCount = 1_000;
const planned = 10_000;
/** In each run. */
const statisticsAsked = 300;

export const bench: Bench = {
  question: "What does the choice of a node cost, and a plan for thousands of agents?",
  async run({ quick, quiet }): Promise<readonly Figure[]> {
    const runs = quick ? 1 : 5;
    const rounds = quick ? 100 : 5_000;
    const figures: Figure[] = placementStrategies.map((strategy) => ({
      metric: `choice by ${strategy} among ${nodesCount} nodes with ${agentsCount} agents, p99`,
      unit: "µs",
      target: { at: "most", value: strategy === "round_robin" ? 100 : 1_000 },
      runs: Array.from({ length: runs }, (_, run) => choices(strategy, rounds, run)),
    }));
    figures.push({
      metric: `plan for ${planned} agents of a lost node`,
      unit: "ms",
      target: { at: "most", value: 100 },
      runs: Array.from({ length: runs }, (_, run) => failover(run)),
    });
    for (const strategy of rebalanceStrategies) {
      figures.push({
        metric: `rebalance plan, ${strategy}, ${planned} agents on one of ${nodesCount} nodes`,
        unit: "ms",
        target: { at: "most", value: 100 },
        runs: Array.from({ length: runs }, (_, run) => rebalance(strategy, run)),
      });
    }
    figures.push({
      metric: `statistics of ${nodesCount} nodes and ${quick ? 50 : agentsCount} agents over HTTP, p99`,
      unit: "ms",
      target: { at: "most", value: 5 },
      runs: await statistics(runs, quick ? 50 : agentsCount, quiet),
    });
    return figures;
  },
};

/** p99 in ms of each run. */
async function statistics(runs: number, agents: number, quiet: () => Promise<void>): Promise<number[]> {
  const cluster = await startCluster(1);
  try {
    const [node] = cluster.nodes as [TestNodeProcess];
    const wasm = readFileSync(new URL("../wasm-agents/echo.wasm", import.meta.url));
    await deployMany(node, { prefix: "counted", count: agents, wasm, durability: "volatile" });
    for (let i = 1; i < nodesCount; i++) await register(node, i);
    const p99_ms: number[] = [];
    for (let run = 0; run < runs; run++) {
      await quiet();
      const took_ms: number[] = [];
      for (let i = 0; i < statisticsAsked; i++) took_ms.push(await statisticsOnce(node, agents));
      p99_ms.push(
        quantile(
          took_ms.toSorted((a, b) => a - b),
          0.99,
        ),
      );
    }
    return p99_ms;
  } finally {
    await cluster.dispose();
  }
}

async function register(node: TestNodeProcess, index: number): Promise<void> {
  const machine = { hostname: `server-${index}`, ip_address: "10.0.0.1", port: 8151, max_agents: 20 };
  const answer = await node.fetch("/api/cluster/nodes", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ id: `edge-${index}`, ...machine, services: [] }),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

async function statisticsOnce(node: TestNodeProcess, agents: number): Promise<number> {
  const began_ms = performance.now();
  const answer = await node.fetch("/api/cluster/stats");
  const { registry, total_assignments } = (await answer.json()) as StatsAnswer;
  const took_ms = performance.now() - began_ms;
  if (registry.total_nodes !== nodesCount || total_assignments !== agents)
    throw new Error(`${registry.total_nodes} nodes and ${total_assignments} agents were counted`);
  return took_ms;
}

function nodes(agents: number, prng: Prng): Candidate[] {
  return Array.from({ length: nodesCount }, (_, i) => ({
    id: `node-${i}` as NodeId,
    status: "alive",
    healthy: true,
    agents: Math.floor(agents / nodesCount),
    maxAgents: 20_000,
    cpu_percent: prng.float() * 60,
    memory_percent: prng.float() * 60,
    disk_percent: prng.float() * 60,
    connections: prng.below(50),
    weight: 100,
    services: ["wrapper"],
    region: "eu",
    zone: "a",
  }));
}

function requestFor(
  strategy: PlacementRequest["strategy"],
  i: number,
  at: readonly Candidate[],
): PlacementRequest {
  const partner = at[i % at.length]?.id ?? ("" as NodeId);
  return {
    strategy,
    preferNodes: [],
    targetNode: null,
    services: ["wrapper"],
    region: null,
    zone: null,
    key: `agent-${i}`,
    traffic: new Map([[partner, 5]]),
  };
}

/** p99 in µs. */
function choices(strategy: PlacementRequest["strategy"], rounds: number, run: number): number {
  const prng = new Prng(run + 1);
  const at = nodes(agentsCount, prng);
  let state = initialPlacementState;
  const took_us: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const request = requestFor(strategy, i, at);
    const began_ms = performance.now();
    const placed = choosePlacement(at, request, state, prng);
    took_us.push((performance.now() - began_ms) * 1_000);
    if (placed.kind === "placed") state = placed.state;
  }
  return quantile(
    took_us.toSorted((a, b) => a - b),
    0.99,
  );
}

function failover(run: number): number {
  const prng = new Prng(run + 1);
  const at = nodes(agentsCount, prng);
  const orphans = Array.from({ length: planned }, (_, i) => ({
    agent: `agent-${i}` as AgentName,
    request: requestFor("least_loaded", i, at),
    priority: 5,
  }));
  const began_ms = performance.now();
  planFailover(orphans, at, initialPlacementState, prng);
  return performance.now() - began_ms;
}

function rebalance(strategy: (typeof rebalanceStrategies)[number], run: number): number {
  const prng = new Prng(run + 1);
  const [full, ...others] = nodes(0, prng) as [Candidate, ...Candidate[]];
  const at = [{ ...full, agents: planned, cpu_percent: 90 }, ...others];
  const agents = Array.from({ length: planned }, (_, i) => ({
    agent: `agent-${i}` as AgentName,
    node: full.id,
    allowed: null,
    traffic: new Map([[at[1 + (i % 99)]?.id ?? full.id, 2 + (i % 7)]]),
  }));
  const began_ms = performance.now();
  planRebalance(strategy, agents, at, planned);
  return performance.now() - began_ms;
}
