/** A node that starts has its modules before it knows what they are for: none goes, and what is missing comes from a peer. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AssignmentTable } from "../../../src/agents/assignment-table.ts";
import { LocalAgents } from "../../../src/agents/local-agents.ts";
import { ModuleKeepers } from "../../../src/agents/module-keepers.ts";
import { hashModule, ModuleShelf } from "../../../src/agents/module-shelf.ts";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { AssignmentStore } from "../../../src/control/assignment-store.ts";
import { ControlClient } from "../../../src/control/control-client.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { systemClock } from "../../../src/platform/node/clock.ts";
import { startStoreThread, type StoreThread } from "../../../src/store/store-thread.ts";
import { createPreparer } from "../../../src/wasm/prepare-thread.ts";
import { testSpec } from "../../support/agent-specs.ts";
import { encodeSpec } from "../../../src/agents/agent-requests.ts";
import { AgentsNode, prebuiltAgent } from "../../support/agents-node.ts";
import { MembershipTable } from "../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { SharedDirectory } from "../../support/shared-directory.ts";
import { SingleNodeConsensus } from "../../support/single-node-consensus.ts";
import { until } from "../../support/until.ts";

const [one, two] = ["node-1", "node-2"] as [NodeId, NodeId];
const echo = prebuiltAgent("echo");
const used = hashModule(echo);
const left = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const agent = "echo" as AgentName;
/** Longer than changes are gathered for. */
const late_ms = 5_000;

let folder: string;
let consensus: SingleNodeConsensus;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "caxton-modules-"));
  consensus = new SingleNodeConsensus();
});
afterEach(() => {
  consensus.state.close();
  rmSync(folder, { recursive: true });
});

/** What a node has of modules; its agents are not loaded and its table is not read. */
function partsOf(store: StoreThread) {
  const clock = new VirtualClock();
  const membership = new MembershipTable(one, [two]);
  const failed = (what: string, reason: string): never => {
    throw new Error(`${what}: ${reason}`);
  };
  const never = (): never => failed("this test", "runs no agent");
  const assignments = new AssignmentStore(new ControlClient(consensus, systemClock, () => 2_000));
  const table = new AssignmentTable(assignments, consensus, systemClock, failed);
  const preparer = createPreparer();
  const prepared: ModuleHash[] = [];
  const local = new LocalAgents({
    store: store.client,
    membership,
    threads: never,
    modules: () => modules,
    maxAgents: 10,
    fence: never,
    event: never,
    failed,
  });
  const stored = () => store.client.listModules();
  const shelf = () => ({
    keep: (hash: ModuleHash, first: NodeId) => modules.keep(hash, first),
    release: (hash: ModuleHash) => modules.release(hash),
    prepare: (want: Parameters<ModuleShelf["prepare"]>[0]) => {
      prepared.push(want.module);
      return modules.prepare(want);
    },
  });
  const keepers = new ModuleKeepers({ table, membership, modules: shelf, stored, clock, failed });
  const modules: ModuleShelf = new ModuleShelf({
    store: store.client,
    preparer,
    membership,
    peers: new MemoryPeersNetwork(clock).join(one),
    inUse: (hash) => local.usesModule(hash) || keepers.wants(hash),
    keepers: (hash) => keepers.of(hash),
    clock,
  });
  const close = async (): Promise<void> => {
    keepers.close();
    table.close();
    await preparer.close();
    await store.client.close();
    await store.ended;
  };
  return { clock, membership, table, local, keepers, modules, prepared, close };
}

/** Starts nodes of one cluster, each with its folder. */
function cluster(): (node: NodeId) => Promise<AgentsNode> {
  const directory = new SharedDirectory();
  const network = new MemoryPeersNetwork(new VirtualClock());
  return (node) =>
    AgentsNode.start({
      path: join(folder, `${node}.db`),
      membership: directory.join(node),
      peers: network.join(node),
      consensus,
    });
}

