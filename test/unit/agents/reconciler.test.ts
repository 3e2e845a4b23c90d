/** What a node does when assignments are late, ended, or switched in the middle of something: never by an old word. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { encodeSpec } from "../../../src/agents/agent-requests.ts";
import type { OwnedAgent } from "../../../src/agents/assignment-table.ts";
import type { DeployRequest } from "../../../src/agents/deployment.ts";
import { present } from "../../../src/base/assert.ts";
import { setBackMove } from "../../../src/agents/set-back.ts";
import { CaxtonError } from "../../../src/base/errors.ts";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { AssignmentStore } from "../../../src/control/assignment-store.ts";
import { ControlClient } from "../../../src/control/control-client.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { testSpec } from "../../support/agent-specs.ts";
import { AgentsNode, prebuiltAgent } from "../../support/agents-node.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { testMessage } from "../../support/messages.ts";
import { SharedDirectory } from "../../support/shared-directory.ts";
import { SingleNodeConsensus } from "../../support/single-node-consensus.ts";
import { until } from "../../support/until.ts";

const agent = "counter" as AgentName;
const [first, second] = ["node-1", "node-2"] as NodeId[] as [NodeId, NodeId];
const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

class Cluster {
  readonly consensus = new SingleNodeConsensus();
  readonly #directory = new SharedDirectory();
  readonly #network = new MemoryPeersNetwork(new VirtualClock());
  readonly #folder = mkdtempSync(join(tmpdir(), "caxton-reconciler-"));
  readonly #running = new Map<NodeId, AgentsNode>();
  #messages = 0;

  constructor() {
    opened.push(async () => {
      for (const node of this.#running.keys()) await this.stop(node);
      this.consensus.state.close();
      rmSync(this.#folder, { recursive: true });
    });
  }

  async start(id: NodeId, known = (): Promise<void> => Promise.resolve()): Promise<AgentsNode> {
    const [membership, peers] = [this.#directory.join(id), this.#network.join(id)];
    const path = join(this.#folder, `${id}.db`);
    const node = await AgentsNode.start({ path, membership, peers, consensus: this.consensus, known });
    this.#running.set(id, node);
    return node;
  }

  async stop(id: NodeId): Promise<void> {
    const node = this.#running.get(id);
    this.#running.delete(id);
    await node?.stop();
  }

  /** Its store as it is now, whole, as it must be stopped for. */
  copy(id: NodeId): { putBack(): void } {
    const path = join(this.#folder, `${id}.db`);
    const files = ["", "-wal", "-shm"].map((end) => `${path}${end}`);
    const kept = files.map((file) => (existsSync(file) ? readFileSync(file) : null));
    return {
      putBack: () => {
        for (const [at, file] of files.entries()) {
          const bytes = kept[at] ?? null;
          if (bytes === null) rmSync(file, { force: true });
          else writeFileSync(file, bytes);
        }
      },
    };
  }

  /** Has it count once more; what it says. */
  async counted(node: AgentsNode): Promise<string | undefined> {
    const before = node.textsFrom(agent).length;
    const id = ++this.#messages;
    const message = { sender: "~alice@node-1", receiver: agent, content: "+1", replyWith: `t-${id}` };
    await node.deliver(testMessage(id, message));
    await until(() => node.textsFrom(agent).length > before);
    return node.textsFrom(agent).at(-1);
  }
}

function counter(): DeployRequest {
  const { priority, capabilities, limits, restart, onNodeLoss, partition, critical } = testSpec(agent);
  const placement = { ...testSpec(agent).placement, targetNode: first };
  const wishes = { priority, capabilities, limits, restart, onNodeLoss, partition, critical, placement };
  const options = { ...wishes, durability: "local" as const };
  return { name: agent, wasm: prebuiltAgent("counter"), options, instances: null, principal: "test" };
}

const ownedOf = (node: AgentsNode): OwnedAgent => present(node.agents.table.get(agent), "the assignment");

/** The node's own replica tells this of the agent, until it is asked again. */
function tellStale(node: AgentsNode, stale: OwnedAgent): () => void {
  const { table } = node.agents;
  table.get = () => stale;
  return () => Reflect.deleteProperty(table, "get");
}

/** Why it was refused; what is awaited inside `expect` keeps Bun's own runner from hearing threads. */
function refusalOf(asked: Promise<unknown>): Promise<unknown> {
  return asked.then(
    () => "not refused",
    (error: unknown) => error,
  );
}

