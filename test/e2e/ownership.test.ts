/**
 * Who owns which agent, on three real nodes: a node is killed with its launcher, and its agents answer from the
 * others; it comes back, and yields; agents move with all that they have; a node leaves and hands over.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { join } from "node:path";
import type { StatsAnswer } from "../../src/api/cluster/nodes.ts";
import { askAgent, deployAgent } from "../support/agent-requests.ts";
import { startVoters } from "../support/consensus-nodes.ts";
import { type TestNodeProcess, eventually } from "../support/node-process.ts";

const modules = new URL("../../wasm-agents/", import.meta.url).pathname;
const echo = join(modules, "echo.wasm");
const counter = join(modules, "counter.wasm");
const agents = 30;

interface Agent {
  readonly name: string;
  readonly node: string;
  readonly status: string;
  readonly epoch: number;
  readonly assignment: { readonly cause: string; readonly state_lost_with: string | null } | null;
  readonly kept_journals: readonly { readonly node: string; readonly epoch: number; readonly keys: number }[];
}

async function list(at: TestNodeProcess): Promise<readonly Agent[]> {
  return ((await at.ask("/api/v1/agents?limit=1000")) as { readonly agents: readonly Agent[] }).agents;
}

async function show(at: TestNodeProcess, name: string): Promise<Agent> {
  return (await at.ask(`/api/v1/agents/${name}`)) as Agent;
}

async function ok(at: TestNodeProcess, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await at.cli(...args);
  expect(`${stderr}${code}`).toBe("0");
  return stdout.trim();
}

/** What these nodes tell of all that happened, until `wanted` is among it. */
async function untilTold(
  at: readonly TestNodeProcess[],
  wanted: readonly (string | RegExp)[],
): Promise<void> {
  const following = new AbortController();
  let text = "";
  const follow = async (node: TestNodeProcess): Promise<void> => {
    const headers = { accept: "text/event-stream" };
    const answer = await node.fetch("/api/v1/events?after=0", { headers, signal: following.signal });
    for await (const chunk of answer.body ?? []) text += new TextDecoder().decode(chunk);
  };
  const ends = at.map((node) => follow(node).catch((error: unknown) => error));
  try {
    await eventually("it is told", () => {
      const missing = wanted.filter((part) =>
        typeof part === "string" ? !text.includes(part) : !part.test(text),
      );
      if (missing.length > 0) throw new Error(`${missing.join(", ")} is missing in ${text}`);
      return true;
    });
  } finally {
    following.abort();
    await Promise.all(ends);
  }
}

