/** Agents of real WebAssembly on real threads and a real store: bombs, restarts, deployment across nodes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DeployRequest } from "../../../src/agents/cluster-agents.ts";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import type { Peers } from "../../../src/cluster/peers.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { Message } from "../../../src/wire/message.ts";
import { testSpec, type SpecFields } from "../../support/agent-specs.ts";
import { AgentsNode, prebuiltAgent } from "../../support/agents-node.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { testMessage } from "../../support/messages.ts";
import { SharedDirectory } from "../../support/shared-directory.ts";
import { until } from "../../support/until.ts";

const name = (text: string): AgentName => text as AgentName;
let id = 0;
const to = (receiver: string, content: string): Message =>
  testMessage(++id, { sender: "~alice@node-1", receiver, content, replyWith: `t-${id}` });

function request(agent: string, wasm: Uint8Array, fields: SpecFields = {}): DeployRequest {
  const { durability, priority, capabilities, limits, restart, placement, onNodeLoss, partition } = testSpec(
    agent,
    fields,
  );
  return {
    name: name(agent),
    wasm,
    options: { durability, priority, capabilities, limits, restart, placement, onNodeLoss, partition },
    principal: "test",
  };
}

class Cluster {
  readonly directory = new SharedDirectory();
  readonly #network = new MemoryPeersNetwork(new VirtualClock());
  readonly folder = mkdtempSync(join(tmpdir(), "caxton-agents-"));
  readonly nodes = new Map<string, AgentsNode>();
  #boots = 0;

  async start(node: string, maxAgents?: number): Promise<AgentsNode> {
    const membership = this.directory.join(node as NodeId);
    const peers = this.#network.join(node as NodeId);
    const path = join(this.folder, `${node}.db`);
    const started = await AgentsNode.start({
      path,
      membership,
      peers,
      seed: ++this.#boots,
      ...(maxAgents === undefined ? {} : { maxAgents }),
    });
    this.nodes.set(node, started);
    return started;
  }

  peersOf(node: string): Peers {
    return this.#network.join(node as NodeId);
  }

  async stop(node: string): Promise<void> {
    await this.nodes.get(node)?.stop();
    this.nodes.delete(node);
  }

  /** As if the nodes had just started, empty; faster. */
  async reset(): Promise<void> {
    for (const node of this.nodes.values()) {
      for (const { name: agent } of node.agents.cluster.list()) await node.agents.cluster.remove(agent);
      await node.store.client.takeDeadLetters("all");
      for (const list of [node.events, node.sent, node.lost]) list.length = 0;
    }
  }

  async end(): Promise<void> {
    for (const node of [...this.nodes.keys()]) await this.stop(node);
    rmSync(this.folder, { recursive: true });
  }
}