describe("an old word", () => {
  test.each([
    ["of another owner", { node: second, epoch: 0 }],
    ["of an owner here, with another revision", { epoch: 0, revision: 9 }],
    ["of an earlier revision", { revision: 1 }],
  ])("%s changes nothing", async (_, old) => {
    const cluster = new Cluster();
    const node = await cluster.start(first);
    await node.agents.cluster.deploy(counter());
    await node.agents.cluster.deploy(counter());
    expect(await cluster.counted(node)).toBe("1");
    const owned = ownedOf(node);
    const { epoch, revision } = { ...owned, ...old };
    const undo = tellStale(node, { ...owned, ...old, spec: { ...owned.spec, epoch, revision } });
    await node.agents.reconciler.settle(agent);
    undo();
    expect(node.agents.local.get(agent)?.spec).toMatchObject({
      epoch: owned.epoch,
      revision: owned.revision,
    });
    expect(await cluster.counted(node)).toBe("2");
  });
});

describe("a node that does not know yet whether its store is an old copy", () => {
  test("begins no agent for anybody, and gives none away; then it does what was asked", async () => {
    const cluster = new Cluster();
    let known = Promise.withResolvers<void>();
    known.resolve();
    const node = await cluster.start(first, () => known.promise);
    await node.agents.cluster.deploy(counter());
    const { reconciler, local } = node.agents;
    known = Promise.withResolvers<void>();
    const done: string[] = [];
    const settled = reconciler.settle(agent).then(() => done.push("settled"));
    const held = reconciler.holding(agent, () => Promise.resolve(done.push("given away")));
    // Longer than either takes where nothing is to be done.
    await local.detail(agent);
    await local.detail(agent);
    expect(done).toEqual([]);
    known.resolve();
    await Promise.all([settled, held]);
    expect(done.toSorted()).toEqual(["given away", "settled"]);
    known = Promise.withResolvers<void>();
    known.reject(new CaxtonError("unavailable", "nobody says whose its agents are"));
    for (const asked of [reconciler.settle(agent), reconciler.holding(agent, () => Promise.resolve())])
      expect(await refusalOf(asked)).toMatchObject({ code: "unavailable" });
  });
});

describe("a node that is back with an old copy of its store", () => {
  test("goes on from it under a higher epoch, and says so once", async () => {
    const cluster = new Cluster();
    const one = await cluster.start(first);
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    await cluster.stop(first);
    const copy = cluster.copy(first);
    const two = await cluster.start(first);
    expect(await cluster.counted(two)).toBe("2");
    const owned = ownedOf(two);
    await cluster.stop(first);

    copy.putBack();
    const move = present(setBackMove(owned, owned), "the move of a durable agent");
    const client = new ControlClient(cluster.consensus, new VirtualClock(), () => 1_000);
    await new AssignmentStore(client).move({ cause: "failover", term: 0, moves: [move] }, "");
    const back = await cluster.start(first);
    expect(back.events.filter(({ kind }) => kind === "set_back")).toEqual([
      { kind: "set_back", agent, anew: false },
    ]);
    expect(back.agents.local.get(agent)?.spec.epoch).toBeGreaterThan(owned.epoch);
    expect((await back.agents.cluster.show(agent)).assignment).toMatchObject({ lost: first });
    expect(await cluster.counted(back)).toBe("2");
    await cluster.stop(first);
    const again = await cluster.start(first);
    expect(again.events.filter(({ kind }) => kind === "set_back")).toEqual([]);
    expect(await cluster.counted(again)).toBe("3");
  });

  test("begins anew with what the copy has nothing of", async () => {
    const cluster = new Cluster();
    const copy = cluster.copy(first);
    const one = await cluster.start(first);
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    const owned = ownedOf(one);
    const module = await one.store.client.getModule(owned.spec.module);
    await cluster.stop(first);

    copy.putBack();
    const client = new ControlClient(cluster.consensus, new VirtualClock(), () => 1_000);
    const move = present(setBackMove(owned, undefined), "the move of a durable agent");
    expect(move.continues).toBe(0);
    await new AssignmentStore(client).move({ cause: "failover", term: 0, moves: [move] }, "");
    const back = await cluster.start(first);
    await back.store.client.putModule(owned.spec.module, present(module, "the module"));
    await back.agents.reconciler.settle(agent);
    expect(back.events).toContainEqual({ kind: "set_back", agent, anew: true });
    expect(await cluster.counted(back)).toBe("1");
  });

  test.each([
    ["the same epoch", { epoch: 9, continues: 4 }, 9, 9],
    ["the epoch whose journal went on in place", { epoch: 9, continues: 4 }, 4, 4],
    ["an epoch before it was elsewhere", { epoch: 9, continues: 4, transfer: 7 }, 4, 0],
    ["another agent's life under its name", { epoch: 9, continues: 0 }, 4, 0],
  ])("goes on from %s or not", (_, assigned, copied, continues) => {
    const spec = testSpec(agent, { durability: "local", epoch: copied });
    const assignment = { agent, node: first, transfer: 0, spec, ...assigned };
    expect(setBackMove(assignment as unknown as OwnedAgent, { spec })).toEqual({
      ...{ agent, from: first, epoch: 9, to: first, continues, transfer: 0 },
    });
    const forgetful = { ...assignment, spec: testSpec(agent, { durability: "volatile" }) };
    expect(setBackMove(forgetful as unknown as OwnedAgent, { spec })).toBeNull();
  });
});

