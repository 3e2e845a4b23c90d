/** A whole node of three ends at once (kill −9 of its process group): from the signal until both others show it failed. */
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { clientOf, startCluster, untilAlive } from "./nodes.ts";
import type { TestNodeProcess } from "../test/support/node-process.ts";

const look_ms = 20;
const detection_ms_max = 60_000;

export const bench: Bench = {
  question: "How soon do the others show a lost node as failed?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const times = quick ? 1 : 7;
    const cluster = await startCluster(3);
    const runs: number[] = [];
    const rejoined: number[] = [];
    try {
      const [one, two, three] = cluster.nodes as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
      for (let run = 0; run < times; run++) {
        await quiet();
        const began_ms = performance.now();
        await three.kill();
        const seen = await Promise.all([one, two].map((node) => untilFailed(node, three.id, began_ms)));
        runs.push(Math.max(...seen) / 1_000);
        log(`seen after ${seen.map((ms) => Math.round(ms)).join(" and ")} ms`);
        const again_ms = performance.now();
        await three.start();
        for (const node of cluster.nodes) await untilAlive(node, 3);
        rejoined.push((performance.now() - again_ms) / 1_000);
      }
    } finally {
      await cluster.dispose();
    }
    return [
      {
        metric: "kill −9 until both others show it failed",
        unit: "s",
        target: { at: "most", value: 5 },
        runs,
      },
      { metric: "started again until all three see three alive", unit: "s", runs: rejoined },
    ];
  },
};

async function untilFailed(node: TestNodeProcess, id: string, began_ms: number): Promise<number> {
  const client = clientOf(node);
  while (performance.now() - began_ms < detection_ms_max) {
    const { members } = await client.cluster.members();
    if (members.some((member) => member.id === id && member.status === "failed"))
      return performance.now() - began_ms;
    await Bun.sleep(look_ms);
  }
  throw new Error(`${node.id} did not show ${id} failed within ${detection_ms_max} ms`);
}
