/** Real nodes of this machine for benchmarks, each `caxton server start` in processes of its own, and what is asked of them. */
import { readFileSync } from "node:fs";
import { type Client, createClient } from "../src/client/client.ts";
import { TestNodeProcess, eventually } from "../test/support/node-process.ts";

const requestTimeout_ms = 30_000;
/** Room for as many agents as the benchmarks deploy; else defaults. */
export const benchFlags: readonly string[] = ["--config", new URL("node.yaml", import.meta.url).pathname];
/** Agents that are deployed at the same time. */
const deploysAtOnce = 16;

export interface BenchCluster {
  readonly nodes: readonly TestNodeProcess[];
  dispose(): Promise<void>;
}

/** Starts `count` nodes that see each other alive. */
export async function startCluster(count: number): Promise<BenchCluster> {
  const nodes: TestNodeProcess[] = [];
  const dispose = async (): Promise<void> => {
    for (const node of nodes) await node.dispose();
  };
  try {
    for (let i = 1; i <= count; i++) {
      nodes.push(
        await TestNodeProcess.start({ id: `node-${i}`, join: nodes.slice(0, 1), flags: benchFlags }),
      );
    }
    for (const node of nodes) await untilAlive(node, count);
    return { nodes, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Waits until the node sees so many alive, itself included. */
export async function untilAlive(node: TestNodeProcess, count: number): Promise<void> {
  await eventually(`${node.id} sees ${count} alive`, async () => {
    const { members } = await clientOf(node).cluster.members();
    return members.filter(({ status }) => status === "alive").length === count ? true : undefined;
  });
}

export function clientOf(node: TestNodeProcess): Client {
  return createClient({ url: node.api, token: node.token(), requestTimeout_ms });
}

/** The process of the node itself; the launcher is its parent. */
export function nodePid(node: TestNodeProcess): number {
  const pid = node.childPids()[0];
  if (pid === undefined) throw new Error(`The launcher of ${node.id} has no child`);
  return pid;
}

export interface Deployment {
  readonly prefix: string;
  readonly count: number;
  readonly wasm: Uint8Array;
  readonly durability: "volatile" | "local";
  readonly atOnce?: number;
}

/** Deploys `<prefix>-0 …` at the node itself; the time of each request in ms, ascending. */
export async function deployMany(node: TestNodeProcess, deployment: Deployment): Promise<readonly number[]> {
  const client = clientOf(node);
  const { prefix, count, wasm, durability, atOnce = deploysAtOnce } = deployment;
  const took_ms: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const name = `${prefix}-${next++}`;
      const began_ms = performance.now();
      await client.agents.deploy(wasm, { name, durability, target_node: node.id });
      took_ms.push(performance.now() - began_ms);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  return took_ms.toSorted((a, b) => a - b);
}

/** A request with its reply's content, both bytes. */
export async function ask(
  client: Client,
  receiver: string,
  content: Uint8Array,
  wait_ms: number,
): Promise<Uint8Array> {
  const base64 = Buffer.from(content).toString("base64");
  const message = { performative: "request", receiver, content: base64, content_encoding: "base64" } as const;
  const { reply } = await client.messages.send(message, { wait_ms });
  if (reply === null) throw new Error(`No reply from ${receiver}`);
  return reply.content_encoding === "base64"
    ? new Uint8Array(Buffer.from(reply.content, "base64"))
    : new TextEncoder().encode(reply.content);
}

export interface ScrapedHistogram {
  /** Upper bounds in seconds, ascending, without the infinite one. */
  readonly bounds: readonly number[];
  /** By bucket, not cumulative, one more than there are bounds. */
  readonly counts: readonly number[];
}

/** A histogram without labels, from the node's metrics. */
export async function scrapeHistogram(node: TestNodeProcess, name: string): Promise<ScrapedHistogram> {
  const text = await (await fetch(`http://127.0.0.1:${node.metricsPort}/metrics`)).text();
  const found = [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\S+)`, "gm"))];
  if (found.length === 0) throw new Error(`${node.id} has no metric ${name}`);
  const cumulative = found.map(([, , count]) => Number(count));
  return {
    bounds: found.flatMap(([, bound]) => (bound === "+Inf" ? [] : [Number(bound)])),
    counts: cumulative.map((count, i) => count - (cumulative[i - 1] ?? 0)),
  };
}

/** As Prometheus' `histogram_quantile`: linear within the bucket. NaN of nothing. */
export function scrapedQuantile(before: ScrapedHistogram, after: ScrapedHistogram, q: number): number {
  const counts = after.counts.map((count, i) => count - (before.counts[i] ?? 0));
  const rank = q * counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && seen + count >= rank) {
      const low = after.bounds[i - 1] ?? 0;
      const high = after.bounds[i] ?? low;
      return low + ((high - low) * (rank - seen)) / count;
    }
    seen += count;
  }
  return Number.NaN;
}

/** Processor time that a process, all its threads, has used, in µs. */
export function processorTime_us(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  // Fields 14 and 15 of proc_pid_stat(5), in ticks of 1/100 s.
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}
