/** Messages that survive a crash: a request and its reply through the API, and between agents, every commit on disk. */
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { relayToken } from "./agent-orders.ts";
import { AgentHost, agentModule } from "./agent-host.ts";
import { type Bench, type BenchOptions, type Figure, quantile } from "./measurement.ts";
import { ask, clientOf, deployMany, startCluster } from "./nodes.ts";
import type { TestNodeProcess } from "../test/support/node-process.ts";

const reply_ms_max = 20_000;
const clients = 64;
const agents = 1_000;

export const bench: Bench = {
  question: "What do durable messages cost?",
  async run({ quick, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const scale = quick ? { runs: 1, requests: 20, seconds: 0.5 } : { runs: 5, requests: 1_000, seconds: 5 };
    return [...(await throughApi(scale, quiet)), ...(await betweenAgents(scale))];
  },
};

interface Scale {
  readonly runs: number;
  readonly requests: number;
  readonly seconds: number;
}

async function throughApi({ runs, requests }: Scale, quiet: () => Promise<void>): Promise<readonly Figure[]> {
  const cluster = await startCluster(1);
  try {
    const [node] = cluster.nodes as [TestNodeProcess];
    const wasm = new Uint8Array(readFileSync(join(import.meta.dir, "../wasm-agents/counter.wasm")));
    await deployMany(node, { prefix: "counter", count: clients, wasm, durability: "local" });
    const client = clientOf(node);
    const content = new TextEncoder().encode("one");
    const request = async (agent: number): Promise<number> => {
      const began_ms = performance.now();
      await ask(client, `counter-${agent}`, content, reply_ms_max);
      return performance.now() - began_ms;
    };
    for (let i = 0; i < 50; i++) await request(0);
    const alone: (readonly number[])[] = [];
    const many: number[] = [];
    for (let run = 0; run < runs; run++) {
      await quiet();
      const took_ms: number[] = [];
      for (let i = 0; i < requests; i++) took_ms.push(await request(0));
      alone.push(took_ms.toSorted((a, b) => a - b));
      let left = requests * 4;
      const began_ms = performance.now();
      const worker = async (agent: number): Promise<void> => {
        while (left-- > 0) await request(agent);
      };
      await Promise.all(Array.from({ length: clients }, (_, agent) => worker(agent)));
      many.push((requests * 4) / ((performance.now() - began_ms) / 1_000));
    }
    return [
      {
        metric: "request to reply through the API, one client, p50",
        unit: "ms",
        runs: alone.map((ms) => quantile(ms, 0.5)),
      },
      {
        metric: "request to reply through the API, one client, p99",
        unit: "ms",
        runs: alone.map((ms) => quantile(ms, 0.99)),
      },
      { metric: `requests with replies through the API, ${clients} clients`, unit: "requests/s", runs: many },
    ];
  } finally {
    await cluster.dispose();
  }
}

/** Each message is handled by one agent and sent on to the next: received, sent and handled in one journal entry. */
async function betweenAgents({ runs, seconds }: Scale): Promise<readonly Figure[]> {
  const host = await AgentHost.start();
  try {
    await host.hostMany("relay", agents, agentModule("relay"), "local");
    await Promise.all(
      Array.from({ length: agents }, (_, i) => host.deliver(`relay-${i}`, relayToken(0x7fff_ffff, agents))),
    );
    const rates: number[] = [];
    for (let run = 0; run < runs + 1; run++) {
      const { handled, took_ms } = await host.during(() => Bun.sleep(seconds * 1_000));
      if (run > 0) rates.push(handled / (took_ms / 1_000));
    }
    return [
      {
        metric: `durable, agent to agent, ${agents.toLocaleString("en-US")} messages under way`,
        unit: "messages/s",
        runs: rates,
      },
    ];
  } finally {
    await host.close();
  }
}
