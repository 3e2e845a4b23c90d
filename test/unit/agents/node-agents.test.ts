/** Agents of real WebAssembly on real threads and a real store: bombs, restarts, deployment across nodes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DeployRequest } from "../../../src/agents/deployment.ts";
import { present } from "../../../src/base/assert.ts";
import { CaxtonError } from "../../../src/base/errors.ts";
import { hashModule } from "../../../src/agents/module-shelf.ts";
import { startStoreThread } from "../../../src/store/store-thread.ts";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import type { Peers } from "../../../src/cluster/peers/peers.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { Message } from "../../../src/wire/message.ts";
import { testSpec, type SpecFields } from "../../support/agent-specs.ts";
import { AgentsNode, prebuiltAgent } from "../../support/agents-node.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { testMessage } from "../../support/messages.ts";
import { SharedDirectory } from "../../support/shared-directory.ts";
import { SingleNodeConsensus } from "../../support/single-node-consensus.ts";
import { agentBuilder, code } from "../../support/wasm-builder.ts";
import { until } from "../../support/until.ts";

const name = (text: string): AgentName => text as AgentName;
let id = 0;
const to = (receiver: string, content: string): Message =>
  testMessage(++id, { sender: "~alice@node-1", receiver, content, replyWith: `t-${id}` });

function request(agent: string, wasm: Uint8Array, fields: SpecFields = {}): DeployRequest {
  const { durability, priority, capabilities, limits, restart, placement, onNodeLoss, partition, critical } =
    testSpec(agent, fields);
  return {
    name: name(agent),
    wasm,
    options: {
      durability,
      priority,
      capabilities,
      limits,
      restart,
      placement,
      onNodeLoss,
      partition,
      critical,
    },
    instances: null,
    principal: "test",
  };
}

/** An attempt that was under way when the agent was taken back lets go of its module at its end. */
async function withoutModules(node: AgentsNode): Promise<void> {
  let left = -1;
  await until(() => {
    void node.store.client.listModules().then(({ length }) => (left = length));
    return left === 0;
  });
}

type NodeOptions = Pick<
  Parameters<typeof AgentsNode.start>[0],
  "maxAgents" | "memory_bytes" | "threads" | "ceilings"
>;

class Cluster {
  readonly directory = new SharedDirectory();
  readonly consensus = new SingleNodeConsensus();
  readonly #network = new MemoryPeersNetwork(new VirtualClock());
  readonly folder = mkdtempSync(join(tmpdir(), "caxton-agents-"));
  readonly nodes = new Map<string, AgentsNode>();
  mayAct = true;
  /** Nodes that the leader does not hear. */
  readonly unheard = new Set<NodeId>();
  #boots = 0;

