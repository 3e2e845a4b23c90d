/**
 * A node is killed amid a hand-over, real processes at each step of it: what was sent meanwhile is counted once, in
 * order, by whichever of the two nodes goes on with the agent.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startVoters } from "../support/consensus-nodes.ts";
import type { TestNodeProcess } from "../support/node-process.ts";
import { thorough } from "../support/thorough.ts";

const counter = new URL("../../wasm-agents/counter.wasm", import.meta.url).pathname;
const program = new URL("fixtures/ending-amid-a-hand-over.ts", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "caxton-ends-"));
/** Where the step stands at which the node is to end. */
const endsAt = (node: string): string => join(folder, node);

/** Which of the two nodes, and where in its part. */
const steps = [
  ["from", "handOver:before"],
  ["from", "handOver:after"],
  ["from", "move:before"],
  ["to", "putIncoming:before"],
  ["to", "putIncoming:after"],
  ["from", "moved:before"],
  ["to", "takeOver:before"],
  ["from", "move:after"],
  ["from", "moved:after"],
  ["to", "takeOver:after"],
] as const;

let nodes: readonly TestNodeProcess[] = [];
beforeAll(async () => {
  const env = (node: string) => ({ ENDS_AT: endsAt(node), BUN_OPTIONS: `--preload ${program}` });
  nodes = await startVoters(3, { env });
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.dispose()));
  rmSync(folder, { recursive: true, force: true });
});

interface Agent {
  readonly name: string;
  readonly node: string;
}

async function post(at: TestNodeProcess, path: string, body: object): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const answer = await at.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
  return await answer.json();
}

async function count(at: TestNodeProcess): Promise<number> {
  const message = { receiver: "mover", performative: "request", content: "+1" };
  const { reply } = (await post(at, "/api/v1/messages?wait=20s", message)) as {
    readonly reply: { readonly content: string | number };
  };
  return Number(reply.content);
}

test("whichever node is killed at whichever step: no message is lost or counted twice, and one node goes on", async () => {
  const [one, ...others] = nodes as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
  const flags = ["--name", "mover", "--prefer-nodes", "node-2", "--on-node-loss", "wait"];
  expect((await one.cli("deploy", counter, ...flags)).code).toBe(0);
  let counted = 0;
  for (const [end, step] of thorough ? steps : steps.filter((_, i) => i % 6 === 1)) {
    const { node: from } = (await one.json("agent", "show", "mover")) as Agent;
    const to = from === "node-2" ? "node-3" : "node-2";
    const file = endsAt(end === "from" ? from : to);
    writeFileSync(file, step);
    const moved = post(one, "/api/v1/agents/mover/migrate", { to }).catch(() => undefined);
    // What is sent while it happens waits for whoever goes on.
    const told = await Promise.all([count(one), count(one)]);
    expect(told.toSorted((a, b) => a - b)).toEqual([counted + 1, counted + 2]);
    counted += 2;
    await moved;
    expect(existsSync(file)).toBe(false);
    for (const node of others) await node.ready();
  }
  const { agents } = (await one.json("agent", "list")) as { readonly agents: readonly Agent[] };
  expect(agents.map(({ name }) => name)).toEqual(["mover"]);
  expect(await count(others[0])).toBe(counted + 1);
});