describe("one node", () => {
  let cluster: Cluster;
  let node: AgentsNode;
  beforeAll(async () => {
    cluster = new Cluster();
    node = await cluster.start("node-1");
  });
  afterEach(() => cluster.reset());
  afterAll(() => cluster.end());

  test("hosts an agent that answers, and its detail and logs can be asked", async () => {
    const done = await node.agents.cluster.deploy(request("echo", prebuiltAgent("echo")));
    expect(done).toMatchObject({
      created: true,
      agent: { node: "node-1", status: "running", revision: 1, epoch: 1 },
    });
    expect(await node.deliver(to("echo", "hello"))).toBe("accepted");
    await until(() => node.sent.length === 1);
    expect(node.textsFrom("echo")).toEqual(["hello"]);
    const shown = await node.agents.cluster.show(name("echo"));
    expect(shown.detail).toMatchObject({ handled: 1, inbox: 0, traps: 0 });
    expect(await node.agents.cluster.logs(name("echo"), 10)).toEqual([]);
  });

  test("each bomb is stopped for its reason, its message becomes a dead letter, and no neighbour is hurt", async () => {
    const { cluster: agents } = node.agents;
    await agents.deploy(request("echo", prebuiltAgent("echo")));
    const bombs = {
      "endless-loop": "fuel",
      "endless-recursion": "call_depth",
      "memory-bomb": "memory",
      "huge-fill": "fuel",
      "bad-pointer": "abi",
    };
    for (const [bomb, kind] of Object.entries(bombs)) {
      await agents.deploy(request(bomb, prebuiltAgent(`misbehaving-${bomb}`)));
      await node.deliver(to("echo", `before ${bomb}`));
      await node.deliver(to(bomb, "go"));
      await node.deliver(to(bomb, `${bomb} lives`));
      await node.deliver(to("echo", `after ${bomb}`));
      await until(() => node.textsFrom(bomb).length > 0);
      await until(() => node.textsFrom("echo").includes(`after ${bomb}`));
      expect(node.textsFrom(bomb)).toEqual([`${bomb} lives`]);
      expect(node.events).toContainEqual(expect.objectContaining({ kind: "trap", agent: bomb, trap: kind }));
      // The client that sent it can be told.
      expect(node.events).toContainEqual(
        expect.objectContaining({
          kind: "dead_letter",
          reason: `trap:${kind}`,
          request: expect.objectContaining({ sender: "~alice@node-1", receiver: bomb }) as Message,
        }),
      );
      const { detail } = await agents.show(name(bomb));
      expect(detail).toMatchObject({ reason: "", trap_kinds: { [kind]: 1 }, last_trap: { kind } });
    }
    expect(node.textsFrom("echo")).toHaveLength(10);
    const { trapsByKind } = await node.agents.threads.stats();
    expect(trapsByKind).toEqual({ fuel: 2, call_depth: 1, memory: 1, abi: 1 });
    const letters = await node.store.client.listDeadLetters({ limit: 10, cursor: null });
    expect(letters.items.map(({ reason }) => reason).toSorted()).toEqual(
      Object.values(bombs)
        .map((kind) => `trap:${kind}`)
        .toSorted(),
    );
  });

  test("what cannot run is refused and leaves nothing behind", async () => {
    const { cluster: agents } = node.agents;
    await expect(
      agents.deploy(request("loop", prebuiltAgent("misbehaving-init-loop"), { limits: { fuel: 1_000_000 } })),
    ).rejects.toMatchObject({ code: "agent_failed" });
    await expect(
      agents.deploy(request("table", prebuiltAgent("misbehaving-huge-table"))),
    ).rejects.toMatchObject({ code: "invalid_module" });
    await expect(
      agents.deploy(request("mute", prebuiltAgent("echo"), { capabilities: ["log"] })),
    ).rejects.toMatchObject({ code: "invalid_module" });
    expect(agents.list()).toEqual([]);
    expect(await node.store.client.listAgents()).toEqual([]);
    expect(await node.store.client.listModules()).toEqual([]);
  });

  test("agents, state and mail come back when the node does", async () => {
    const before = node;
    await before.agents.cluster.deploy(request("counter", prebuiltAgent("counter"), { durability: "local" }));
    await before.agents.cluster.deploy(request("echo", prebuiltAgent("echo")));
    await before.deliver(to("counter", "one"));
    await until(() => before.textsFrom("counter").length === 1);
    await before.agents.cluster.suspend(name("counter"));
    expect(await before.deliver(to("counter", "two"))).toBe("accepted");
    await cluster.stop("node-1");

    node = await cluster.start("node-1");
    const after = node;
    expect([after.status("counter"), after.status("echo")]).toEqual(["suspended", "running"]);
    await after.agents.cluster.resume(name("counter"));
    await until(() => after.textsFrom("counter").length === 1);
    expect([...before.textsFrom("counter"), ...after.textsFrom("counter")]).toEqual(["1", "2"]);
  });

  test("a thread that dies takes no durable agent with it: all come back on a new one", async () => {
    await node.agents.cluster.deploy(request("counter", prebuiltAgent("counter"), { durability: "local" }));
    await node.agents.cluster.deploy(request("echo", prebuiltAgent("echo")));
    await node.deliver(to("counter", "one"));
    await until(() => node.textsFrom("counter").length === 1);
    node.killThread();
    await until(() => node.lost.length > 0);
    await until(() => node.status("counter") === "running" && node.status("echo") === "running");
    expect(await node.deliver(to("counter", "two"))).toBe("accepted");
    await until(() => node.textsFrom("counter").length === 2);
    expect(node.textsFrom("counter")).toEqual(["1", "2"]);
  });

  test("a removed agent is gone, with its module, and its name can be used again", async () => {
    const { cluster: agents } = node.agents;
    await agents.deploy(request("echo", prebuiltAgent("echo"), { durability: "local" }));
    await agents.deploy(request("echo", prebuiltAgent("echo-c"), { durability: "local" }));
    expect((await agents.show(name("echo"))).revision).toBe(2);
    expect(await node.store.client.listModules()).toHaveLength(1);
    await agents.remove(name("echo"));
    await expect(agents.show(name("echo"))).rejects.toMatchObject({ code: "agent_not_found" });
    expect(await node.deliver(to("echo", "x"))).toBe("unknown_agent");
    expect(await node.store.client.listModules()).toEqual([]);
    expect((await agents.deploy(request("echo", prebuiltAgent("echo")))).created).toBe(true);
  });
});

