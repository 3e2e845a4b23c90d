/**
 * Three real voters, and what becomes of their votes and leases: an owner that is stopped and goes on, a node that
 * comes back on an old disk, one that is to be removed while it is needed, and those that leave one after the other.
 */
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBootClock } from "../../src/platform/bun/boot-clock.ts";
import { openDatabases } from "../../src/platform/node/database.ts";
import { askAgent, deployAgent } from "../support/agent-requests.ts";
import { leaderOf, leaderView, startVoters, untilVoters } from "../support/consensus-nodes.ts";
import { eventually, type TestNodeProcess } from "../support/node-process.ts";
import { question_ms } from "../support/patience.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { thorough } from "../support/thorough.ts";

const echo = new URL("../../wasm-agents/echo.wasm", import.meta.url).pathname;
let nodes: TestNodeProcess[] = [];
let one: TestNodeProcess;
let two: TestNodeProcess;
let three: TestNodeProcess;

beforeAll(async () => {
  nodes = await startVoters(3);
  [one, two, three] = nodes as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
});

afterAll(async () => {
  for (const node of nodes) node.signalGroup("SIGCONT");
  await Promise.all(nodes.map((node) => node.dispose()));
});

describe("an owner that is stopped and goes on", () => {
  const counter = new URL("../../wasm-agents/counter.wasm", import.meta.url).pathname;
  const lease_ms = 2_000;
  const clock = openBootClock();
  let owner: TestNodeProcess;
  let others: TestNodeProcess[];

  beforeAll(async () => {
    const leader = await leaderOf(nodes);
    owner = nodes.find((node) => node !== leader) as TestNodeProcess;
    others = nodes.filter((node) => node !== owner);
    await deployAgent(owner, counter, { name: "visits", target_node: owner.id, on_node_loss: "wait" });
    await untilHeld(1);
  });

  afterAll(async () => {
    await owner.fetch("/api/v1/agents/visits", { method: "DELETE" });
  });

  /** Read from the node itself, as Prometheus would. */
  async function metric(name: string): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${owner.metricsPort}/metrics`, {
      signal: AbortSignal.timeout(question_ms),
    });
    const line = (await answer.text()).split("\n").find((text) => text.startsWith(`${name} `));
    return Number(line?.split(" ")[1]);
  }

  async function untilHeld(held: 0 | 1): Promise<void> {
    await eventually(`the lease is ${held === 1 ? "held" : "lost"}`, async () =>
      (await metric("caxton_lease_held")) === held ? true : undefined,
    );
  }

  async function visit(): Promise<void> {
    expect(await askAgent(owner, "visits", "1")).toMatch(/^\d+$/);
  }

  function handled(): Promise<number> {
    return metric("caxton_agent_messages_handled_total");
  }

  /** For longer than any lease lasts. */
  async function stoppedFor(time_ms: number): Promise<void> {
    owner.signalGroup("SIGSTOP");
    const end_ms = clock.now_ms() + time_ms;
    await eventually("the time has passed", () => (clock.now_ms() > end_ms ? true : undefined));
  }

  test("has lost its lease, and gets it back from the leader", async () => {
    await visit();
    const losses = await metric("caxton_lease_losses_total");
    await stoppedFor(5_000);
    owner.signalGroup("SIGCONT");
    await untilHeld(1);
    expect(await metric("caxton_lease_losses_total")).toBe(losses + 1);
    await visit();
  });

  test("lets nothing of its agents out while no cluster is there", async () => {
    const before = await handled();
    await stoppedFor(lease_ms + 500);
    for (const node of others) node.signalGroup("SIGSTOP");
    owner.signalGroup("SIGCONT");
    expect(await metric("caxton_lease_held")).toBe(0);
    expect(await metric("caxton_agents_parked")).toBe(1);
    const visited = await owner.cli(
      ...["message", "send", "--to", "visits", "--content", "1", "--wait", "2s"],
    );
    expect(visited.code).not.toBe(0);
    const queued = await owner.cli("message", "send", "--to", "visits", "--content", "1");
    expect(queued.stdout).toContain("queued");
    expect(await handled()).toBe(before);
    expect(await metric("caxton_lease_held")).toBe(0);
    for (const node of others) node.signalGroup("SIGCONT");
    await untilHeld(1);
    // What was sent meanwhile has waited in the outbox.
    await eventually("the waiting message is handled", async () =>
      (await handled()) > before ? true : undefined,
    );
    await visit();
  });
});

async function put(node: TestNodeProcess): Promise<number> {
  const answer = await node.fetch("/api/v1/kv/a", {
    method: "PUT",
    headers: { "content-type": "text/plain" },
    body: "1",
  });
  await answer.arrayBuffer();
  return answer.status;
}

test("a voter that is needed is not removed by force", async () => {
  await three.kill();
  for (const node of [one, two])
    await eventually(`node-3 is known to be gone at ${node.id}`, async () =>
      (await node.statuses())["node-3"] === "failed" ? true : undefined,
    );
  // Before somebody leads, and has heard from the other one, it is refused for that.
  await eventually("the leader knows who is well", async () => {
    const answer = await one.fetch("/api/v1/cluster/remove", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ node: "node-2", force: true }),
    });
    const told = await answer.text();
    if (answer.ok || told.includes("1 of the other 2 voters is well, 2 are needed")) return true;
    throw new Error(told);
  });
  const refused = await one.cli("cluster", "remove", "--node", "node-2", "--force");
  expect(refused.code).toBe(6);
  expect(refused.stderr).toContain("would lose its quorum");
  await eventually("the two go on", async () => ((await put(one)) < 300 ? true : undefined));
  await three.start();
  await eventually("node-3 is back", async () =>
    (await leaderView(three))?.quorum === true ? true : undefined,
  );
});

test("a voter that is not needed is removed by force, is told, and ends; its agent goes on elsewhere", async () => {
  await untilVoters(nodes, 3);
  const deployed = await one.cli("deploy", echo, "--name", "helper", "--target-node", "node-3");
  expect(deployed.stderr).toBe("");
  const removed = await one.cli("cluster", "remove", "--node", "node-3", "--force");
  expect(`${removed.stderr}${removed.stdout}`).toBe("Removed node-3\n");
  expect(await three.exited()).toBe(8);
  expect(three.output).toContain("An operator removed this node from cluster");
  await eventually("node-3 is no member any more", async () => {
    const members = (await leaderView(two))?.members.map(({ node }) => node);
    return members?.toSorted().join() === "node-1,node-2" ? true : undefined;
  });
  await eventually("its agent runs elsewhere", async () => {
    const { agents } = (await one.ask("/api/v1/agents")) as {
      readonly agents: readonly { readonly name: string; readonly node: string; readonly status: string }[];
    };
    const helper = agents.find(({ name }) => name === "helper");
    return helper?.status === "running" && helper.node !== "node-3" ? true : undefined;
  });
  await three.start();
  await untilVoters(nodes, 3);
});

describe("a node on a copy of its disk of an earlier day, whose voters never heard of the days since", () => {
  const files = openDatabases();
  const root = temporaryDirectory("old-disk");

  afterAll(() => root.remove());

  /** As the first node's copy of the control state has it. */
  function bootWritten(of: string): number {
    const database = files.open(join(one.dataDir, "control.db"), { readonly: true });
    try {
      const row = database.prepare("SELECT boot_epoch FROM nodes WHERE id = ?").get(of);
      return Number(row?.["boot_epoch"] ?? 0);
    } finally {
      database.close();
    }
  }

  async function untilWritten({ id, dataDir }: TestNodeProcess): Promise<number> {
    const identity = JSON.parse(readFileSync(join(dataDir, "node.json"), "utf8")) as { bootEpoch: number };
    await eventually(`the last boot of ${id} is written down`, () =>
      bootWritten(id) === identity.bootEpoch ? true : undefined,
    );
    return identity.bootEpoch;
  }

  // Seven starts of nodes, so in thorough runs only: that such a node may not vote is `unit/cluster/consensus`' to show always.
  test.skipIf(!thorough)(
    "may not vote with it: the cluster's own record of its boots tells, and it begins anew",
    async () => {
      const first = await untilWritten(three);
      await three.stop();
      const old = join(root.path, "copy");
      cpSync(three.dataDir, old, { recursive: true });
      await three.start();
      expect(await untilWritten(three)).toBeGreaterThan(first);
      await Promise.all(nodes.map((node) => node.stop()));
      rmSync(three.dataDir, { recursive: true });
      cpSync(old, three.dataDir, { recursive: true });
      for (const node of nodes) {
        const log = files.open(join(node.dataDir, "raft.db"));
        log.execute("DELETE FROM raft_seen");
        log.close();
      }
      await Promise.all(nodes.map((node) => node.start()));
      await eventually("node-3 is told", () =>
        three.output.includes("The Raft data was set aside, and this node takes part anew")
          ? true
          : undefined,
      );
      expect(three.output).toMatch(
        /has heard of boot \d+ of this node, and its Raft log was last opened in \d+/,
      );
      await untilVoters(nodes, 3);
    },
  );
});

test("voters that leave in turn give their votes away first", async () => {
  for (const node of [three, two]) {
    const left = await node.cli("cluster", "leave", "--drain-timeout", "1s");
    expect(left.stderr).toBe("");
    expect(await node.exited()).toBe(0);
  }
  await eventually("node-1 goes on alone", async () => ((await put(one)) < 300 ? true : undefined));
  await eventually("nobody else votes", async () => {
    const view = await leaderView(one);
    const voters = view?.members.filter(({ role }) => role === "voter").map(({ node }) => node);
    return voters?.join() === "node-1" ? true : undefined;
  });
});
