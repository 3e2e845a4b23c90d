/** What a node costs before it does anything: its memory, its processor time, and its time to start. */
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { residentMemory_bytes } from "./machine.ts";
import { agentModule } from "./agent-host.ts";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { benchFlags, deployMany, nodePid, processorTime_us, startCluster } from "./nodes.ts";
import { TestNodeProcess } from "../test/support/node-process.ts";

const mebibyte = 1_048_576;
const ready_ms_max = 120_000;
const readyTarget = { at: "most", value: 1_000 } as const;

export const bench: Bench = {
  question: "What does an idle node cost, and how soon is a started one ready?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const scale = quick ? { idle_s: 1, starts: 1, agents: 50 } : { idle_s: 30, starts: 7, agents: 10_000 };
    return [
      ...(await idleCosts(scale.idle_s)),
      ...(await starts(scale.starts, quiet)),
      ...(await startsWithAgents(scale.agents, quick ? 1 : 3, log)),
    ];
  },
};

async function idleCosts(idle_s: number): Promise<readonly Figure[]> {
  const cluster = await startCluster(3);
  try {
    await Bun.sleep(idle_s * 1_000);
    const before = cluster.nodes.map((node) => processorTime_us(nodePid(node)));
    await Bun.sleep(idle_s * 1_000);
    const percent = cluster.nodes.map(
      (node, i) => (processorTime_us(nodePid(node)) - (before[i] ?? 0)) / (idle_s * 10_000),
    );
    const memory = (pids: readonly number[]): number[] =>
      pids.map((pid) => residentMemory_bytes(pid) / mebibyte);
    return [
      {
        metric: `memory of an idle node after ${2 * idle_s} s, three in a cluster`,
        unit: "MiB",
        target: { at: "most", value: 150 },
        runs: memory(cluster.nodes.map(nodePid)),
      },
      { metric: "memory of its launcher", unit: "MiB", runs: memory(cluster.nodes.map(({ pid }) => pid)) },
      { metric: "processor time of an idle node, of one core", unit: "%", runs: percent },
    ];
  } finally {
    await cluster.dispose();
  }
}

/** From spawning the command until `/readyz` answers 200. */
async function timeToReady(node: TestNodeProcess): Promise<number> {
  const began_ms = performance.now();
  node.launch();
  while (performance.now() - began_ms < ready_ms_max) {
    const answer = await fetch(`${node.api}/readyz`, { keepalive: false }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return performance.now() - began_ms;
    await Bun.sleep(5);
  }
  throw new Error(`${node.id} was not ready in time:\n${node.output}`);
}

async function starts(count: number, quiet: () => Promise<void>): Promise<readonly Figure[]> {
  const first: number[] = [];
  const again: number[] = [];
  for (let i = 0; i < count; i++) {
    const node = await TestNodeProcess.prepare({ id: "node-1", flags: benchFlags });
    try {
      await quiet();
      first.push(await timeToReady(node));
      await node.stop();
      await quiet();
      again.push(await timeToReady(node));
    } finally {
      await node.dispose();
    }
  }
  return [
    { metric: "first start until ready", unit: "ms", target: readyTarget, runs: first },
    { metric: "restart until ready", unit: "ms", target: readyTarget, runs: again },
  ];
}

async function startsWithAgents(
  agents: number,
  count: number,
  log: (line: string) => void,
): Promise<readonly Figure[]> {
  const counter = new Uint8Array(readFileSync(join(import.meta.dir, "../wasm-agents/counter.wasm")));
  const small = agentModule("relay");
  const kinds = [
    { what: "in C, volatile", wasm: small, durability: "volatile" },
    { what: "in AssemblyScript, durable", wasm: counter, durability: "local" },
  ] as const;
  const figures: Figure[] = [];
  for (const { what, wasm, durability } of kinds) {
    const node = await TestNodeProcess.start({ id: "node-1", flags: benchFlags });
    try {
      const began_ms = performance.now();
      await deployMany(node, { prefix: "agent", count: agents, wasm, durability });
      log(`deployed ${agents} agents ${what} in ${Math.round(performance.now() - began_ms)} ms`);
      const runs: number[] = [];
      for (let i = 0; i < count; i++) {
        await node.stop();
        runs.push(await timeToReady(node));
      }
      const of = `${agents.toLocaleString("en-US")} agents ${what}`;
      figures.push({ metric: `restart with ${of} until ready`, unit: "ms", runs });
      figures.push({
        metric: `memory then, ${of}`,
        unit: "MiB",
        runs: [residentMemory_bytes(nodePid(node)) / mebibyte],
      });
    } finally {
      await node.dispose();
    }
  }
  return figures;
}