test("an agent that is removed stays so, although this node has not told all that it had before assignments", async () => {
  const cluster = new Cluster();
  const client = new ControlClient(cluster.consensus, new VirtualClock(), () => 1_000);
  const store = new AssignmentStore(client);
  const broken = testSpec("broken", { module: "0".repeat(64) as ModuleHash, durability: "local" });
  const put = { agent: broken.name, node: first, expected: null, revision: 1, above: 0, continues: 0 };
  await store.put({ ...put, cause: "deployed", suspended: false, spec: encodeSpec(broken) }, "");
  const node = await cluster.start(first);
  expect(node.agents.reconciler.failing).toBe(1);
  await node.agents.cluster.deploy(counter());
  await node.agents.cluster.remove(agent);
  await until(() => !node.agents.local.has(agent));
  await node.agents.table.refresh("linearizable");
  expect([node.agents.table.get(agent), await store.get(agent, "linearizable")]).toEqual([undefined, null]);
});

describe("a hand-over", () => {
  test("of what this node has under an older epoch than it owns is refused, and moves nothing", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    // It is to begin anew here, and cannot put aside yet what it had.
    const { local, assignments, table } = one.agents;
    local.yieldTo = () => Promise.reject(new CaxtonError("disk_full", "no room"));
    const move = { agent, from: first, epoch: ownedOf(one).epoch, to: first, continues: 0, transfer: 0 };
    expect(await assignments.move({ cause: "failover", term: 0, moves: [move] }, "")).toBe(1);
    await table.refresh("linearizable");
    await until(() => one.agents.reconciler.failing === 1);
    expect(await refusalOf(two.agents.cluster.migrate(agent, second))).toMatchObject({ code: "conflict" });
    expect([ownedOf(one).node, two.agents.local.has(agent)]).toEqual([first, false]);
    Reflect.deleteProperty(local, "yieldTo");
    await until(() => local.get(agent)?.spec.epoch === ownedOf(one).epoch);
    await until(() => one.status(agent) === "running");
    expect(await cluster.counted(one)).toBe("1");
  });

  test("that the target cannot take leaves the agent where it is, and it goes on with all that it had", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    Object.assign(two.store.client, {
      putIncoming: () => Promise.reject(new CaxtonError("disk_full", "no room")),
    });
    expect(await refusalOf(two.agents.cluster.migrate(agent, second))).toMatchObject({ code: "disk_full" });
    await until(() => one.status(agent) === "running");
    expect(await cluster.counted(one)).toBe("2");
    expect(await one.store.client.listKept(agent)).toEqual([]);
  });

  test("of more than can be moved is refused before the agent is stopped, and says how much it is", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    const request = counter();
    const limits = { ...request.options.limits, inbox_bytes: 100 * 1024 ** 2 };
    await one.agents.cluster.deploy({ ...request, options: { ...request.options, limits } });
    await one.agents.cluster.suspend(agent);
    const content = "x".repeat(10 * 1024 ** 2 - 1_024);
    for (let id = 900; id < 907; id++)
      await one.deliver(testMessage(id, { sender: "~alice@node-1", receiver: agent, content }));
    const stops: string[] = [];
    const stop = one.agents.threads.stop.bind(one.agents.threads);
    one.agents.threads.stop = (name, ...rest) => {
      stops.push(name);
      return stop(name, ...rest);
    };
    const refused = await refusalOf(two.agents.cluster.migrate(agent, second));
    expect(refused).toMatchObject({
      code: "payload_too_large",
      message: expect.stringMatching(
        /^Agent "counter" has 7\d\.\dMB of mail and state, and at most 60MiB can be moved: it goes on/,
      ) as string,
    });
    expect([stops, ownedOf(one).node, one.status(agent)]).toEqual([[], first, "suspended"]);
    await one.agents.cluster.remove(agent);
  });

  test("whose decision was lost, of an agent that was given away meanwhile, keeps what it had for inspection", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    const { assignments } = one.agents;
    const given = { agent, from: first, epoch: ownedOf(one).epoch, to: second, continues: 0, transfer: 0 };
    assignments.move = async () => {
      Reflect.deleteProperty(assignments, "move");
      // This node is cut off: its move never stood, and a leader gives away what it had.
      await two.agents.assignments.move({ cause: "failover", term: 0, moves: [given] }, "");
      throw new CaxtonError("outcome_unknown", "This node is cut off from the majority");
    };
    expect(await refusalOf(two.agents.cluster.migrate(agent, second))).toMatchObject({ code: "conflict" });
    await until(() => !one.agents.local.has(agent));
    expect(await one.store.client.listKept(agent)).toMatchObject([{ owner: second }]);
    await until(() => two.status(agent) === "running");
    expect(await cluster.counted(two)).toBe("1");
  });

  test("whose decision was lost on the way leaves the agent here, and it goes on with all that it had", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    const { assignments } = one.agents;
    assignments.move = () => {
      Reflect.deleteProperty(assignments, "move");
      return Promise.reject(new CaxtonError("outcome_unknown", "The leader was lost"));
    };
    expect(await refusalOf(two.agents.cluster.migrate(agent, second))).toMatchObject({
      code: "outcome_unknown",
    });
    await until(() => one.status(agent) === "running");
    expect(await cluster.counted(one)).toBe("2");
    expect(await one.store.client.listKept(agent)).toEqual([]);
  });

  test("after which the old node ends at once leaves no copy there, not even one that is kept", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    const switched = Promise.withResolvers<void>();
    one.agents.local.moved = () => {
      switched.resolve();
      return new Promise(() => undefined);
    };
    void two.agents.cluster.migrate(agent, second).catch(() => undefined);
    await switched.promise;
    await cluster.stop(first);
    const again = await cluster.start(first);
    await until(() => !again.agents.local.has(agent));
    expect(await again.store.client.listKept(agent)).toEqual([]);
    await two.agents.table.refresh("linearizable");
    await until(() => two.status(agent) === "running");
    expect(await cluster.counted(two)).toBe("2");
  });
});

