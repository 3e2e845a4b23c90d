/**
 * All processes of a node with a thousand agents end at once (kill −9 of its group): from the signal until every one
 * of its agents has answered a message from a survivor. And the same of its node process alone, agents without a journal.
 */
import { readFileSync } from "node:fs";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { ask, type BenchCluster, clientOf, deployMany, nodePid, startCluster, untilAlive } from "./nodes.ts";
import type { TestNodeProcess } from "../test/support/node-process.ts";

/** Messages under way at each survivor. */
const atOnce = 100;
const wait_ms = 60_000;

export const bench: Bench = {
  question: "How soon do the agents of a lost node answer again?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const count = quick ? 30 : 1_000;
    const times = quick ? 1 : 3;
    const cluster = await startCluster(3);
    try {
      const whole = await lost(cluster, { count, times, log, quiet, durability: "local" });
      const alone = await lost(cluster, { count, times, log, quiet, durability: "volatile" });
      return [
        {
          metric: `kill −9 of all processes of a node until its ${count} agents answered elsewhere`,
          unit: "s",
          target: { at: "most", value: 5 },
          runs: whole,
        },
        {
          metric: `kill −9 of the node process alone until its ${count} agents answered (no journals)`,
          unit: "s",
          target: { at: "most", value: 2 },
          runs: alone,
        },
      ];
    } finally {
      await cluster.dispose();
    }
  },
};

interface Loss extends Pick<BenchOptions, "log" | "quiet"> {
  readonly count: number;
  readonly times: number;
  /** Local: the whole node goes. Volatile: its process alone. */
  readonly durability: "local" | "volatile";
}

async function lost(cluster: BenchCluster, loss: Loss): Promise<number[]> {
  const [one, two, three] = cluster.nodes as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
  const { count, times, durability, log, quiet } = loss;
  const wasm = readFileSync(new URL("../wasm-agents/echo.wasm", import.meta.url));
  const runs: number[] = [];
  for (let run = 0; run < times; run++) {
    const prefix = `${durability}-${run}`;
    const took_ms = await deployMany(three, { prefix, count, wasm, durability });
    log(`deployed ${count}, p50 ${(took_ms[Math.floor(count / 2)] ?? 0).toFixed(1)} ms each`);
    await quiet();
    const began_ms = performance.now();
    if (durability === "local") await three.kill();
    else process.kill(nodePid(three), "SIGKILL");
    await Promise.all([one, two].map((node, part) => askAll(node, prefix, count, part)));
    runs.push((performance.now() - began_ms) / 1_000);
    log(`all answered after ${runs.at(-1)?.toFixed(2)} s`);
    if (durability === "local") await three.start();
    else await three.ready();
    for (const node of cluster.nodes) await untilAlive(node, 3);
    await removeAll(one, prefix, count);
  }
  return runs;
}

/** Every second agent, from `part` on. */
async function askAll(node: TestNodeProcess, prefix: string, count: number, part: number): Promise<void> {
  const client = clientOf(node);
  const content = new TextEncoder().encode("again");
  let next = part;
  const worker = async (): Promise<void> => {
    for (; next < count;) {
      const name = `${prefix}-${next}`;
      next += 2;
      await ask(client, name, content, wait_ms);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function removeAll(node: TestNodeProcess, prefix: string, count: number): Promise<void> {
  const client = clientOf(node);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await client.agents.remove(`${prefix}-${next++}`);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
