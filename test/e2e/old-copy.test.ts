/**
 * A real node's data directory is copied, the node goes on, and is brought back with the copy: its agents' loss is told
 * of, once. The same directory after a kill, or a copy after which nothing happened, is no loss.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askAgent, deployAgent } from "../support/agent-requests.ts";
import { startVoters } from "../support/consensus-nodes.ts";
import { eventually, TestNodeProcess } from "../support/node-process.ts";

const wasm = (name: string): string =>
  join(new URL("../../wasm-agents/", import.meta.url).pathname, `${name}.wasm`);
const counter = wasm("counter");

interface Shown {
  readonly epoch: number;
  readonly assignment: { readonly state_lost_with: string | null; readonly state_lost_since: string | null };
}

let nodes: readonly TestNodeProcess[] = [];
let one: TestNodeProcess;
let two: TestNodeProcess;
let three: TestNodeProcess;
/** Everything that is told at the first node of all the cluster. */
let told = "";
const watching = new AbortController();
let watched: Promise<unknown> = Promise.resolve();
const copies: string[] = [];

beforeAll(async () => {
  nodes = await startVoters(3);
  [one, two, three] = nodes as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
  const headers = { accept: "text/event-stream" };
  const answer = await one.fetch("/api/v1/events?after=0&scope=cluster", {
    headers,
    signal: watching.signal,
  });
  const follow = async (): Promise<void> => {
    for await (const chunk of answer.body ?? []) told += new TextDecoder().decode(chunk);
  };
  watched = follow().catch((error: unknown) => error);
});

afterAll(async () => {
  watching.abort();
  await watched;
  await Promise.all(nodes.map((node) => node.dispose()));
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});

function copy(node: TestNodeProcess): () => void {
  const folder = mkdtempSync(join(tmpdir(), "caxton-copy-"));
  copies.push(folder);
  cpSync(node.dataDir, folder, { recursive: true });
  return () => {
    rmSync(node.dataDir, { recursive: true });
    cpSync(folder, node.dataDir, { recursive: true });
  };
}

const show = async (name: string): Promise<Shown> => (await one.ask(`/api/v1/agents/${name}`)) as Shown;

/** Since its node started. */
async function hasHandled(name: string, messages: number): Promise<void> {
  await eventually(`${name} has handled ${messages}`, async () => {
    const { detail } = (await one.ask(`/api/v1/agents/${name}`)) as { detail?: { handled: number } };
    return detail?.handled === messages ? true : undefined;
  });
}

/** Asks a node to keep a message until its receiver is there. */
async function leaveAt(node: TestNodeProcess, receiver: string, content: string): Promise<void> {
  const answer = await node.fetch("/api/v1/messages", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ receiver, performative: "request", content }),
  });
  expect(answer.status).toBe(202);
}

async function count(name: string, expected: string): Promise<void> {
  expect(await askAgent(one, name, "+1")).toBe(expected);
}

test("a node that is back with its own data, or a copy after which nothing happened, says nothing", async () => {
  await deployAgent(one, counter, { name: "bank", target_node: "node-3", on_node_loss: "wait" });
  await count("bank", "1");
  await three.kill();
  await three.start();
  await count("bank", "2");
  await three.stop();
  const putBack = copy(three);
  putBack();
  await three.start();
  await count("bank", "3");
  const { assignment, epoch } = await show("bank");
  expect(assignment.state_lost_with).toBeNull();
  expect(epoch).toBeGreaterThan(0);
  expect(told).not.toContain("store.old_copy");
});