describe("owners", () => {
  let nodes: readonly TestNodeProcess[] = [];
  let one: TestNodeProcess;
  let two: TestNodeProcess;
  let three: TestNodeProcess;

  beforeAll(async () => {
    nodes = await startVoters(3);
    [one, two, three] = nodes as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.dispose()));
  });

  test("agents go where they are assigned, and each node says so", async () => {
    await ok(one, "deploy", echo, "--name", "echo-0", "--placement-strategy", "round-robin");
    for (let i = 1; i < agents; i++)
      await deployAgent(one, echo, { name: `echo-${i}`, placement_strategy: "round_robin" });
    const seen = await eventually("thirty agents at node 3", async () => {
      const found = await list(three);
      return found.length === agents && found.every(({ status }) => status === "running") ? found : undefined;
    });
    expect(new Set(seen.map(({ node }) => node))).toEqual(new Set(["node-1", "node-2", "node-3"]));
    // Who decided has counted it, and the figures of all nodes are those of the assignments.
    const { registry, balancer } = (await one.ask("/api/cluster/stats")) as StatsAnswer;
    const sum = (of: StatsAnswer["balancer"]): number =>
      of.backends.reduce((total, { chosen }) => total + chosen, 0);
    expect(sum(balancer)).toBe(agents);
    expect(registry.total_agents).toBe(agents);
    expect(sum(((await two.ask("/api/cluster/stats")) as StatsAnswer).balancer)).toBe(0);
  });

  test("an agent moves with all that it has", async () => {
    await deployAgent(one, counter, { name: "tally", target_node: "node-1" });
    for (const expected of ["1", "2", "3"]) expect(await askAgent(two, "tally", "+1")).toBe(expected);
    expect(await ok(two, "agent", "migrate", "tally", "--to", "node-2")).toContain(
      "Migrated tally to node-2",
    );
    expect(await askAgent(three, "tally", "+1")).toBe("4");
    await ok(one, "agent", "migrate", "tally", "--to", "node-3");
    expect(await askAgent(one, "tally", "+1")).toBe("5");
  });

  test("agents of a node that is killed answer from the others", async () => {
    const before = await list(one);
    const lost = before.filter(({ node }) => node === "node-3").map(({ name }) => name);
    expect(lost).toContain("tally");
    const begin = performance.now();
    await three.kill();
    await Promise.all(lost.filter((name) => name !== "tally").map((name) => askAgent(one, name, "again")));
    console.log(`failover of ${lost.length}: ${(performance.now() - begin).toFixed(0)} ms`);
    const after = await list(two);
    for (const name of lost) {
      const agent = after.find((found) => found.name === name);
      expect(agent?.node).not.toBe("node-3");
      expect(agent?.epoch).toBeGreaterThan(before.find((found) => found.name === name)?.epoch ?? 0);
    }
    expect(await show(one, "tally")).toMatchObject({
      assignment: { cause: "failover", state_lost_with: "node-3" },
    });
    // Its journal was there: it began anew.
    expect(await askAgent(one, "tally", "+1")).toBe("1");
    await untilTold(
      [one, two],
      [
        "Node node-3 detected as failed",
        `Redistributing ${lost.length} agents from node-3`,
        /All agents successfully redistributed \(\d+\.\ds\)/,
      ],
    );
  });

  test("a node that comes back yields what was given away, and keeps its journal for inspection", async () => {
    await three.start();
    const tally = await eventually("the kept journal of node 3", async () => {
      const found = await show(three, "tally");
      return found.kept_journals.length > 0 ? found : undefined;
    });
    expect(tally.kept_journals).toMatchObject([{ node: "node-3", keys: 1 }]);
    expect(tally.node).not.toBe("node-3");
    expect(await askAgent(three, "tally", "+1")).toBe("2");
    // It was lost once: it gets its part of those that may be anywhere.
    await untilTold(
      [one, two],
      [/Rebalancing \d+ agents \(node-3 is back\)/, /All agents successfully rebalanced/],
    );
    expect((await list(one)).some(({ node }) => node === "node-3")).toBe(true);
  });

  test("an owner that sleeps while its agents are given away lets nothing out when it wakes", async () => {
    const ping = "sleeper";
    await deployAgent(one, counter, { name: ping, target_node: "node-3" });
    expect(await askAgent(one, ping, "+1")).toBe("1");
    three.signalGroup("SIGSTOP");
    await eventually("the sleeper has another owner", async () =>
      (await show(one, ping)).node === "node-3" ? undefined : true,
    );
    expect(await askAgent(one, ping, "+1")).toBe("1");
    three.signalGroup("SIGCONT");
    const said = await Promise.all([one, two, three].map((node) => askAgent(node, ping, "+1")));
    expect(said.toSorted()).toEqual(["2", "3", "4"]);
    const { kept_journals } = await eventually("the sleeper yields", async () => {
      const found = await show(three, ping);
      return found.kept_journals.length > 0 ? found : undefined;
    });
    expect(kept_journals).toMatchObject([{ node: "node-3" }]);
  });

  test("a node that restarts in order keeps its agents with what they have", async () => {
    const { node } = await show(one, "tally");
    const home = node === "node-1" ? one : two;
    const other = node === "node-1" ? two : one;
    const { epoch } = await show(other, "tally");
    expect(await home.stop()).toBe(0);
    await home.start();
    expect(await askAgent(other, "tally", "+1")).toBe("3");
    expect(await show(other, "tally")).toMatchObject({ node: home.id, epoch });
  });

  test("a rebalance shows its plan, then moves agents to where there is room", async () => {
    const { moves } = (await one.json("cluster", "rebalance", "--plan")) as {
      readonly moves: readonly { readonly agent: string; readonly to: string; readonly why: string }[];
    };
    const said = await ok(two, "cluster", "rebalance", "--strategy", "even-distribution");
    expect(said).toMatch(/Moved (\d+) of \1 agents \(\d+\.\ds\)$/);
    const moved = moves.find(({ to }) => to === "node-3")?.agent ?? "";
    expect(await askAgent(one, moved, "moved")).toBe("moved");
    expect(await show(one, moved)).toMatchObject({ node: "node-3", assignment: { cause: "rebalanced" } });
    expect(await ok(one, "cluster", "rebalance")).toContain("Nothing to move");
    expect(await ok(one, "cluster", "balance", "--strategy", "least-connections")).toMatch(
      /^Strategy: least_connections\nNODE-ID +CHOSEN/,
    );
  });

  test("an agent in several instances: spread over the nodes, one for each conversation, shown and removed as one", async () => {
    const said = await ok(one, "deploy", counter, "--name", "votes", "--instances", "3");
    expect(said.split("\n")).toHaveLength(3);
    const { instances } = (await two.json("agent", "show", "votes")) as {
      readonly instances: readonly Agent[];
    };
    expect(instances.map(({ name }) => name)).toEqual(["votes-1", "votes-2", "votes-3"]);
    expect(new Set(instances.map(({ node }) => node)).size).toBe(3);
    const send = async (at: TestNodeProcess, conversation: string): Promise<string> => {
      const args = ["--to", "votes", "--content", "+1", "--conversation-id", conversation, "--wait", "20s"];
      const { reply } = (await at.json("message", "send", ...args)) as {
        readonly reply: { readonly sender: string };
      };
      return reply.sender.split("@")[0] ?? "";
    };
    const first = await send(one, "c-1");
    expect(instances.map(({ name }) => name)).toContain(first);
    for (const at of [two, three]) expect(await send(at, "c-1")).toBe(first);
    await ok(one, "agent", "remove", "votes", "--yes");
    expect((await list(one)).some(({ name }) => name.startsWith("votes"))).toBe(false);
    const constrained = await one.cli("deploy", counter, "--name", "picky", "--service", "gpu");
    expect(constrained.code).toBe(1);
    expect(constrained.stderr).toContain('has no service "gpu"');
  });

  test("a node that leaves hands everything over", async () => {
    await ok(one, "agent", "migrate", "tally", "--to", "node-2");
    await ok(one, "cluster", "leave", "--node", "node-2", "--drain-timeout", "30s");
    expect(await two.exited()).toBe(0);
    const left = await eventually("nothing is assigned to node 2", async () => {
      const found = await list(one);
      return found.every(({ node }) => node !== "node-2") ? found : undefined;
    });
    expect(left.length).toBe(agents + 2);
    expect(await askAgent(one, "tally", "+1")).toBe("4");
    expect((await show(one, "tally")).assignment).toMatchObject({ cause: "drained", state_lost_with: null });
  });
});
