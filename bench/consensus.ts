/**
 * Three nodes of this machine that agree, every write on three disks, asked over HTTP by one process: writes, reads, the
 * loss of the leader, a transfer, a follower that catches up. Beside them etcd, asked the same way, where it is installed.
 */
import { leaderOf, startVoters, untilVoters } from "../test/support/consensus-nodes.ts";
import { eventually, type TestNodeProcess } from "../test/support/node-process.ts";
import { EtcdCluster, hasEtcd } from "./etcd.ts";
import { type Bench, type BenchOptions, type Figure, quantile } from "./measurement.ts";

const flags = ["--config", new URL("node-local.yaml", import.meta.url).pathname];
const value = "x".repeat(256);
const manyClients = 64;
const etcdPatience_ms = 150;
const behind_entries = 100_000;
/** A machine too slow to write them within this leaves the follower fewer behind, as the figure says. */
const fill_ms_max = 120_000;
/** One that is so near is no longer catching up. */
const level_entries = 3_000;
const catchUp_ms_max = 300_000;

interface Load {
  readonly perSecond: number;
  readonly p50_ms: number;
}

type Operation = (client: number, count: number) => Promise<boolean>;

async function load(clients: number, seconds: number, operation: Operation): Promise<Load> {
  const times: number[] = [];
  const began_ms = performance.now();
  const end_ms = began_ms + seconds * 1_000;
  const client = async (number: number): Promise<void> => {
    for (let count = 0; performance.now() < end_ms; count++) {
      const start_ms = performance.now();
      // What is not answered in time is no figure; the rate shows it.
      if (await operation(number, count).catch(() => false)) times.push(performance.now() - start_ms);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const took_s = (performance.now() - began_ms) / 1_000;
  times.sort((a, b) => a - b);
  return { perSecond: times.length / took_s, p50_ms: quantile(times, 0.5) };
}

async function put(node: TestNodeProcess, token: string, key: string, timeout_ms = 10_000): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "text/plain" };
  const signal = AbortSignal.timeout(timeout_ms);
  const answer = await fetch(`${node.api}/api/v1/kv/${key}`, { method: "PUT", headers, body: value, signal });
  await answer.arrayBuffer();
  return answer.ok;
}

