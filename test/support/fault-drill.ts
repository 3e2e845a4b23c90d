/**
 * Mixed faults on five real nodes while clients write, queue, count and ask: no acknowledged write lost, no message
 * counted twice or by two owners, one history, equal replicas. What happens is drawn from a seed and told first.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HistoryClients, isLinearizable } from "./consensus-nodes.ts";
import { FaultCluster } from "./fault-cluster.ts";
import { CounterLedger, WriteLedger } from "./fault-ledgers.ts";
import { drawFaults, type Fault, faultLine } from "./fault-schedule.ts";
import { eventually } from "./node-process.ts";

const nodesCount = 5;
const counter = new URL("../../wasm-agents/counter.wasm", import.meta.url).pathname;
/** Agents that wait for a lost node, and agents that begin anew elsewhere. */
const waiting = 5;
const restarting = 3;
/** Of one history, which is that of one fault: what is longer takes the checker long. */
const keysAHistory = 6;

export interface DrillOptions {
  readonly seed: number;
  readonly faults: number;
  /** No fault begins after it. */
  readonly until_ms: number;
  readonly log: (line: string) => void;
}

/** What was done and kept, in sentences. Throws what was not. */
export async function drillFaults(options: DrillOptions): Promise<readonly string[]> {
  const { seed, log } = options;
  const faults = drawFaults(seed, options.faults, nodesCount);
  log(`seed ${seed}: ${faults.map(faultLine).join("; ")}`);
  const cluster = await FaultCluster.start(nodesCount);
  try {
    return await new Drill(cluster, options).run(faults);
  } catch (error) {
    for (const { id, output } of cluster.nodes) log(`--- ${id}\n${output.slice(-6_000)}`);
    throw error;
  } finally {
    await cluster.dispose();
  }
}

class Drill {
  readonly #cluster: FaultCluster;
  readonly #options: DrillOptions;
  readonly #writes = new WriteLedger();
  readonly #counters = new CounterLedger();
  readonly #agents: string[] = [];
  #history = new HistoryClients();
  #operations = 0;
  #undecided = 0;

  constructor(cluster: FaultCluster, options: DrillOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  async run(faults: readonly Fault[]): Promise<readonly string[]> {
    const { nodes } = this.#cluster;
    try {
      await this.#deployAll();
      this.#writes.start(nodes);
      let done = 0;
      for (const fault of faults) {
        if (performance.now() > this.#options.until_ms) break;
        this.#startHistory(done);
        await this.#through(fault, done++);
        await this.#endHistory();
      }
      const told = [
        `${done} faults`,
        `${this.#operations} operations in ${done} histories, each as of one copy; ${this.#undecided} could not be decided`,
        await this.#counters.check(),
        await this.#writes.check(nodes),
      ];
      await this.#sound();
      return told;
    } finally {
      this.#writes.end();
      this.#counters.end();
      await this.#history.end();
    }
  }

  async #through(fault: Fault, number: number): Promise<void> {
    const { log } = this.#options;
    const began_ms = performance.now();
    const end = await this.#cluster.begin(fault, this.#agents);
    await sleep(fault.hold_ms);
    end();
    const healed_ms = performance.now();
    await this.#cluster.whole();
    await this.#history.more(nodesCount);
    const [held, whole] = [healed_ms - began_ms, performance.now() - healed_ms];
    const times = `${(held / 1_000).toFixed(1)} s, whole again in ${(whole / 1_000).toFixed(1)} s`;
    log(`${number + 1}. ${faultLine(fault)}: ${times}; ${this.#counters.answered} counted`);
    if (this.#counters.problems.length > 0) throw new Error(this.#counters.problems.join("\n"));
  }

  async #deployAll(): Promise<void> {
    const { nodes } = this.#cluster;
    for (let index = 0; index < waiting + restarting; index++) {
      const anew = index >= waiting;
      const name = `${anew ? "restarts" : "waits"}-${index}`;
      const node = nodes[index % nodesCount];
      if (node === undefined) throw new Error("There are no nodes");
      const loss = ["--on-node-loss", anew ? "restart" : "wait"];
      const flags = ["--name", name, "--placement-strategy", "round-robin", ...loss];
      const { code, stderr } = await node.cli("deploy", counter, ...flags);
      if (code !== 0) throw new Error(`${name} is not deployed (${code}): ${stderr}`);
      this.#agents.push(name);
      this.#counters.start(name, node, anew);
    }
  }

  #startHistory(number: number): void {
    const keys = Array.from({ length: keysAHistory }, (_, index) => `history-${number}-${index}`);
    for (const node of this.#cluster.nodes) {
      const tokenFile = join(node.dataDir, "admin.token");
      const at = { id: node.id, api: "http://127.0.0.1:8080", tokenFile };
      this.#history.start(at, 1, keys, (args) => node.command(args));
    }
  }

  async #endHistory(): Promise<void> {
    const history = await this.#history.end();
    this.#operations += history.length;
    if (!isLinearizable(history)) this.#undecided++;
    this.#history = new HistoryClients();
  }

  /** All queues are empty, replicas equal, and each agent at one node and running. */
  async #sound(): Promise<void> {
    const [node] = this.#cluster.nodes;
    if (node === undefined) return;
    const { agents } = await eventually("every agent runs", async () => {
      const found = await node.ask<{ readonly agents: readonly { name: string; status: string }[] }>(
        "/api/v1/agents?limit=1000",
      );
      return found?.agents.every(({ status }) => status === "running") === true ? found : undefined;
    });
    const names = agents.map(({ name }) => name).toSorted();
    if (names.join() !== this.#agents.toSorted().join())
      throw new Error(`The agents are ${names.join(", ")}`);
    await this.#nothingWaits();
    await eventually("the replicas agree", async () => {
      const { code, stdout } = await node.cli("cluster", "compare-state");
      const all = `${nodesCount} of ${nodesCount} replicas compared`;
      if (code === 0 && stdout.includes(all)) return true;
      throw new Error(stdout);
    });
  }

  async #nothingWaits(): Promise<void> {
    const [node] = this.#cluster.nodes;
    await eventually("every queued write is accounted for", async () => {
      const report = await node?.ask<{
        readonly nodes: readonly { readonly node: string; readonly counts: Record<string, number> }[];
      }>("/api/v1/cluster/partition/report");
      if (report === undefined) return undefined;
      for (const { node: at, counts } of report.nodes) {
        const { queued = 0, replaying = 0, refused = 0, expired = 0 } = counts;
        if (queued + replaying + refused + expired > 0) throw new Error(`${at}: ${JSON.stringify(counts)}`);
      }
      return true;
    });
  }
}
