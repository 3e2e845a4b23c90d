/** Real nodes that agree: started, waited for, asked who leads, with clients that write down a history to be checked. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { writeClusterKey } from "../../src/security/cluster-key.ts";
import { key_bytes } from "../../src/security/keyring.ts";
import { checkHistory, type HistoryEntry } from "../../src/simulation/linearizability.ts";
import type { HistoryLine } from "./kv-history-client.ts";
import { eventually, type NodeOptions, TestNodeProcess } from "./node-process.ts";
import { question_ms } from "./patience.ts";

const clientScript = fileURLToPath(new URL("./kv-history-client.ts", import.meta.url));

export interface LeaderView {
  readonly leader: string | null;
  readonly term: number;
  readonly quorum: boolean;
  readonly applied: number;
  readonly changing: boolean;
  readonly members: readonly { readonly node: string; readonly role: string }[];
}

export async function leaderView(node: TestNodeProcess): Promise<LeaderView | undefined> {
  const answer = await node.fetch("/api/v1/cluster/leader", { signal: AbortSignal.timeout(question_ms) });
  return answer.ok ? ((await answer.json()) as LeaderView) : undefined;
}

interface VoterOptions extends Pick<NodeOptions, "flags"> {
  readonly env?: (id: string) => Record<string, string>;
}

/**
 * Nodes that begin one cluster once all of them are there (`--bootstrap-expect`): at once, where nodes that join one
 * by one vote only when they were alive for some seconds, as in `e2e/control.test.ts`. The first is everybody's seed.
 */
export async function prepareVoters(
  ids: readonly string[],
  options: VoterOptions = {},
): Promise<TestNodeProcess[]> {
  const flags = ["--bootstrap-expect", String(ids.length), ...(options.flags ?? [])];
  const nodes: TestNodeProcess[] = [];
  for (const id of ids) {
    const seeds = nodes.slice(0, 1);
    nodes.push(await TestNodeProcess.prepare({ id, join: seeds, flags, env: options.env?.(id) ?? {} }));
  }
  // Else the others could only be started once the first one has made it.
  const [first] = nodes;
  if (first !== undefined) await writeClusterKey(first.keyFile, randomBytes(key_bytes));
  return nodes;
}

/** Starts so many, `node-1` and so on, and waits until all vote. */
export async function startVoters(count: number, options: VoterOptions = {}): Promise<TestNodeProcess[]> {
  const ids = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
  const nodes = await prepareVoters(ids, options);
  await Promise.all(nodes.map((node) => node.start()));
  await untilVoters(nodes, count);
  return nodes;
}

/** Every node knows a leader with a quorum, and so many voters, with no change of them under way. */
export async function untilVoters(nodes: readonly TestNodeProcess[], count: number): Promise<void> {
  for (const node of nodes) {
    await eventually(`${node.id} sees ${count} voters`, async () => {
      const view = await leaderView(node);
      const voters = view?.members.filter(({ role }) => role !== "learner").length;
      return view?.quorum === true && voters === count && !view.changing ? true : undefined;
    });
  }
}

/** The leader as a majority of those who answer name it. */
export async function leaderOf(nodes: readonly TestNodeProcess[]): Promise<TestNodeProcess> {
  return await eventually("a leader", async () => {
    const views = await Promise.all(nodes.map((node) => leaderView(node).catch(() => undefined)));
    const newest = views
      .filter((view): view is LeaderView => view?.quorum === true)
      .toSorted((a, b) => b.term - a.term)[0];
    return nodes.find(({ id }) => id === newest?.leader);
  });
}

/** History clients in processes of their own; `command` may put one on another machine. */
export class HistoryClients {
  readonly #children: ChildProcess[] = [];
  readonly #history: HistoryEntry[] = [];
  /** What each is in the middle of. */
  readonly #open = new Map<string, HistoryEntry>();

  start(
    node: { readonly id: string; readonly api: string; readonly tokenFile: string },
    clients: number,
    keys: readonly string[],
    command: (args: readonly string[]) => readonly string[] = (args) => args,
  ): void {
    const [program, ...args] = command([
      process.execPath,
      clientScript,
      node.api,
      node.tokenFile,
      node.id,
      String(clients),
      keys.join(","),
    ]);
    const child = spawn(program ?? "", args, { stdio: ["ignore", "pipe", "inherit"] });
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line) as HistoryLine);
    });
    this.#children.push(child);
  }

  get count(): number {
    return this.#history.filter(({ returned }) => returned !== Number.POSITIVE_INFINITY).length;
  }

  /** So many more operations are answered: the cluster serves. */
  async more(operations: number): Promise<void> {
    const target = this.count + operations;
    await eventually(`${operations} more operations answered`, () =>
      this.count >= target ? true : undefined,
    );
  }

  /** Ends them. What a client was in the middle of may have been done: it counts as never answered. */
  async end(): Promise<readonly HistoryEntry[]> {
    for (const child of this.#children.splice(0)) {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    for (const entry of this.#open.values()) if (entry.operation.kind !== "read") this.#history.push(entry);
    this.#open.clear();
    return this.#history;
  }

  #take(line: HistoryLine): void {
    if (line.kind === "called") {
      this.#open.set(line.entry.client, { ...line.entry, returned: Number.POSITIVE_INFINITY, output: null });
      return;
    }
    const entry = this.#open.get(line.client);
    this.#open.delete(line.client);
    if (entry === undefined || line.told === null) return;
    const { returned, output } = line.told;
    this.#history.push({ ...entry, returned: returned ?? Number.POSITIVE_INFINITY, output });
  }
}

/** Throws when the history could not have happened one operation at a time. */
export function assertLinearizable(history: readonly HistoryEntry[]): void {
  if (!isLinearizable(history)) throw new Error("Whether the history is linearizable was not found out");
}

/** False where the search was given up: too much was never answered. Throws as `assertLinearizable`. */
export function isLinearizable(history: readonly HistoryEntry[]): boolean {
  const verdict = checkHistory(pruned(history));
  if (verdict.kind === "violation") throw new Error(`The history is ${JSON.stringify(verdict)}`);
  return verdict.kind === "linearizable";
}

/**
 * Without the writes that were never answered and whose value nobody met: each doubles the search, and they can always
 * be thought of as coming last. Only a swap that failed could have met one unseen, so such swaps say nothing then.
 */
function pruned(history: readonly HistoryEntry[]): readonly HistoryEntry[] {
  const met = new Set<string>();
  for (const { key, operation, output } of history) {
    if (operation.kind === "read") met.add(`${key} ${output}`);
    if (operation.kind === "swap" && output === 1) met.add(`${key} ${operation.expected}`);
  }
  // What was met and came of a swap that was never answered has met what that swap expected.
  for (let before = -1; before < met.size;) {
    before = met.size;
    for (const { key, operation, returned } of history) {
      if (operation.kind !== "swap" || returned !== Number.POSITIVE_INFINITY) continue;
      if (met.has(`${key} ${operation.value}`)) met.add(`${key} ${operation.expected}`);
    }
  }
  const since = new Map<string, number>();
  const kept = history.filter(({ key, operation, called, returned }) => {
    if (operation.kind === "read" || returned !== Number.POSITIVE_INFINITY) return true;
    if (met.has(`${key} ${operation.value}`)) return true;
    since.set(key, Math.min(called, since.get(key) ?? Number.POSITIVE_INFINITY));
    return false;
  });
  return kept.filter(
    ({ key, operation, returned, output }) =>
      operation.kind !== "swap" || output !== 0 || returned < (since.get(key) ?? Number.POSITIVE_INFINITY),
  );
}