  async start(node: string, options: NodeOptions = {}): Promise<AgentsNode> {
    const membership = this.directory.join(node as NodeId);
    const peers = this.#network.join(node as NodeId);
    const path = join(this.folder, `${node}.db`);
    const started = await AgentsNode.start({
      path,
      membership,
      peers,
      consensus: this.consensus,
      seed: ++this.#boots,
      mayAct: () => this.mayAct,
      isUnheard: (id) => this.unheard.has(id),
      ...options,
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
    this.consensus.state.close();
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
      agent: { node: "node-1", status: "running", revision: 1 },
    });
    expect(await node.deliver(to("echo", "hello"))).toBe("accepted");
    await until(() => node.sent.length === 1);
    expect(node.textsFrom("echo")).toEqual(["hello"]);
    const shown = await node.agents.cluster.show(name("echo"));
    expect(shown.detail).toMatchObject({ handled: 1, inbox: 0, traps: 0 });
    expect(await node.agents.cluster.logs(name("echo"), 10)).toEqual([]);
  });

  test("an assignment that nobody can read is shown as failed, and can be deployed over and removed", async () => {
    const { cluster: agents, assignments, table } = node.agents;
    const put = (agent: string) =>
      assignments.put(
        {
          ...{ agent: name(agent), node: "node-1" as NodeId, expected: null, revision: 1, above: 0 },
          ...{ cause: "deployed", continues: 0, suspended: false, spec: new Uint8Array([0x7b, 0x7d]) },
        },
        "",
      );
    await put("odd");
    await put("echo");
    await table.refresh("linearizable");
    expect(agents.list().map((agent) => [agent.name, agent.status])).toEqual([
      ["echo", "failed"],
      ["odd", "failed"],
    ]);
    const shown = await agents.show(name("odd"));
    expect(shown.unreadable).toMatch(
      /^What it is to be cannot be read here \(.*\): deploy it again, or remove it$/,
    );
    await expect(agents.suspend(name("odd"))).rejects.toThrow("deploy it again, or remove it");
    await agents.remove(name("odd"));
    const deployed = await agents.deploy(request("echo", prebuiltAgent("echo")));
    expect(deployed.agent).toMatchObject({ status: "running", revision: 2 });
    expect(agents.list().map((agent) => agent.name)).toEqual(["echo"]);
  });

  test("shows them as parked while it has no lease, except those that go on without one", async () => {
    const { cluster: agents } = node.agents;
    await agents.deploy(request("echo", prebuiltAgent("echo")));
    await agents.deploy(request("going-on", prebuiltAgent("echo"), { partition: "continue" }));
    await agents.deploy(request("resting", prebuiltAgent("echo")));
    await agents.suspend(name("resting"));
    const statuses = (): string[] => agents.list().map(({ status }) => status);
    cluster.mayAct = false;
    try {
      expect(statuses()).toEqual(["parked", "running", "suspended"]);
      expect((await agents.show(name("echo"))).status).toBe("parked");
    } finally {
      cluster.mayAct = true;
    }
    expect(statuses()).toEqual(["running", "running", "suspended"]);
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
    await withoutModules(node);
    expect(await node.store.client.listAgents()).toEqual([]);
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
    placement: {
      strategy: "round_robin",
      preferNodes: [],
      targetNode: node as NodeId | null,
      services: [],
      region: null,
      zone: null,
    },
  });

  test("an agent goes where it is placed, its module with it, and is asked about from anywhere", async () => {
    const done = await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo"), target("node-2")));
    expect(done.agent).toMatchObject({ node: "node-2", status: "running", detail: { handled: 0 } });
    expect([one.agents.local.size, two.agents.local.size]).toEqual([0, 1]);
    // A copy stays where it could be had from when node 2 is lost.
    expect(await one.store.client.listModules()).toHaveLength(1);
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

  test("agents of a node that the leader does not hear are parked, and none moves there", async () => {
    const { cluster: agents } = one.agents;
    await agents.deploy(request("echo", prebuiltAgent("echo"), target("node-2")));
    await agents.deploy(
      request("going-on", prebuiltAgent("echo"), { ...target("node-2"), partition: "continue" }),
    );
    await agents.deploy(request("here", prebuiltAgent("echo"), target("node-1")));
    cluster.unheard.add("node-2" as NodeId);
    try {
      expect(agents.list().map(({ status }) => status)).toEqual(["parked", "running", "running"]);
      const moving = agents.migrate(name("here"), "node-2" as NodeId);
      await expect(moving).rejects.toMatchObject({
        code: "no_capacity",
        message: expect.stringContaining("does not hear it") as string,
      });
      expect((await agents.show(name("here"))).node).toBe("node-1");
    } finally {
      cluster.unheard.clear();
    }
    expect(agents.list().map(({ status }) => status)).toEqual(["running", "running", "running"]);
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

  test("without a target a new revision stays; with one it moves under a higher epoch", async () => {
    await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo"), target("node-2")));
    const second = await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo-c"), target(null)));
    const { epoch } = second.agent;
    expect(second).toMatchObject({ created: false, agent: { node: "node-2", revision: 2 } });
    const third = await two.agents.cluster.deploy(request("echo", prebuiltAgent("echo-c"), target("node-1")));
    expect(third).toMatchObject({ created: false, agent: { node: "node-1", revision: 3 } });
    expect(third.agent.epoch).toBeGreaterThan(epoch);
    expect(third.why).toContain('moved from "node-2"');
    expect([one.agents.local.size, two.agents.local.size]).toEqual([1, 0]);
  });

  test("a higher epoch elsewhere ends it here, and what it had is kept and not replayed", async () => {
    const durable = { ...target("node-1"), durability: "local" as const };
    await one.agents.cluster.deploy(request("counter", prebuiltAgent("counter"), durable));
    await one.deliver(to("counter", "one"));
    await until(() => one.textsFrom("counter").length === 1);
    await one.agents.cluster.suspend(name("counter"));
    await one.deliver(to("counter", "stranded"));
    const { epoch } = present(one.agents.table.get(name("counter")), "the assignment");
    const move = { agent: name("counter"), from: "node-1" as NodeId, epoch, to: "node-2" as NodeId };
    const moves = [{ ...move, continues: 0, transfer: 0 }];
    expect(await two.agents.assignments.move({ cause: "failover", term: 0, moves }, "")).toBe(1);
    expect(await two.agents.assignments.move({ cause: "failover", term: 0, moves }, "")).toBe(0);
    await until(() => one.events.some((event) => event.kind === "yielded"));
    await until(() => two.status("counter") === "suspended");
    expect(two.events).toContainEqual({ kind: "lost", agent: "counter", from: "node-1" });
    await two.agents.cluster.resume(name("counter"));
    await two.deliver(to("counter", "afresh"));
    await until(() => two.textsFrom("counter").length === 1);
    expect(two.textsFrom("counter")).toEqual(["1"]);
    const shown = await two.agents.cluster.show(name("counter"));
    expect(shown.kept).toMatchObject([{ node: "node-1", epoch, owner: "node-2", inbox: 1, keys: 1 }]);
    expect(shown.assignment).toMatchObject({ cause: "failover", previous: "node-1", lost: "node-1" });
    expect((await one.store.client.listAgents()).length).toBe(0);
  });

  test("an agent moves with its state and its mail, and back", async () => {
    const durable = { ...target("node-1"), durability: "local" as const };
    await one.agents.cluster.deploy(request("mover", prebuiltAgent("counter"), durable));
    await one.deliver(to("mover", "one"));
    await until(() => one.textsFrom("mover").length === 1);
    await one.agents.cluster.suspend(name("mover"));
    await one.deliver(to("mover", "waits"));
    const moved = await two.agents.cluster.migrate(name("mover"), "node-2" as NodeId);
    expect(moved).toMatchObject({ node: "node-2", assignment: { cause: "migrated", lost: null }, kept: [] });
    expect([one.agents.local.size, two.agents.local.size]).toEqual([0, 1]);
    await two.agents.cluster.resume(name("mover"));
    await until(() => two.textsFrom("mover").length === 1);
    await one.agents.cluster.migrate(name("mover"), "node-1" as NodeId);
    await one.deliver(to("mover", "three"));
    await until(() => one.textsFrom("mover").length === 2);
    expect([...one.textsFrom("mover"), ...two.textsFrom("mover")].toSorted()).toEqual(["1", "2", "3"]);
  });

  test("an agent stays where it has what it asked for", async () => {
    cluster.directory.describe("node-1" as NodeId, { services: ["gpu"], zone: "a" });
    const { placement } = { ...testSpec("any") };
    for (const wish of [{ services: ["gpu"] }, { zone: "a" }]) {
      await one.agents.cluster.deploy(
        request("picky", prebuiltAgent("echo"), { placement: { ...placement, ...wish } }),
      );
      const refusal = await one.agents.cluster
        .migrate(name("picky"), "node-2" as NodeId)
        .catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: "no_capacity" });
      expect(one.status("picky")).toBe("running");
      await one.agents.cluster.remove(name("picky"));
    }
    cluster.directory.describe("node-1" as NodeId, {});
  });

  test("a move whose outcome is lost is undone or done, never both", async () => {
    const durable = { ...target("node-1"), durability: "local" as const };
    await one.agents.cluster.deploy(request("counter", prebuiltAgent("counter"), durable));
    cluster.consensus.quorum = false;
    const refusal = await one.agents.cluster
      .migrate(name("counter"), "node-2" as NodeId)
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "no_quorum" });
    cluster.consensus.quorum = true;
    await until(() => one.status("counter") === "running");
    expect(await one.deliver(to("counter", "one"))).toBe("accepted");
    await until(() => one.textsFrom("counter").length === 1);
    expect(two.agents.local.size).toBe(0);
  });

  test.each(["lost_before", "lost_after"] as const)(
    "a move whose answer is lost (%s) ends at one node",
    async (fault) => {
      const durable = { ...target("node-1"), durability: "local" as const };
      await one.agents.cluster.deploy(request("counter", prebuiltAgent("counter"), durable));
      await one.deliver(to("counter", "one"));
      await until(() => one.textsFrom("counter").length === 1);
      const { epoch } = present(one.agents.table.get(name("counter")), "the assignment");
      const { assignments } = one.agents;
      const decide = assignments.move.bind(assignments);
      assignments.move = async (moves, principal) => {
        assignments.move = decide;
        if (fault === "lost_after") await decide(moves, principal);
        throw new CaxtonError("outcome_unknown", "The leader was lost");
      };
      const moved = await two.agents.cluster
        .migrate(name("counter"), "node-2" as NodeId)
        .then(() => true)
        .catch((error: unknown) => (expect(error).toMatchObject({ code: "outcome_unknown" }), false));
      expect(moved).toBe(fault === "lost_after");
      const [owner, other] = moved ? [two, one] : [one, two];
      await until(() => owner.status("counter") === "running");
      expect(other.agents.local.has(name("counter"))).toBe(false);
      // Whatever of the move is under way still comes too late.
      expect(present(one.agents.table.get(name("counter")), "it").epoch).toBeGreaterThan(epoch);
      const move = { agent: name("counter"), from: "node-1" as NodeId, epoch, to: "node-2" as NodeId };
      const late = {
        cause: "migrated",
        term: 0,
        moves: [{ ...move, continues: epoch, transfer: 1 }],
      } as const;
      expect(await one.agents.assignments.move(late, "")).toBe(0);
      await owner.deliver(to("counter", "two"));
      await until(() => owner.textsFrom("counter").at(-1) === "2");
    },
  );

  test("only the journal that a hand-over names goes on: any other is kept, on the old owner and on the same node", async () => {
    const durable = { ...target("node-1"), durability: "local" as const };
    const table = one.agents.table;
    for (const next of ["node-2", "node-1"] as NodeId[]) {
      const agent = name(`counter-of-${next}`);
      await one.agents.cluster.deploy(request(agent, prebuiltAgent("counter"), durable));
      await one.deliver(to(agent, "one"));
      await until(() => one.textsFrom(agent).length === 1);
      const { epoch } = present(table.get(agent), "the assignment");
      const move = { agent, from: "node-1" as NodeId, epoch, to: next };
      // To the other by a hand-over of a later owner; to itself by a failover.
      const ended =
        next === "node-2" ? { continues: epoch + 1_000, transfer: 5 } : { continues: 0, transfer: 0 };
      const cause = next === "node-2" ? "migrated" : "failover";
      await one.agents.assignments.move({ cause, term: 0, moves: [{ ...move, ...ended }] }, "");
      await table.refresh("linearizable");
      await one.agents.reconciler.yieldGiven();
      const here = one.agents.local.get(agent)?.spec.epoch;
      expect(here, next).toBe(next === "node-2" ? undefined : table.get(agent)?.epoch);
      const owner = next === "node-2" ? two : one;
      await until(() => owner.status(agent) === "running");
      const shown = await one.agents.cluster.show(agent);
      expect(shown.kept, next).toMatchObject([{ node: "node-1", epoch, keys: 1 }]);
      const lost = { kind: "lost", agent, from: "node-1" };
      expect(owner.events).toContainEqual(next === "node-2" ? lost : { kind: "set_back", agent, anew: true });
      await one.agents.cluster.remove(agent);
      await cluster.reset();
    }
  });

  test("without a quorum nothing is deployed, and what was refused leaves nothing behind", async () => {
    cluster.consensus.quorum = false;
    const deployed = one.agents.cluster.deploy(request("echo", prebuiltAgent("echo"), target("node-1")));
    await expect(deployed).rejects.toMatchObject({ code: "no_quorum", exit: 7 });
    cluster.consensus.quorum = true;
    expect(one.agents.cluster.list()).toEqual([]);
    expect(one.agents.local.size).toBe(0);
  });

  test("what a removal finds on a node that was away goes when it is back", async () => {
    await one.agents.cluster.deploy(request("echo", prebuiltAgent("echo"), target("node-2")));
    await cluster.stop("node-2");
    cluster.directory.setStatus("node-2" as NodeId, "failed");
    await one.agents.cluster.remove(name("echo"));
    two = await cluster.start("node-2");
    expect(two.agents.local.size).toBe(0);
    expect(await two.store.client.listAgents()).toEqual([]);
  });

  test("agents from before the assignments are told to the cluster as they are", async () => {
    await cluster.stop("node-2");
    const path = join(cluster.folder, "node-2.db");
    rmSync(path);
    const store = await startStoreThread(path);
    const module = prebuiltAgent("echo");
    const hash = hashModule(module);
    await store.client.putModule(hash, module);
    const spec = testSpec("old", { module: hash, epoch: 4, revision: 7, durability: "local" });
    await store.client.saveAgent({ spec, suspended: true });
    await store.client.close();
    await store.ended;
    two = await cluster.start("node-2");
    await until(() => two.status("old") === "suspended");
    await until(() => one.agents.table.get(name("old")) !== undefined);
    const owned = present(one.agents.table.get(name("old")), "the assignment");
    expect(owned).toMatchObject({ node: "node-2", revision: 7, cause: "adopted", suspended: true });
    expect(owned.epoch).toBeGreaterThan(4);
    await until(() => two.agents.local.get(name("old"))?.spec.epoch === owned.epoch);
  });

  test("bodies of a peer that are not what they should be are refused and change nothing", async () => {
    const peers = cluster.peersOf("node-9");
    const ask = (method: string, body: string): Promise<Uint8Array> =>
      peers.request("node-1" as NodeId, method, new TextEncoder().encode(body), { timeout_ms: 1_000 });
    const bodies = [
      "",
      "{",
      "null",
      "[]",
      `{"spec":{}}`,
      JSON.stringify({ name: "../up" }),
      JSON.stringify({ name: "echo", extra: 1 }),
    ];
    for (const body of bodies)
      await expect(ask("agents.settle", body)).rejects.toMatchObject({ code: "invalid_body" });
    await expect(ask("agents.resume", `{"name":"nobody"}`)).rejects.toMatchObject({
      code: "agent_not_found",
    });
    await expect(ask("agents.incoming", "echo")).rejects.toMatchObject({ code: "invalid_body" });
    await expect(ask("agents.logs", `{"name":"echo","limit":1e9}`)).rejects.toMatchObject({
      code: "invalid_body",
    });
    await expect(ask("modules.get", "x".repeat(64))).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(ask("modules.keep", "0".repeat(64))).rejects.toMatchObject({ code: "unavailable" });
    expect(one.agents.local.size).toBe(0);
  });
});

