/**
 * Messages between agents of one node, 10,000 agents on one agent thread, each a WebAssembly instance.
 * Latency as the thread's own histogram has it: from when the sender's call took effect until the
 * receiver's handler had returned. Its buckets are read at their upper bound, up to 19 % too high.
 */
import { loadOrder, loadReport, relayToken } from "./agent-orders.ts";
import { AgentHost, agentModule, type ThreadFigures } from "./agent-host.ts";
import { type Bench, type BenchOptions, bucketQuantile, type Figure } from "./measurement.ts";

const rate_per_s = 10_000;
/** Agents that produce the open loop, each a share of the rate. */
const generators = 10;
/** Messages that circulate: so few that each finds its agent idle and out of the caches, and so many that inboxes fill. */
const underWay = [1_000, 100_000] as const;
/** Messages that are given to the threads at a time. */
const chunk = 1_000;

interface Scale {
  readonly agents: number;
  readonly runs: number;
  readonly seconds: number;
}

export const bench: Bench = {
  question: "How long does a message take between two agents of a node, and how many pass in a second?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const scale: Scale = quick
      ? { agents: 100, runs: 1, seconds: 0.5 }
      : { agents: 10_000, runs: 5, seconds: 4 };
    const host = await AgentHost.start();
    try {
      const began_ms = performance.now();
      await host.hostMany("relay", scale.agents, agentModule("relay"), "volatile");
      log(`${scale.agents} agents after ${Math.round(performance.now() - began_ms)} ms`);
      for (let i = 0; i < generators; i++)
        await host.host(`loadgen-${i}`, agentModule("loadgen"), "volatile");
      await openLoop(host, scale, () => {});
      return [
        ...(await openLoops(host, scale, log, quiet)),
        ...(await fromMain(host, scale, log, quiet)),
        ...(await saturated(host, scale)),
      ];
    } finally {
      await host.close();
    }
  },
};

/** Agents send on timers, whatever comes of it. */
async function openLoops(
  host: AgentHost,
  scale: Scale,
  log: (line: string) => void,
  quiet: () => Promise<void>,
): Promise<readonly Figure[]> {
  const runs: ThreadFigures[] = [];
  for (let run = 0; run < scale.runs; run++) {
    await quiet();
    runs.push(await openLoop(host, scale, log));
  }
  const at = `at ${rate_per_s.toLocaleString("en-US")}/s`;
  return [
    {
      metric: `agent to agent ${at}, p50`,
      unit: "µs",
      target: { at: "most", value: 100 },
      runs: runs.map(micros(0.5)),
    },
    {
      metric: `agent to agent ${at}, p99`,
      unit: "µs",
      target: { at: "most", value: 1_000 },
      runs: runs.map(micros(0.99)),
    },
    { metric: `agent to agent ${at}, p99.9`, unit: "µs", runs: runs.map(micros(0.999)) },
  ];
}

async function openLoop(host: AgentHost, scale: Scale, log: (line: string) => void): Promise<ThreadFigures> {
  const messages = Math.round((rate_per_s / generators) * scale.seconds);
  const targets = Math.floor(scale.agents / generators);
  const reports: ReturnType<typeof loadReport>[] = [];
  const figures = await host.during(async () => {
    const answers = Array.from({ length: generators }, () => host.answer());
    for (let i = 0; i < generators; i++) {
      const order = {
        rate_per_s: rate_per_s / generators,
        messages,
        prefix: "relay",
        targets,
        first: i * targets,
        payload_bytes: 100,
      };
      await host.deliver(`loadgen-${i}`, loadOrder(order));
    }
    for (const answer of answers) reports.push(loadReport((await answer).content));
  });
  const sent = reports.reduce((sum, report) => sum + report.sent, 0);
  const refused = reports.reduce((sum, report) => sum + report.refused, 0);
  const latest_ms = Math.max(...reports.map((report) => report.latest_ms));
  if (refused > 0 || figures.handled < sent)
    throw new Error(`${sent} sent, ${refused} refused, ${figures.handled} handled`);
  log(
    `open loop: ${sent} sent, ${Math.round(sent / (figures.took_ms / 1_000))}/s, at most ${latest_ms} ms late`,
  );
  return figures;
}