test("a node that is back with a copy of an earlier day says what its agents lost, once", async () => {
  await three.stop();
  const putBack = copy(three);
  await three.start();
  for (const expected of ["4", "5", "6"]) await count("bank", expected);
  await deployAgent(one, counter, { name: "later", target_node: "node-3", on_node_loss: "wait" });
  await count("later", "1");
  const before = await show("bank");
  await three.kill();
  putBack();
  await three.start();
  await count("bank", "4");
  await count("later", "1");

  const bank = await show("bank");
  expect(bank.epoch).toBeGreaterThan(before.epoch);
  expect(bank.assignment.state_lost_with).toBe("node-3");
  expect(Date.parse(bank.assignment.state_lost_since ?? "")).toBeGreaterThan(0);
  const { stdout } = await one.cli("agent", "show", "bank");
  expect(stdout).toMatch(/STATE-LOST +node-3 came back with an old copy of its data: what it did since 20/);
  await eventually("it is told", () => (told.includes("Agent 'later' began anew") ? true : undefined));
  expect(told).toMatch(/Node node-3 came back with an old copy of its data, of 20.*: 2 agents go on from it/);
  expect(told).toContain("Agent 'bank' goes on from an old copy of node-3's data: what it did since 20");
  expect(three.output).toContain("came back with an old copy of its data");

  await three.kill();
  await three.start();
  await count("bank", "5");
  await count("later", "2");
  // It cannot even begin, which only its node tells.
  const hopeless = { name: "trapped", target_node: "node-3", fuel: "1" };
  await deployAgent(one, counter, hopeless).catch(() => undefined);
  await eventually("the node is watched again", () => (told.includes("agent.trap") ? true : undefined));
  expect(told.match(/event: (?:store\.|agent\.state_lost)/g)).toHaveLength(3);
  expect((await show("bank")).assignment.state_lost_with).toBe("node-3");
});

test("what an agent, or a client, had sent in the copy was delivered since: it is a dead letter, and is not sent again", async () => {
  await deployAgent(one, wasm("ping"), { name: "ping", target_node: "node-3", on_node_loss: "wait" });
  // It keeps nothing, so it would not recognise what it has had.
  const forgetful = { name: "tally", target_node: "node-2", on_node_loss: "wait", durability: "volatile" };
  await deployAgent(one, wasm("tally"), forgetful);
  expect(await askAgent(one, "tally", "+1")).toBe("1");
  await two.stop();
  await leaveAt(one, "ping", "1 tally");
  await leaveAt(three, "tally", "+1");
  await hasHandled("ping", 1);
  await three.stop();
  const putBack = copy(three);
  await three.start();
  await two.start();
  // It began anew with its node, and has what the other sent.
  await hasHandled("tally", 2);
  await three.kill();
  putBack();
  await three.start();
  const letters = await eventually("the dead letters", async () => {
    const answer = (await three.ask("/api/v1/dead-letters")) as {
      readonly dead_letters: readonly {
        readonly reason: string;
        readonly message: { readonly receiver: string };
      }[];
    };
    const old = answer.dead_letters.filter(({ reason }) => reason === "old_copy");
    return old.length > 0 ? old : undefined;
  });
  expect(letters.map(({ message }) => message.receiver)).toEqual(["tally", "tally"]);
  expect(await askAgent(one, "ping", "1 tally")).toBe("1 rounds with tally");
  expect(await askAgent(one, "tally", "+1")).toBe("4");
});

test("a copy of a node that lives is let in by nobody, whoever dials whom, and takes nothing from it", async () => {
  await deployAgent(one, counter, { name: "kept", target_node: "node-2", on_node_loss: "wait" });
  await count("kept", "1");
  const folder = mkdtempSync(join(tmpdir(), "caxton-copy-"));
  copies.push(folder);
  cpSync(two.dataDir, folder, { recursive: true });
  await count("kept", "2");
  const twin = await TestNodeProcess.prepare({ id: "node-2", dataDir: folder, join: [one] });
  try {
    twin.launch();
    await eventually("it is refused", () =>
      twin.output.includes("is in use by a live node") ? true : undefined,
    );
    const { code, stderr } = await one.cli("cluster", "add-node", twin.gossipAddress);
    expect(stderr).toContain(`node id "node-2" is in use by a live node at ${two.gossipAddress}`);
    expect(code).toBe(6);
    await count("kept", "3");
  } finally {
    await twin.dispose();
  }
  await count("kept", "4");
  expect(told).not.toContain("member.conflict");
  expect((await show("kept")).assignment.state_lost_with).toBeNull();
});
