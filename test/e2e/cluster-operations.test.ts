/** What operators do to nodes and to the whole cluster, on one cluster of real processes, as the runbook has it. */
import { readdirSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startVoters } from "../support/consensus-nodes.ts";
import { freePort } from "../support/free-port.ts";
import { eventually, TestNodeProcess } from "../support/node-process.ts";

const all: TestNodeProcess[] = [];
const agents = ["a1", "a2", "a3"];
let one: TestNodeProcess, two: TestNodeProcess, three: TestNodeProcess;

beforeAll(async () => {
  all.push(...(await startVoters(3)));
  [one, two, three] = all as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
});
afterAll(async () => {
  for (const node of all) await node.dispose();
});

async function done(node: TestNodeProcess, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await node.cli(...args);
  expect([args.join(" "), code, stderr, code === 0 ? "" : stdout]).toEqual([args.join(" "), 0, "", ""]);
  return stdout;
}

async function send(node: TestNodeProcess, to: string): Promise<number> {
  const answer = await node.fetch("/api/v1/messages", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ receiver: to, performative: "request", content: "hello", wait: "5s" }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

interface NodeRow {
  readonly status: string;
  readonly cpu_usage: number;
}

async function nodeAt(node: TestNodeProcess, id: string): Promise<NodeRow> {
  return (await node.ask(`/api/cluster/nodes/${id}`)) as NodeRow;
}

async function ownersAt(node: TestNodeProcess): Promise<readonly string[]> {
  const { assignments } = (await node.ask("/api/cluster/assignments")) as {
    readonly assignments: readonly { readonly node_id: string }[];
  };
  return assignments.map(({ node_id }) => node_id);
}

/** Names of files of the data directory that the node's process has open. */
function openFiles(node: TestNodeProcess): readonly string[] {
  const folder = `/proc/${node.childPids()[0] ?? 0}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      const path = readlinkSync(`${folder}/${fd}`);
      return path.startsWith(node.dataDir) ? [path.slice(node.dataDir.length + 1)] : [];
    } catch {
      return [];
    }
  });
}

test("a node known by heartbeats is seen at every node, whichever was told", async () => {
  const { leader } = (await one.ask("/api/cluster/leader")) as { readonly leader: { readonly id: string } };
  const follower = all.find(({ id }) => id !== leader.id) as TestNodeProcess;
  const post = async (path: string, body: unknown): Promise<number> => {
    const headers = { "content-type": "application/json" };
    const answer = await follower.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    await answer.arrayBuffer();
    return answer.status;
  };
  const edge = { id: "edge-7", hostname: "server7", ip_address: "10.0.0.7", port: 8151 };
  expect(await post("/api/cluster/nodes", edge)).toBe(201);
  expect(await post("/api/cluster/nodes", edge)).toBe(409);
  expect(await post("/api/cluster/nodes/edge-7", { cpu_usage: 45.3 })).toBe(200);
  for (const node of all) {
    await eventually(`edge-7 with its figures at ${node.id}`, async () =>
      (await nodeAt(node, "edge-7")).cpu_usage === 45.3 ? true : undefined,
    );
  }
});

test("a node whose seeds lead nowhere is let in by its address; one of another cluster is not", async () => {
  const nowhere = await freePort();
  const four = await TestNodeProcess.prepare({
    id: "node-4",
    keyFile: one.keyFile,
    flags: ["--join", `127.0.0.1:${nowhere}`],
  });
  all.push(four);
  four.launch();
  await eventually("node-4 waits", async () => ((await four.fetch("/livez")).ok ? true : undefined));
  expect(await done(two, "cluster", "add-node", four.gossipAddress)).toBe(
    `Node node-4 joined (${four.gossipAddress})\n`,
  );
  await four.ready();
  const again = await two.cli("cluster", "add-node", four.gossipAddress);
  expect(again.code).toBe(0);
  const nobody = await two.cli("cluster", "add-node", `127.0.0.1:${nowhere}`);
  expect(nobody.code).toBe(3);
  expect(nobody.stderr).toContain("Is it running");
});

test("a node is isolated, rebuilt from its peers, verified and taken back", async () => {
  for (const name of agents)
    await done(one, "deploy", "wasm-agents/echo.wasm", "--name", name, "--target-node", "node-2");
  const isolated = await done(one, "cluster", "isolate", "--node", "node-2");
  expect(isolated).toContain("Node node-2 is isolated: 3 agents handed over");
  expect(await ownersAt(one)).not.toContain("node-2");
  expect(await send(two, "a1")).toBe(503);
  expect(await send(one, "a1")).toBe(200);
  expect((await nodeAt(three, "node-2")).status).toBe("draining");
  expect(await done(two, "cluster", "status")).toContain("Isolated: node-2");
  const rebuilt = await done(one, "cluster", "rebuild", "--node", "node-2", "--from-peers", "--yes");
  expect(rebuilt).toContain("Rebuilt node-2 from its peers");
  await done(one, "cluster", "verify", "--node", "node-2", "--deep");
  // What it knew of agents and orders outlived its replica's new beginning.
  expect(await ownersAt(two)).toHaveLength(agents.length);
  expect((await nodeAt(two, "node-2")).status).toBe("draining");
  await done(one, "cluster", "rejoin", "--node", "node-2");
  await eventually("node-2 takes messages again", async () =>
    (await send(two, "a1")) === 200 ? true : undefined,
  );
  await done(one, "cluster", "compare-state");
});

test("what nodes use is told by each of them", async () => {
  const { nodes } = (await three.json("resources")) as {
    readonly nodes: readonly { readonly node: string; readonly disk: { readonly total_bytes: number } }[];
  };
  expect(nodes.map(({ node }) => node)).toEqual(["node-1", "node-2", "node-3", "node-4"]);
  for (const { disk } of nodes) expect(disk.total_bytes).toBeGreaterThan(0);
  expect(await done(three, "cluster", "analyze")).not.toBe("");
});

test("all nodes stop with their databases closed, and start again with all that they had", async () => {
  const before = all.map(({ pid }) => pid);
  const stopped = await done(one, "cluster", "stop", "--all", "--yes");
  for (const { id } of all) expect(stopped).toContain(`Node ${id}: stopped`);
  for (const node of all) {
    await eventually(`${node.id} is stopped`, async () => {
      const { status } = (await node.ask("/api/v1/cluster/status")) as { readonly status: string };
      return status.startsWith("STOPPED") ? true : undefined;
    });
    expect(openFiles(node).filter((name) => /store\.db|control\.db|raft/.test(name))).toEqual([]);
    expect((await node.fetch("/readyz")).status).toBe(503);
    expect((await node.fetch("/livez")).status).toBe(200);
    expect((await node.fetch("/api/v1/agents")).status).toBe(503);
  }
  // Another one than was asked to stop them.
  const started = await done(two, "cluster", "start", "--verify");
  for (const { id } of all) expect(started).toContain(`Node ${id}: started`);
  expect(started).not.toContain("FAILED");
  expect(all.map(({ pid }) => pid)).toEqual(before);
  for (const node of all) await node.ready();
  for (const name of agents) {
    await eventually(`${name} answers`, async () => {
      const status = await send(three, name);
      if (status === 200) return true;
      const agent = await three.ask(`/api/v1/agents/${name}`);
      throw new Error(`${status}, ${JSON.stringify(agent)}`);
    });
  }
  expect((await nodeAt(three, "edge-7")).status).toBe("online");
});