/** Messages that come to the thread from main, as those of clients and other nodes do; paced by a loop that does not wait. */
async function fromMain(
  host: AgentHost,
  scale: Scale,
  log: (line: string) => void,
  quiet: () => Promise<void>,
): Promise<readonly Figure[]> {
  const runs: ThreadFigures[] = [];
  const trips: number[][] = [];
  for (let run = 0; run < scale.runs; run++) {
    await quiet();
    const trips_ms: number[] = [];
    let latest_ms = 0;
    runs.push(
      await host.during(async () => {
        latest_ms = await paced(rate_per_s, Math.round(rate_per_s * scale.seconds), async (i) => {
          const began_ms = performance.now();
          await host.deliver(`relay-${(i * 7_919) % scale.agents}`, relayToken(1, scale.agents));
          trips_ms.push(performance.now() - began_ms);
        });
      }),
    );
    trips.push(trips_ms.toSorted((a, b) => a - b));
    log(`from main: ${trips_ms.length} messages, at most ${latest_ms.toFixed(1)} ms late`);
  }
  const trip = (q: number) => (all: readonly number[]) =>
    1_000 * (all[Math.ceil(all.length * q) - 1] ?? Number.NaN);
  return [
    {
      metric: "into the thread and on to a second agent, in-thread part, p50",
      unit: "µs",
      runs: runs.map(micros(0.5)),
    },
    {
      metric: "into the thread and on to a second agent, in-thread part, p99",
      unit: "µs",
      runs: runs.map(micros(0.99)),
    },
    { metric: "main to thread, accepted and back at main, p50", unit: "µs", runs: trips.map(trip(0.5)) },
    { metric: "main to thread, accepted and back at main, p99", unit: "µs", runs: trips.map(trip(0.99)) },
  ];
}

/** Starts `count` works at a steady rate without waiting for them; resolves with the longest delay when all ended. */
async function paced(rate: number, count: number, work: (i: number) => Promise<void>): Promise<number> {
  const began_ms = performance.now();
  const open: Promise<void>[] = [];
  let latest_ms = 0;
  while (open.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - began_ms) / 1_000) * rate));
    while (open.length < due) {
      latest_ms = Math.max(latest_ms, performance.now() - began_ms - (open.length / rate) * 1_000);
      open.push(work(open.length));
    }
    // Not busily: the generator would take a core from what it measures.
    await Bun.sleep(1);
  }
  await Promise.all(open);
  return latest_ms;
}

/** The generator is out of it: the agents themselves pass messages on, and nothing waits but for its turn. */
async function saturated(host: AgentHost, scale: Scale): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  let given = 0;
  for (const wanted of underWay) {
    const tokens = Math.min(wanted, scale.agents * 10);
    while (given < tokens) {
      const count = Math.min(chunk, tokens - given);
      const deliver = (_: unknown, i: number) =>
        host.deliver(`relay-${((given + i) * 7_919) % scale.agents}`, relayToken(0x7fff_ffff, scale.agents));
      await Promise.all(Array.from({ length: count }, deliver));
      given += count;
    }
    const runs: number[] = [];
    for (let run = 0; run < scale.runs + 1; run++) {
      const { handled, took_ms } = await host.during(() => Bun.sleep(scale.seconds * 1_000));
      if (run > 0) runs.push(handled / (took_ms / 1_000));
    }
    const metric = `saturated, one thread, volatile, ${given.toLocaleString("en-US")} messages under way`;
    const target = { at: "least", value: 150_000 } as const;
    figures.push({ metric, unit: "messages/s", ...(wanted === underWay[1] ? { target } : {}), runs });
  }
  return figures;
}

function micros(q: number): (figures: ThreadFigures) => number {
  return ({ bounds_ms, counts }) => 1_000 * bucketQuantile(bounds_ms, counts, q);
}
