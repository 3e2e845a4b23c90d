/**
 * Messages from agents of one node to agents of another: two real nodes, TLS on loopback. Measured by the
 * sending node's router, from handing a message to the link until the receiver's node has answered that
 * it is in the inbox: a whole round trip of acceptance.
 */
import { loadOrder, loadReport } from "./agent-orders.ts";
import { agentModule } from "./agent-host.ts";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import {
  ask,
  clientOf,
  deployMany,
  processorTime_us,
  nodePid,
  scrapeHistogram,
  scrapedQuantile,
  startCluster,
} from "./nodes.ts";
import type { TestNodeProcess } from "../test/support/node-process.ts";

const rate_per_s = 5_000;
const generators = 5;
const receivers = 500;
const metric = "caxton_message_remote_latency_seconds";

interface Run {
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly perMessage_us: readonly [number, number];
}

export const bench: Bench = {
  question: "How long does a message take from a node to another and back as an answer, at 5,000 a second?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const { runs, seconds } = quick ? { runs: 1, seconds: 1 } : { runs: 7, seconds: 5 };
    const cluster = await startCluster(2);
    try {
      const [one, two] = cluster.nodes as [TestNodeProcess, TestNodeProcess];
      await deployMany(two, {
        prefix: "relay",
        count: receivers,
        wasm: agentModule("relay"),
        durability: "volatile",
      });
      await deployMany(one, {
        prefix: "loadgen",
        count: generators,
        wasm: agentModule("loadgen"),
        durability: "volatile",
      });
      await measure(one, two, seconds, () => {});
      const measured: Run[] = [];
      for (let run = 0; run < runs; run++) {
        await quiet();
        measured.push(await measure(one, two, seconds, log));
      }
      return [
        {
          metric: "accepted at the other node and back, p50",
          unit: "ms",
          target: { at: "most", value: 1 },
          runs: measured.map(({ p50_ms }) => p50_ms),
        },
        {
          metric: "accepted at the other node and back, p99",
          unit: "ms",
          target: { at: "most", value: 10 },
          runs: measured.map(({ p99_ms }) => p99_ms),
        },
        {
          metric: "processor time a message, sending node",
          unit: "µs",
          runs: measured.map(({ perMessage_us: [sending] }) => sending),
        },
        {
          metric: "processor time a message, receiving node",
          unit: "µs",
          runs: measured.map(({ perMessage_us: [, receiving] }) => receiving),
        },
      ];
    } finally {
      await cluster.dispose();
    }
  },
};

async function measure(
  one: TestNodeProcess,
  two: TestNodeProcess,
  seconds: number,
  log: (line: string) => void,
): Promise<Run> {
  const client = clientOf(one);
  const before = await scrapeHistogram(one, metric);
  const times = [one, two].map((node) => processorTime_us(nodePid(node)));
  const share = rate_per_s / generators;
  const targets = receivers / generators;
  const reports = await Promise.all(
    Array.from({ length: generators }, async (_, i) => {
      const order = {
        rate_per_s: share,
        messages: share * seconds,
        prefix: "relay",
        targets,
        first: i * targets,
        payload_bytes: 100,
      };
      return loadReport(await ask(client, `loadgen-${i}`, loadOrder(order), seconds * 1_000 + 20_000));
    }),
  );
  const after = await scrapeHistogram(one, metric);
  const sent = reports.reduce((sum, report) => sum + report.sent, 0);
  const refused = reports.reduce((sum, report) => sum + report.refused, 0);
  const longest_ms = Math.max(...reports.map((report) => report.duration_ms));
  const latest_ms = Math.max(...reports.map((report) => report.latest_ms));
  log(
    `${sent} sent, ${refused} refused, ${Math.round(sent / (longest_ms / 1_000))}/s, at most ${latest_ms} ms late`,
  );
  if (refused > 0) throw new Error(`${refused} of ${sent} messages were refused: the node does not keep up`);
  const used = [one, two].map((node, i) => (processorTime_us(nodePid(node)) - (times[i] ?? 0)) / sent);
  return {
    p50_ms: 1_000 * scrapedQuantile(before, after, 0.5),
    p99_ms: 1_000 * scrapedQuantile(before, after, 0.99),
    perMessage_us: [used[0] ?? Number.NaN, used[1] ?? Number.NaN],
  };
}
