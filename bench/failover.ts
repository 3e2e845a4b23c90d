/**
 * A node with a thousand agents is lost: from the signal until every one of its agents has answered a message from a
 * survivor. All its processes at once (kill −9 of its group), and its node process alone, which cannot start again;
 * both with journals. The phases between are what the survivors tell of it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EventAnswer } from "../src/api/events/events.ts";
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
    const measured: Phases[][] = [];
    for (const what of ["machine", "process"] as const) {
      const cluster = await startCluster(3);
      try {
        measured.push(await lost(cluster, { count, times, log, quiet, what }));
      } finally {
        await cluster.dispose();
      }
    }
    const [machine = [], process = []] = measured;
    return [
      ...figuresOf(machine, `kill −9 of all processes of a node with ${count} agents`, 5),
      ...figuresOf(process, `kill −9 of its node process, which cannot start again, ${count} agents`, 2),
    ];
  },
};

/** Seconds since the signal, as the survivors' events say. */
interface Phases {
  readonly detected: number;
  readonly begun: number;
  readonly decided: number;
  readonly running: number;
  readonly firstAnswer: number;
  readonly lastAnswer: number;
}

function figuresOf(runs: readonly Phases[], what: string, target_s: number): Figure[] {
  const of = (name: keyof Phases): readonly number[] => runs.map((phases) => phases[name]);
  return [
    { metric: `${what}: found out`, unit: "s", runs: of("detected") },
    { metric: `${what}: lease waited out, planned`, unit: "s", runs: of("begun") },
    { metric: `${what}: decided by the cluster`, unit: "s", runs: of("decided") },
    { metric: `${what}: all run elsewhere`, unit: "s", runs: of("running") },
    { metric: `${what}: the first answered`, unit: "s", runs: of("firstAnswer") },
    {
      metric: `${what}: all answered`,
      unit: "s",
      target: { at: "most", value: target_s },
      runs: of("lastAnswer"),
    },
  ];
}

interface Loss extends Pick<BenchOptions, "log" | "quiet"> {
  readonly count: number;
  readonly times: number;
  readonly what: "machine" | "process";
}

async function lost(cluster: BenchCluster, loss: Loss): Promise<Phases[]> {
  const { count, times, what, log, quiet } = loss;
  const wasm = readFileSync(new URL("../wasm-agents/echo.wasm", import.meta.url));
  const runs: Phases[] = [];
  for (let run = 0; run < times; run++) {
    // Another one each time: who is lost again is waited for on purpose.
    const order = [...cluster.nodes.slice(run % 3), ...cluster.nodes.slice(0, run % 3)];
    const [three, one, two] = order as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
    const prefix = `${what}-${run}`;
    const took_ms = await deployMany(three, { prefix, count, wasm, durability: "local" });
    log(`deployed ${count}, p50 ${(took_ms[Math.floor(count / 2)] ?? 0).toFixed(1)} ms each`);
    await quiet();
    const told = new Told([one, two]);
    const began_ms = Date.now();
    const back = what === "machine" ? await endAll(three) : endProcess(three);
    const answered = await Promise.all([one, two].map((node, part) => askAll(node, prefix, count, part)));
    const since = (at_ms: number): number => (at_ms - began_ms) / 1_000;
    const phases = {
      detected: since(await told.at("member.failed")),
      begun: since(await told.at("failover.started")),
      decided: since(await told.at("failover.done", "decided")),
      running: since(await told.at("failover.done")),
      firstAnswer: since(Math.min(...answered.map(({ first_ms }) => first_ms))),
      lastAnswer: since(Math.max(...answered.map(({ last_ms }) => last_ms))),
    };
    told.close();
    runs.push(phases);
    log(
      Object.entries(phases)
        .map(([name, s]) => `${name} ${s.toFixed(2)} s`)
        .join(", "),
    );
    await back();
    for (const node of cluster.nodes) await untilAlive(node, 3);
    await removeAll(one, prefix, count);
  }
  return runs;
}

async function endAll(node: TestNodeProcess): Promise<() => Promise<void>> {
  await node.kill();
  return () => node.start();
}

/** Its launcher starts it again, in vain: what says who it is cannot be read. */
function endProcess(node: TestNodeProcess): () => Promise<void> {
  const file = join(node.dataDir, "node.json");
  const whole = readFileSync(file);
  writeFileSync(file, "not any more");
  process.kill(nodePid(node), "SIGKILL");
  return async () => {
    writeFileSync(file, whole);
    await node.kill();
    await node.start();
  };
}

/** When each kind of event was first told by one of the nodes. */
class Told {
  readonly #first = new Map<string, EventAnswer>();
  readonly #ended = new AbortController();
  #wake = (): void => undefined;

  constructor(nodes: readonly TestNodeProcess[]) {
    const types = ["member.failed", "failover.*"];
    for (const node of nodes)
      void this.#follow(clientOf(node).events.follow({ signal: this.#ended.signal, types }));
  }

  /** With `sooner` that moment on the way to it. Both by the clock of the wall. */
  async at(type: string, sooner?: string): Promise<number> {
    const { at, data } = await this.#event(type);
    if (sooner === undefined) return Date.parse(at);
    return Date.parse(at) - (Number(data["seconds"]) - Number(data[sooner])) * 1_000;
  }

  close(): void {
    this.#ended.abort();
  }

  async #event(type: string): Promise<EventAnswer> {
    const end_ms = Date.now() + wait_ms;
    for (;;) {
      const found = this.#first.get(type);
      if (found !== undefined) return found;
      if (Date.now() > end_ms) throw new Error(`No ${type} within ${wait_ms} ms`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 1_000);
      });
    }
  }

  async #follow(events: AsyncIterable<EventAnswer>): Promise<void> {
    for await (const event of events) {
      if (!this.#first.has(event.type)) this.#first.set(event.type, event);
      this.#wake();
    }
  }
}

interface Answered {
  readonly first_ms: number;
  readonly last_ms: number;
}

/** Every second agent, from `part` on. */
async function askAll(node: TestNodeProcess, prefix: string, count: number, part: number): Promise<Answered> {
  const client = clientOf(node);
  const content = new TextEncoder().encode("again");
  let first_ms = Infinity;
  let next = part;
  const worker = async (): Promise<void> => {
    for (; next < count;) {
      const name = `${prefix}-${next}`;
      next += 2;
      await ask(client, name, content, wait_ms);
      first_ms = Math.min(first_ms, Date.now());
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { first_ms, last_ms: Date.now() };
}

async function removeAll(node: TestNodeProcess, prefix: string, count: number): Promise<void> {
  const client = clientOf(node);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await client.agents.remove(`${prefix}-${next++}`);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