test("a node with its full number of agents refuses one more, whoever asks, and takes new revisions", async () => {
  const cluster = new Cluster();
  const node = await cluster.start("node-1", { maxAgents: 1 });
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

test("the agents of a node stay within its budget of memory: growth is refused to the guest, a deployment to the developer", async () => {
  const cluster = new Cluster();
  const node = await cluster.start("node-1", { memory_bytes: 4 * 1024 ** 2, threads: 2 });
  const { cluster: agents, threads } = node.agents;
  await agents.deploy(request("echo", prebuiltAgent("echo")));
  const { budget_bytes } = threads.memory;
  const withEcho_bytes = threads.memory.used_bytes;
  expect(withEcho_bytes).toBeGreaterThan(0);
  await agents.deploy(request("greedy", greedyAgent(), { limits: { memory_bytes: 64 * 1024 ** 2 } }));
  await node.deliver(to("greedy", "grow"));
  await until(() => node.events.some((event) => event.kind === "trap"));
  expect(node.events.find((event) => event.kind === "trap")).toMatchObject({ trap: "memory" });
  expect(threads.memory.used_bytes).toBeLessThanOrEqual(budget_bytes);
  await node.deliver(to("echo", "hello"));
  await until(() => node.textsFrom("echo").length === 1);
  const large = agentBuilder([], { pages: 65 }).build();
  await expect(agents.deploy(request("large", large))).rejects.toMatchObject({
    code: "no_capacity",
    message: expect.stringMatching(
      /"large" begins with 4160KiB of memory, and the agents of this node have \d+KiB of 4MiB \(agents\.memory_budget\)/,
    ),
  });
  await agents.remove(name("greedy"));
  await until(() => threads.memory.used_bytes === withEcho_bytes);
  await agents.remove(name("echo"));
  await until(() => threads.memory.used_bytes === 0);
  await cluster.end();
});

/** Takes all memory that it is given, a page at a time, and gives up when there is no more. */
function greedyAgent(): Uint8Array {
  const grow = [...code.i32(1), 0x40, 0, ...code.i32(-1), 0x46, ...code.if([0x00])];
  return agentBuilder(code.loop([...grow, ...code.br(0)])).build();
}

test("a deployment above a ceiling of its cluster is refused, and leaves nothing behind", async () => {
  const cluster = new Cluster();
  const node = await cluster.start("node-1", { ceilings: { max_fuel: 100_000_000, max_per_subject: 1 } });
  const { cluster: agents } = node.agents;
  const limits = { ...testSpec("a").limits, fuel: 100_000_001 };
  await expect(agents.deploy(request("a", prebuiltAgent("echo"), { limits }))).rejects.toThrow(
    "agents.max_fuel is 100000000 here",
  );
  await agents.deploy(request("a", prebuiltAgent("echo")));
  await agents.deploy(request("a", prebuiltAgent("echo")));
  await expect(agents.deploy(request("b", prebuiltAgent("echo")))).rejects.toThrow(
    "agents.max_per_subject is 1",
  );
  expect(agents.list().map((agent) => agent.name)).toEqual(["a"]);
  await cluster.end();
});

test("of deployments at the same moment as many stay as a subject may have, at whichever nodes it asks", async () => {
  const cluster = new Cluster();
  const ceilings = { max_per_subject: 2 };
  const nodes = [await cluster.start("node-1", { ceilings }), await cluster.start("node-2", { ceilings })];
  const asked = await Promise.allSettled(
    Array.from({ length: 6 }, (_, n) =>
      present(nodes[n % 2], "a node").agents.cluster.deploy(request(`a${n}`, prebuiltAgent("echo"))),
    ),
  );
  const refused = asked.flatMap((one) => (one.status === "rejected" ? [one.reason as CaxtonError] : []));
  expect(refused.map(({ code }) => code)).toEqual(Array.from({ length: 4 }, () => "limit_exceeded"));
  await until(() => nodes.every((node) => node.agents.table.size === 2));
  const names = (node: AgentsNode): string[] => node.agents.cluster.list().map((agent) => agent.name);
  await until(() => nodes.every((node) => names(node).length === 2));
  const kept = asked.flatMap((one, n) => (one.status === "fulfilled" ? [`a${n}`] : []));
  expect(names(present(nodes[0], "a node"))).toEqual(kept);
  await cluster.end();
});
