/** Starting agents of a module that the node has: in their thread, as main asks for it, and deployed through the API. */
import { AgentHost, agentModule } from "./agent-host.ts";
import { type Bench, type BenchOptions, type Figure, quantile } from "./measurement.ts";
import { deployMany, startCluster } from "./nodes.ts";
import type { TestNodeProcess } from "../test/support/node-process.ts";

const p50 = { at: "most", value: 2 } as const;
const p99 = { at: "most", value: 20 } as const;

export const bench: Bench = {
  question: "How long does an agent of a stored module take to start?",
  async run({ quick, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const { runs, agents } = quick ? { runs: 1, agents: 50 } : { runs: 5, agents: 1_000 };
    return [...(await inThread(runs, agents, quiet)), ...(await throughApi(runs, agents, quiet))];
  },
};

async function inThread(
  runs: number,
  agents: number,
  quiet: () => Promise<void>,
): Promise<readonly Figure[]> {
  const started: (readonly number[])[] = [];
  const asked: (readonly number[])[] = [];
  for (let run = 0; run < runs; run++) {
    const host = await AgentHost.start();
    try {
      await host.hostMany("warm", 20, agentModule("relay"), "volatile");
      await quiet();
      const took_ms: number[] = [];
      for (let i = 0; i < agents; i++) {
        const began_ms = performance.now();
        await host.host(`relay-${i}`, agentModule("relay"), "volatile");
        took_ms.push(performance.now() - began_ms);
      }
      asked.push(took_ms.toSorted((a, b) => a - b));
      started.push((await host.threads.stats()).startup_ms.toSorted((a, b) => a - b));
    } finally {
      await host.close();
    }
  }
  return [
    {
      metric: "instantiated and initialised, in the thread, p50",
      unit: "ms",
      target: p50,
      runs: started.map((ms) => quantile(ms, 0.5)),
    },
    {
      metric: "instantiated and initialised, in the thread, p99",
      unit: "ms",
      target: p99,
      runs: started.map((ms) => quantile(ms, 0.99)),
    },
    {
      metric: "asked for by main until it runs, p50",
      unit: "ms",
      target: p50,
      runs: asked.map((ms) => quantile(ms, 0.5)),
    },
    {
      metric: "asked for by main until it runs, p99",
      unit: "ms",
      target: p99,
      runs: asked.map((ms) => quantile(ms, 0.99)),
    },
  ];
}

/** With the upload, its hash, and the agent's record on disk. */
async function throughApi(
  runs: number,
  agents: number,
  quiet: () => Promise<void>,
): Promise<readonly Figure[]> {
  const deployed: (readonly number[])[] = [];
  const cluster = await startCluster(1);
  try {
    const [node] = cluster.nodes as [TestNodeProcess];
    const wasm = agentModule("relay");
    await deployMany(node, { prefix: "warm", count: 20, wasm, durability: "volatile", atOnce: 1 });
    for (let run = 0; run < runs; run++) {
      await quiet();
      deployed.push(
        await deployMany(node, {
          prefix: `run-${run}`,
          count: agents,
          wasm,
          durability: "volatile",
          atOnce: 1,
        }),
      );
    }
  } finally {
    await cluster.dispose();
  }
  return [
    {
      metric: "deployed through the API until it runs and is on disk, p50",
      unit: "ms",
      runs: deployed.map((ms) => quantile(ms, 0.5)),
    },
    {
      metric: "deployed through the API until it runs and is on disk, p99",
      unit: "ms",
      runs: deployed.map((ms) => quantile(ms, 0.99)),
    },
  ];
}