async function get(node: TestNodeProcess, token: string, key: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${node.api}/api/v1/kv/${key}`, { headers });
  await answer.arrayBuffer();
  return answer.ok;
}

interface Rates {
  readonly one: Load[];
  readonly many: Load[];
  readonly reads: Load[];
}

interface Asked {
  readonly write: Operation;
  readonly read: Operation;
}

/** The first half minute of a node is compilation, at one client as at many. */
async function warmUp(seconds: number, { write, read }: Asked): Promise<void> {
  await load(manyClients, seconds, write);
  await load(manyClients, seconds / 4, read);
  await load(1, seconds / 4, write);
}

async function measureRates(into: Rates, seconds: number, { write, read }: Asked): Promise<void> {
  into.one.push(await load(1, seconds, write));
  into.many.push(await load(manyClients, seconds, write));
  into.reads.push(await load(manyClients, seconds, read));
}

const keyOf = (client: number, count: number): string => `k${client}-${count % 100}`;

export const bench: Bench = {
  question: "What does agreement cost, and how soon is there a leader again?",
  async run(options: BenchOptions): Promise<readonly Figure[]> {
    const { quick, log, quiet } = options;
    const scale = quick
      ? { runs: 1, seconds: 0.5, warm: 0.2, kills: 1, behind: 500 }
      : { runs: 3, seconds: 4, warm: 20, kills: 5, behind: behind_entries };
    const etcd = hasEtcd() ? await EtcdCluster.start() : undefined;
    if (!etcd) log("etcd is not installed: no ratios");
    const nodes = await startVoters(3, { flags });
    try {
      const [ours, theirs]: Rates[] = [
        { one: [], many: [], reads: [] },
        { one: [], many: [], reads: [] },
      ];
      const kvOfOurs = async (): Promise<Asked> => {
        const leader = await leaderOf(nodes);
        const token = leader.token();
        return {
          write: (client, count) => put(leader, token, keyOf(client, count)),
          read: (client) => get(leader, token, keyOf(client, 0)),
        };
      };
      await warmUp(scale.warm, await kvOfOurs());
      for (let run = 0; run < scale.runs; run++) {
        await quiet();
        await measureRates(ours as Rates, scale.seconds, await kvOfOurs());
        if (etcd) await measureRates(theirs as Rates, scale.seconds, await kvOfEtcd(etcd));
      }
      const rates = rateFigures(ours as Rates, theirs as Rates);
      for (const { metric, unit, runs } of rates)
        log(`${metric}: ${runs.map((value_) => value_.toPrecision(3)).join(", ")} ${unit}`);
      const etcdKills = etcd ? await etcdFailovers(etcd, scale.kills) : [];
      await etcd?.dispose();
      return [
        ...rates,
        ...(await failoverFigures(nodes, scale.kills, quiet)),
        ...(etcdKills.length > 0
          ? [{ metric: "etcd (50/300 ms): kill −9 until the first write", unit: "ms", runs: etcdKills }]
          : []),
        await transferFigure(nodes, scale.kills),
        ...(await catchUpFigures(nodes, { ...scale, log, by: "by the log" })),
        ...(await snapshotFigures({ ...scale, log })),
      ];
    } finally {
      await etcd?.dispose();
      for (const node of nodes) await node.dispose();
    }
  },
};

async function kvOfEtcd(etcd: EtcdCluster): Promise<Asked> {
  const { leader: url } = await etcd.roles();
  return {
    write: (client, count) => etcd.put(url, keyOf(client, count), value),
    read: (client) => etcd.get(url, keyOf(client, 0)),
  };
}

function rateFigures(ours: Rates, theirs: Rates): readonly Figure[] {
  const rate = (loads: readonly Load[]): number[] => loads.map(({ perSecond }) => perSecond);
  const p50 = (loads: readonly Load[]): number[] => loads.map(({ p50_ms }) => p50_ms);
  const figures: Figure[] = [
    { metric: "write, 1 client, p50", unit: "ms", target: { at: "most", value: 1.5 }, runs: p50(ours.one) },
    {
      metric: `writes, ${manyClients} clients`,
      unit: "/s",
      target: { at: "least", value: 5_000 },
      runs: rate(ours.many),
    },
    {
      metric: `linearizable reads, ${manyClients} clients`,
      unit: "/s",
      target: { at: "least", value: 5_000 },
      runs: rate(ours.reads),
    },
  ];
  if (theirs.one.length === 0) return figures;
  const ratios = (a: readonly number[], b: readonly number[]): number[] =>
    a.map((each, i) => each / (b[i] ?? Number.NaN));
  return [
    ...figures,
    { metric: "etcd: write, 1 client, p50", unit: "ms", runs: p50(theirs.one) },
    { metric: `etcd: writes, ${manyClients} clients`, unit: "/s", runs: rate(theirs.many) },
    { metric: `etcd: linearizable reads, ${manyClients} clients`, unit: "/s", runs: rate(theirs.reads) },
    { metric: "write latency, ours to etcd's", unit: "×", runs: ratios(p50(ours.one), p50(theirs.one)) },
    { metric: "writes, ours to etcd's", unit: "×", runs: ratios(rate(ours.many), rate(theirs.many)) },
    { metric: "reads, ours to etcd's", unit: "×", runs: ratios(rate(ours.reads), rate(theirs.reads)) },
  ];
}

/** From the signal to the answer of a write that was sent to another node right after it. */
async function failover_ms(
  nodes: readonly TestNodeProcess[],
  signal: "SIGKILL" | "SIGSTOP",
): Promise<number> {
  const leader = await leaderOf(nodes);
  const other = nodes.find((node) => node !== leader) as TestNodeProcess;
  const token = other.token();
  await put(other, token, "before");
  const [pid] = leader.childPids() as [number];
  const began_ms = performance.now();
  process.kill(pid, signal);
  await eventually("a write after it", async () => ((await put(other, token, "after")) ? true : undefined));
  const took_ms = performance.now() - began_ms;
  if (signal === "SIGSTOP") process.kill(pid, "SIGCONT");
  await leader.ready();
  await untilVoters(nodes, nodes.length);
  return took_ms;
}

async function failoverFigures(
  nodes: readonly TestNodeProcess[],
  times: number,
  quiet: () => Promise<void>,
): Promise<readonly Figure[]> {
  const killed: number[] = [];
  const stopped: number[] = [];
  for (let run = 0; run < times; run++) {
    await quiet();
    killed.push(await failover_ms(nodes, "SIGKILL"));
    stopped.push(await failover_ms(nodes, "SIGSTOP"));
  }
  return [
    {
      metric: "leader's process killed (hints) until the first write",
      unit: "ms",
      target: { at: "most", value: 100 },
      runs: killed,
    },
    {
      metric: "leader silent (no hint, local timings) until the first write",
      unit: "ms",
      target: { at: "most", value: 300 },
      runs: stopped,
    },
  ];
}

async function etcdFailovers(etcd: EtcdCluster, times: number): Promise<number[]> {
  const runs: number[] = [];
  for (let run = 0; run < times; run++) {
    const { leader, others } = await etcd.roles();
    const [other] = others as [string];
    await etcd.put(other, "before", value);
    const began_ms = performance.now();
    void etcd.kill(leader);
    // It does not send again what the dead leader had: its clients do, after a time-out of their own.
    await eventually("a write after it", async () =>
      (await etcd.put(other, "after", value, etcdPatience_ms)) ? true : undefined,
    );
    runs.push(performance.now() - began_ms);
    etcd.restart(leader);
    await eventually("etcd is whole again", async () =>
      (await etcd.put(leader, "whole", "1", 1_000)) ? true : undefined,
    );
  }
  return runs;
}

async function transferFigure(nodes: readonly TestNodeProcess[], times: number): Promise<Figure> {
  const runs: number[] = [];
  for (let run = 0; run < times; run++) {
    await untilVoters(nodes, nodes.length);
    const leader = await leaderOf(nodes);
    const began_ms = performance.now();
    const answer = await leader.fetch("/api/v1/cluster/leader", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    if (!answer.ok) throw new Error(`The transfer failed: ${await answer.text()}`);
    runs.push(performance.now() - began_ms);
  }
  return {
    metric: "leadership given away, asked over HTTP",
    unit: "ms",
    target: { at: "most", value: 50 },
    runs,
  };
}

interface CatchUp {
  readonly behind: number;
  readonly seconds: number;
  readonly warm: number;
  readonly log: (line: string) => void;
  readonly by: string;
}

/** As it is by default: the log is kept for a while only, and who is behind it gets a snapshot. */
async function snapshotFigures(scale: Omit<CatchUp, "by">): Promise<readonly Figure[]> {
  const nodes = await startVoters(3);
  try {
    const leader = await leaderOf(nodes);
    const token = leader.token();
    await warmUp(scale.warm, {
      write: (client, count) => put(leader, token, keyOf(client, count)),
      read: (client) => get(leader, token, keyOf(client, 0)),
    });
    return await catchUpFigures(nodes, { ...scale, by: "by a snapshot" });
  } finally {
    await Promise.all(nodes.map((node) => node.dispose()));
  }
}

async function catchUpFigures(
  nodes: readonly TestNodeProcess[],
  { behind, seconds, log, by }: CatchUp,
): Promise<readonly Figure[]> {
  const leader = await leaderOf(nodes);
  const away = nodes.find((node) => node !== leader) as TestNodeProcess;
  const token = leader.token();
  await away.kill();
  const write: Operation = (client, count) => put(leader, token, keyOf(client, count));
  let written = 0;
  const end_ms = performance.now() + fill_ms_max;
  while (written < behind && performance.now() < end_ms)
    written += Math.round((await load(manyClients, 1, write)).perSecond);
  log(`${away.id} is ${written} entries behind`);
  const alone = await load(manyClients, seconds, write);
  const began_ms = performance.now();
  await away.start();
  const ready_ms = performance.now();
  let during = 0;
  // Clients go on writing until it is there: it has to be quicker than they are.
  do {
    if (performance.now() - began_ms > catchUp_ms_max)
      throw new Error(`${away.id} did not catch up within ${catchUp_ms_max} ms`);
    const { perSecond } = await load(manyClients, 1, write);
    during += perSecond;
  } while (!(await isLevel(leader, away)));
  const level_ms = performance.now();
  const rate = during / ((level_ms - ready_ms) / 1_000);
  const whole = await load(manyClients, seconds, write);
  const what = `writes while a follower catches up ${written.toLocaleString("en-US")} entries ${by}`;
  log(
    `${alone.perSecond} /s while it was away, ${rate} /s meanwhile, ${whole.perSecond} /s with all in step`,
  );
  return [
    {
      metric: `${what}, to those with all three in step`,
      unit: "%",
      target: { at: "least", value: 80 },
      runs: [(100 * rate) / whole.perSecond],
    },
    { metric: `${what}, to those of two alone`, unit: "%", runs: [(100 * rate) / alone.perSecond] },
    {
      metric: `until it had caught up ${by} beside them, its start included`,
      unit: "s",
      runs: [(level_ms - began_ms) / 1_000],
    },
  ];
}

async function isLevel(leader: TestNodeProcess, away: TestNodeProcess): Promise<boolean> {
  const [own, theirs] = await Promise.all([leader, away].map((node) => appliedOf(node)));
  return own !== undefined && theirs !== undefined && own - theirs < level_entries;
}

async function appliedOf(node: TestNodeProcess): Promise<number | undefined> {
  const answer = await node.fetch("/api/v1/cluster/leader");
  return answer.ok ? ((await answer.json()) as { readonly applied: number }).applied : undefined;
}