test("a slow start loses no module: none goes before it is known whose it is", async () => {
  const store = await startStoreThread(join(folder, "store.db"));
  await store.client.saveAgent({ spec: { ...testSpec("echo"), module: used }, suspended: false });
  await store.client.putModule(used, echo);
  await store.client.putModule(hashModule(left), left);
  const hashes = async () => new Set((await store.client.listModules()).map(({ hash }) => hash));
  const { clock, membership, table, local, keepers, modules, close } = partsOf(store);
  try {
    // Others are seen long before this node has read what it had.
    membership.setStatus(two, "failed");
    membership.setStatus(two, "alive");
    clock.advance(late_ms);
    await modules.release(used);
    expect(await hashes()).toEqual(new Set([used, hashModule(left)]));
    await local.load();
    await table.refresh("linearizable");
    membership.setStatus(two, "alive");
    clock.advance(late_ms);
    await modules.release(hashModule(left));
    expect(await hashes()).toEqual(new Set([used, hashModule(left)]));
    keepers.begin();
    clock.advance(late_ms);
    let now = await hashes();
    await until(() => {
      void hashes().then((each) => (now = each));
      return !now.has(hashModule(left));
    });
    expect(now).toEqual(new Set([used]));
  } finally {
    await close();
  }
});

test("an agent whose module is gone from its node begins with a peer's copy", async () => {
  const start = cluster();
  const other = await start(two);
  let node = await start(one);
  try {
    const { module: _, name, ...options } = testSpec("echo");
    const placement = { ...options.placement, targetNode: one };
    const request = { options: { ...options, placement }, instances: null, principal: "test" };
    await node.agents.cluster.deploy({ ...request, name, wasm: echo });
    expect((await other.store.client.listModules()).map(({ hash }) => hash)).toEqual([used]);
    await node.stop();
    const store = await startStoreThread(join(folder, `${one}.db`));
    await store.client.removeModule(used);
    await store.client.close();
    await store.ended;
    node = await start(one);
    await until(() => node.status(agent) === "running");
    expect(node.lost).toEqual([]);
    expect((await node.store.client.listModules()).map(({ hash }) => hash)).toEqual([used]);
  } finally {
    await node.stop();
    await other.stop();
  }
});

test("an agent whose module nobody has says why it does not begin", async () => {
  const start = cluster();
  const [node, other] = [await start(one), await start(two)];
  try {
    const spec = { ...testSpec("orphan"), module: hashModule(left) };
    const to = { agent: spec.name, node: one, expected: null, revision: 1, above: 0, continues: 0 };
    const put = { ...to, cause: "deployed" as const, suspended: false, spec: encodeSpec(spec) };
    await node.agents.assignments.put(put, "");
    await until(() => node.agents.reconciler.failing > 0);
    const reasons = [node, other].map(async ({ agents }) => {
      const shown = await agents.cluster.show(spec.name);
      return [shown.status, shown.detail?.reason];
    });
    const why = expect.stringContaining(`Cannot fetch module ${hashModule(left).slice(0, 12)}`);
    expect(await Promise.all(reasons)).toEqual([
      ["starting", why],
      ["starting", why],
    ]);
  } finally {
    await node.stop();
    await other.stop();
  }
});

test("modules of a node that may be gone are made ready before it is known to be", async () => {
  const store = await startStoreThread(join(folder, "store.db"));
  await store.client.putModule(used, echo);
  const { table, keepers, prepared, close } = partsOf(store);
  try {
    const assignments = new AssignmentStore(new ControlClient(consensus, systemClock, () => 2_000));
    for (const name of ["first", "second"]) {
      const spec = { ...testSpec(name), module: used };
      const to = { agent: spec.name, node: two, expected: null, revision: 1, above: 0, continues: 0 };
      await assignments.put({ ...to, cause: "deployed", suspended: false, spec: encodeSpec(spec) }, "");
    }
    await table.refresh("linearizable");
    keepers.makeReady(one);
    expect(prepared).toEqual([]);
    keepers.makeReady(two);
    expect(prepared).toEqual([used]);
  } finally {
    await close();
  }
});
