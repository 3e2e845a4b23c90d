/**
 * A scratch cluster of real processes that agree under kills and stops while clients write down what they asked and
 * were told; then the history must be linearizable, the replicas equal and every row and entry sound. Exits 1 if not.
 * `bun run drill 10` has ten rounds of trouble. Touches no other node.
 */
import { parseArgs } from "node:util";
import { Prng } from "../../src/base/prng.ts";
import { assertLinearizable, HistoryClients, leaderOf, startVoters, untilVoters } from "./consensus-nodes.ts";
import type { TestNodeProcess } from "./node-process.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { nodes: { type: "string", default: "3" }, seed: { type: "string", default: "1" } },
});
const rounds = Number(positionals[0] ?? 5);
const count = Number(values.nodes);
const prng = new Prng(Number(values.seed));
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
  assertLinearizable(history);
  console.log(`${history.length} operations of ${2 * count} clients make one history`);
  await check(first);
} catch (error) {
  failure = error;
}
await clients.end();
for (const node of nodes) await node.dispose();
if (failure !== undefined) {
  console.error(failure instanceof Error ? failure.message : failure);
  process.exitCode = 1;
}
