/**
 * A scratch cluster of real processes that agree under kills and stops while clients write down what they asked and
 * were told; then the history must be linearizable, the replicas equal and every row and entry sound. Exits 1 if not.
 * `bun run drill 10` has ten rounds of trouble. Touches no other node.
 */
import { parseArgs } from "node:util";
import { reasonOf } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { assertLinearizable, HistoryClients, leaderOf, startVoters, untilVoters } from "./consensus-nodes.ts";
import type { TestNodeProcess } from "./node-process.ts";

const usage = `bun run drill [ROUNDS] [--nodes 3|5] [--seed N]

Starts a cluster of its own in temporary folders and, for ROUNDS rounds (5 unless said), kills or stops its leader or
another node while clients write, swap and read. Then no acknowledged write may be lost and no read be stale (the history
is linearizable), the replicas must be the same, and every row and entry sound. Exits with 1 if not.
The seed decides what happens to whom, 1 unless said.`;

const { rounds, count, seed } = asked(process.argv.slice(2));
const prng = new Prng(seed);
const keys = ["a", "b", "c"];
/** Between two troubles so many operations are answered. */
const operations = 100;
const stopped_ms = 2_000;

const nodes: TestNodeProcess[] = [];
const clients = new HistoryClients();
let failure: unknown;

async function round(number: number): Promise<void> {
  const leader = await leaderOf(nodes);
  const victim = prng.chance(0.6) ? leader : (prng.pick(nodes) ?? leader);
  const kill = prng.chance(0.6);
  console.log(
    `round ${number}: ${kill ? "kill -9" : "stop"} of ${victim.id}${victim === leader ? ", which leads" : ""}`,
  );
  if (kill) {
    await victim.kill();
    await clients.more(operations / 2);
    await victim.start();
  } else {
    victim.signalGroup("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, stopped_ms));
    victim.signalGroup("SIGCONT");
  }
  await clients.more(operations);
}

async function check(node: TestNodeProcess): Promise<void> {
  for (const words of [["compare-state"], ["verify", "--deep"]]) {
    const { code, stdout, stderr } = await node.cli("cluster", ...words);
    console.log(`caxton cluster ${words.join(" ")}\n${stdout.trimEnd()}`);
    if (code !== 0) throw new Error(`caxton cluster ${words.join(" ")} exits ${code}: ${stderr}`);
  }
}

try {
  nodes.push(...(await startVoters(count)));
  const [first] = nodes;
  if (first === undefined) throw new Error("--nodes is at least 1");
  for (const { id, api, dataDir } of nodes)
    clients.start({ id, api, tokenFile: `${dataDir}/admin.token` }, 2, keys);
  for (let number = 1; number <= rounds; number++) await round(number);
  const history = await clients.end();
  await untilVoters(nodes, count);
  const answered = history.filter(({ returned }) => returned !== Number.POSITIVE_INFINITY);
  const written = answered.filter(
    ({ operation: { kind }, output }) => kind === "write" || (kind === "swap" && output === 1),
  );
  if (written.length === 0) throw new Error("No write was acknowledged: nothing was checked");
  assertLinearizable(history);
  console.log(
    `${answered.length} operations of ${2 * count} clients, ${written.length} of them acknowledged writes: ` +
      "the history is linearizable, nothing acknowledged is lost",
  );
  await check(first);
  console.log(`The drill passed: ${rounds} rounds with ${count} nodes, seed ${seed}`);
} catch (error) {
  failure = error;
}
await clients.end();
for (const node of nodes) await node.dispose();
if (failure !== undefined) {
  console.error(failure instanceof Error ? failure.message : failure);
  process.exitCode = 1;
}

function asked(args: readonly string[]): {
  readonly rounds: number;
  readonly count: number;
  readonly seed: number;
} {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        nodes: { type: "string", default: "3" },
        seed: { type: "string", default: "1" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    const [given = "5", surplus] = positionals;
    if (surplus !== undefined) throw new Error(`"${surplus}" is one argument too many`);
    if (values.nodes !== "3" && values.nodes !== "5")
      throw new Error(`--nodes: "${values.nodes}" is not 3 or 5`);
    return {
      rounds: wholeNumber("ROUNDS", given, 1, 1_000),
      count: Number(values.nodes),
      seed: wholeNumber("--seed", values.seed, 0, 4_294_967_295),
    };
  } catch (error) {
    console.error(`error: ${reasonOf(error)}\n\n${usage}`);
    process.exit(2);
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Error(`${name}: "${text}" is not a whole number from ${min} to ${max}`);
}