describe("two nodes", () => {
  let cluster: Cluster;
  let one: AgentsNode;
  let two: AgentsNode;
  beforeAll(async () => {
    cluster = new Cluster();
    one = await cluster.start("node-1");
    two = await cluster.start("node-2");
  });
  afterEach(() => cluster.reset());
  afterAll(() => cluster.end());

  const target = (node: string | null): SpecFields => ({
    placement: { strategy: "round_robin", preferNodes: [], targetNode: node as NodeId | null },
  });

  test("an agent goes where it is placed, its module with it, and is asked about from anywhere", async () => {
    const done = await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo"), target("node-2")));
    expect(done.agent).toMatchObject({ node: "node-2", status: "running", detail: { handled: 0 } });
    expect([one.agents.local.size, two.agents.local.size]).toEqual([0, 1]);
    expect(await one.store.client.listModules()).toEqual([]);
    expect(await two.store.client.listModules()).toHaveLength(1);
    expect(await two.deliver(to("echo", "hello"))).toBe("accepted");
    await one.agents.cluster.suspend(name("echo"));
    expect(two.status("echo")).toBe("suspended");
    expect((await one.agents.cluster.show(name("echo"))).status).toBe("suspended");
    await one.agents.cluster.resume(name("echo"));
    expect(await one.agents.cluster.logs(name("echo"), 5)).toEqual([]);
    await one.agents.cluster.remove(name("echo"));
    expect(two.agents.local.size).toBe(0);
  });

  test("why an agent failed is told at any node, and a resumed one is failed no more", async () => {
    const bomb = prebuiltAgent("misbehaving-endless-loop");
    const restart = { policy: "fail", maxRestarts: 0 } as const;
    await one.agents.cluster.deploy(request("bomb", bomb, { ...target("node-2"), restart }));
    await two.deliver(to("bomb", "go"));
    await until(() => two.status("bomb") === "failed");
    const failed = await one.agents.cluster.show(name("bomb"));
    expect(failed.detail?.reason).toMatch(/^Trapped \(fuel: .*its policy is to fail$/);
    expect(failed.detail).toMatchObject({ trap_kinds: { fuel: 1 }, last_trap: { kind: "fuel" } });
    await one.agents.cluster.resume(name("bomb"));
    const resumed = await one.agents.cluster.show(name("bomb"));
    expect(resumed.detail).toMatchObject({ reason: "", trap_kinds: { fuel: 1 } });
  });

  test("without a target a new revision stays; with one it moves under a higher epoch and says what it leaves", async () => {
    await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo"), target("node-2")));
    const second = await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo-c"), target(null)));
    expect(second).toMatchObject({ created: false, agent: { node: "node-2", revision: 2, epoch: 1 } });
    const third = await two.agents.cluster.deploy(request("echo", prebuiltAgent("echo-c"), target("node-1")));
    expect(third).toMatchObject({ created: false, agent: { node: "node-1", revision: 3, epoch: 2 } });
    expect(third.why).toContain("its state was not");
    expect([one.agents.local.size, two.agents.local.size]).toEqual([1, 0]);
  });

  test("two claims on one name: the lower one stops, and its mail is in the dead letters", async () => {
    await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo"), target("node-1")));
    await one.agents.cluster.suspend(name("echo"));
    await one.deliver(to("echo", "stranded"));
    cluster.directory.announce(
      "node-2" as NodeId,
      [{ agent: name("echo"), epoch: 5, revision: 1, status: "running", module: testSpec("echo").module }],
      [],
    );
    await until(() => one.events.some((event) => event.kind === "yielded"));
    expect(one.agents.local.size).toBe(0);
    const letters = await one.store.client.listDeadLetters({ limit: 10, cursor: null });
    expect(letters.items.map(({ reason }) => reason)).toEqual(["agent_removed"]);
    expect(two.agents.local.size).toBe(0);
    cluster.directory.announce("node-2" as NodeId, [], [name("echo")]);
  });

  test("bodies of a peer that are not what they should be are refused and change nothing", async () => {
    const peers = cluster.peersOf("node-9");
    const ask = (method: string, body: string): Promise<Uint8Array> =>
      peers.request("node-1" as NodeId, method, new TextEncoder().encode(body), { timeout_ms: 1_000 });
    const spec = testSpec("echo");
    const bodies = [
      "",
      "{",
      "null",
      "[]",
      `{"spec":{}}`,
      JSON.stringify({ spec: { ...spec, name: "../up" } }),
      JSON.stringify({ spec: { ...spec, extra: 1 } }),
    ];
    for (const body of bodies)
      await expect(ask("agents.start", body)).rejects.toMatchObject({ code: "invalid_body" });
    await expect(ask("agents.stop", `{"name":"nobody"}`)).rejects.toMatchObject({ code: "agent_not_found" });
    await expect(ask("agents.logs", `{"name":"echo","limit":1e9}`)).rejects.toMatchObject({
      code: "invalid_body",
    });
    await expect(ask("modules.get", "x".repeat(64))).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(ask("agents.start", JSON.stringify({ spec }))).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(one.agents.local.size).toBe(0);
  });
});

test("a node with its full number of agents refuses one more, whoever asks, and takes new revisions", async () => {
  const cluster = new Cluster();
  const node = await cluster.start("node-1", 1);
  try {
    const echo = prebuiltAgent("echo");
    await node.agents.cluster.deploy(request("first", echo));
    await expect(node.agents.cluster.deploy(request("second", echo))).rejects.toMatchObject({
      code: "no_capacity",
      message: expect.stringContaining("node.max_agents") as string,
    });
    expect(node.agents.local.size).toBe(1);
    const again = await node.agents.cluster.deploy(request("first", prebuiltAgent("counter")));
    expect(again.agent.revision).toBe(2);
    await node.agents.cluster.remove(name("first"));
    await node.agents.cluster.deploy(request("second", echo));
  } finally {
    await cluster.end();
  }
});