describe("a node that gives its agents away", () => {
  test("takes none: what is moved to it is refused and stays, with all that it had; afterwards it takes them again", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    await one.agents.cluster.deploy(counter());
    expect(await cluster.counted(one)).toBe("1");
    two.agents.answers.gives = true;
    const refusal = one.agents.cluster.migrate(agent, second);
    await expect(refusal).rejects.toMatchObject({ code: "no_capacity" });
    await expect(refusal).rejects.toThrow('Node "node-2" takes no agents: it is leaving, or isolated');
    expect(await cluster.counted(one)).toBe("2");
    two.agents.answers.gives = false;
    await one.agents.cluster.migrate(agent, second);
    expect(await cluster.counted(two)).toBe("3");
  });

  test("knows of the one that it admitted just before, until the cluster has decided about it", async () => {
    const cluster = new Cluster();
    const [one, two] = [await cluster.start(first), await cluster.start(second)];
    await one.agents.cluster.deploy(counter());
    const stored = Promise.withResolvers<void>();
    const decided = Promise.withResolvers<void>();
    const { assignments } = one.agents;
    const decide = assignments.move.bind(assignments);
    assignments.move = async (moves, principal) => {
      stored.resolve();
      await decided.promise;
      return await decide(moves, principal);
    };
    const { answers, table } = two.agents;
    expect(answers.expects).toBe(false);
    const moving = one.agents.cluster.migrate(agent, second);
    await stored.promise;
    answers.gives = true;
    expect([answers.expects, table.of(second).size]).toEqual([true, 0]);
    decided.resolve();
    await moving;
    expect([answers.expects, table.of(second).size]).toEqual([false, 1]);
  });
});
