/**
 * Cuts that nobody's membership sees, on three machines (network namespaces) whose firewalls lose packets: the leader does
 * not hear one node, and two nodes lost each other, while the third reaches all. Needs root, iproute2 and nftables; says so
 * when it cannot run.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { OverviewAnswer } from "../../src/api/cluster/partition.ts";
import type { StatusAnswer } from "../../src/api/cluster/status.ts";
import { partitionLines } from "../../src/cli/cluster/detect-partition.ts";
import { statusLines } from "../../src/cli/cluster/status.ts";
import { canFilter, cut, FirewalledNode } from "../support/firewalled-node.ts";
import type { Watch } from "../support/machine-node.ts";
import { canMakeNamespaces } from "../support/namespaces.ts";
import { eventually } from "../support/node-process.ts";
import { allAlive, allVote, startThreeMachines, type ThreeMachines } from "../support/three-machines.ts";

const possible = canMakeNamespaces() && canFilter();
if (!possible) console.warn("one-way-cut.test.ts is not run: it needs root, iproute2 and nftables");
const counter = new URL("../../wasm-agents/counter.wasm", import.meta.url).pathname;
const instances = 9;
const names = Array.from({ length: instances }, (_, i) => `bank-${i + 1}`);

interface Agent {
  readonly name: string;
  readonly node: string;
  readonly status: string;
  readonly assignment: { readonly cause: string; readonly state_lost_with: string | null } | null;
  readonly kept_journals: readonly { readonly node: string }[];
}

interface NodeView {
  readonly id: string;
  readonly status: string;
  readonly healthy: boolean;
  readonly available: boolean;
  readonly active_agents: number;
}

describe.skipIf(!possible)("three machines", () => {
  let cluster: ThreeMachines<FirewalledNode>;
  let nodes: readonly FirewalledNode[] = [];
  let watch: Watch | undefined;

  beforeAll(async () => {
    cluster = await startThreeMachines((machines, index) => new FirewalledNode(machines, index));
    nodes = cluster.nodes;
    await deploy("bank", "--instances", String(instances));
  });

  afterEach(() => {
    watch?.stop();
    for (const node of nodes) node.hearAll();
  });

  afterAll(() => cluster?.dispose());

  const at = (index: number): FirewalledNode => nodes[index] as FirewalledNode;

  const deploy = (name: string, ...flags: readonly string[]): Promise<void> =>
    deployBy(at(0), name, ...flags);

  async function deployBy(node: FirewalledNode, name: string, ...flags: readonly string[]): Promise<void> {
    const { code, stderr } = await node.cli("deploy", counter, "--name", name, ...flags);
    expect([stderr, code]).toEqual(["", 0]);
  }

  /** One request to a counter: what it has counted with it, or what else is answered. */
  async function count(from: FirewalledNode, receiver: string, query = "wait=20s"): Promise<string> {
    const { status, body } = await from.request(`/api/v1/messages?${query}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ receiver, performative: "request", content: "+1", conversation_id: "counting" }),
    });
    if (status !== 200 && status !== 202)
      throw new Error(`${receiver}, asked at ${from.id}: ${status} ${body}`);
    const { reply } = JSON.parse(body) as { readonly reply?: { readonly content: string } | null };
    return `${reply?.content ?? ""}`;
  }

  async function agents(from: FirewalledNode): Promise<readonly Agent[]> {
    const answer = await from.ask<{ readonly agents: readonly Agent[] }>("/api/v1/agents?limit=1000");
    return answer?.agents ?? [];
  }

  /** The leader, who is to be deaf to the second, and who reaches both. */
  async function roles(): Promise<readonly [FirewalledNode, FirewalledNode, FirewalledNode]> {
    const led = await eventually("a leader", async () => {
      const view = await at(0).leaderView();
      return view?.quorum === true ? nodes.find(({ id }) => id === view.leader) : undefined;
    });
    const [second, third] = nodes.filter((node) => node !== led) as [FirewalledNode, FirewalledNode];
    return [led, second, third];
  }

  async function tells(
    node: FirewalledNode,
    command: "status" | "detect",
    ...lines: string[]
  ): Promise<string[]> {
    return await eventually(`${node.id}: ${lines.join("; ")}`, async () => {
      let shown: string[] = [];
      if (command === "status") {
        const answer = await node.ask<StatusAnswer>("/api/v1/cluster/status");
        shown = answer === undefined ? [] : statusLines(answer, false);
      } else {
        const answer = await node.ask<OverviewAnswer>("/api/v1/cluster/partition");
        shown = answer === undefined ? [] : partitionLines(answer, "auto");
      }
      if (lines.every((line) => shown.some((each) => each.startsWith(line)))) return shown;
      throw new Error(shown.join("; "));
    });
  }

  async function well(): Promise<void> {
    for (const node of nodes) await node.until(allAlive);
    await allVote(nodes);
    for (const node of nodes) {
      await tells(node, "status", "Status: HEALTHY (majority partition)", `Lease: held by ${node.id}`);
      await tells(node, "detect", "No partition detected (3 of 3 voters in reach)");
    }
  }

  test("the leader does not hear a node that another voter reaches: that one leads, and nothing is lost", async () => {
    const [led, lost, third] = await roles();
    await deploy("kept", "--instances", "6");
    const kept = Array.from({ length: 6 }, (_, i) => `kept-${i + 1}`);
    for (const name of kept) expect(await count(led, name)).toBe("1");
    const placesOf = async (): Promise<string[]> =>
      (await agents(third))
        .filter(({ name }) => kept.includes(name))
        .map(({ name, node }) => `${name} ${node}`);
    const places = await placesOf();
    expect(places.some((place) => place.endsWith(lost.id))).toBe(true);

    watch = third.watch();
    led.deafTo(lost);
    await tells(lost, "status", "Status: DEGRADED (minority", `Lease: not held by ${lost.id}`);
    for (const node of nodes) {
      await eventually(`${node.id} follows ${third.id}`, async () => {
        const view = await node.leaderView();
        return view?.leader === third.id && view.quorum ? true : undefined;
      });
      await tells(node, "status", "Status: HEALTHY", `Lease: held by ${node.id}`);
    }
    for (const name of kept) expect([name, await count(third, name)]).toEqual([name, "2"]);
    expect(await placesOf()).toEqual(places);
    const text = `Leadership goes to ${third.id}, which hears ${lost.id}: ${led.id} does not`;
    await eventually(`${third.id}'s watch tells of it`, () =>
      watch?.lines().some((line) => line.includes(text)) === true ? true : undefined,
    );

    led.hearAll();
    await well();
    for (const name of kept) expect([name, await count(lost, name)]).toEqual([name, "3"]);
    for (const name of kept)
      expect((await led.request(`/api/v1/agents/${name}`, { method: "DELETE" })).status).toBe(200);
  });

  // Leadership was given away a moment ago, and is not again: as where no other voter reaches it.
  test("the leader does not hear a node that another reaches: its agents answer from elsewhere, and all three say what is so", async () => {
    const [led, lost, third] = await roles();
    await deploy("waits", "--target-node", lost.id, "--on-node-loss", "wait");
    await deploy("goes-on", "--target-node", lost.id, "--partition", "continue");
    const counted = new Map<string, number>();
    for (const name of [...names, "waits"]) counted.set(name, Number(await count(led, name)));
    expect(new Set(counted.values())).toEqual(new Set([1]));
    const gone = (await agents(led)).filter(({ name, node }) => names.includes(name) && node === lost.id);
    expect(gone.length).toBeGreaterThan(0);
    for (const { name } of gone) counted.set(name, 0);
    /** Each answers with the next number: who began anew from one on, the others go on. */
    const countAt = async (from: FirewalledNode, asked: readonly string[]): Promise<void> => {
      for (const name of asked) {
        const next = (counted.get(name) ?? 0) + 1;
        expect([from.id, name, await count(from, name)]).toEqual([from.id, name, `${next}`]);
        counted.set(name, next);
      }
    };

    watch = third.watch();
    led.deafTo(lost);
    await tells(lost, "status", "Status: DEGRADED (minority", `Lease: not held by ${lost.id}`);
    for (const node of [led, third]) {
      await eventually(`${node.id} knows other owners`, async () => {
        const all = (await agents(node)).filter(({ name }) => names.includes(name));
        const runs = all.every((agent) => agent.node !== lost.id && agent.status === "running");
        return all.length === instances && runs ? true : undefined;
      });
    }
    await countAt(led, names);
    await countAt(third, names);

    const silent = `No lease: ${lost.id}, since the leader (${led.id}) does not hear it`;
    const sides = [
      `Partition 1: [${[led.id, third.id].toSorted().join(", ")}] (majority)`,
      `Partition 2: [${lost.id}] (minority)`,
      `Action: ${lost.id} entering degraded mode`,
    ];
    const [low, high] = [led.id, lost.id].toSorted();
    const cutLine = `Cut: ${low} and ${high} do not reach each other`;
    await tells(led, "detect", ...sides, silent, cutLine);
    await tells(third, "detect", ...sides, silent, cutLine);
    await tells(lost, "detect", ...sides, cutLine);
    for (const node of [led, third]) {
      await tells(node, "status", `Status: DEGRADED (the leader does not hear ${lost.id})`, silent);
      const all = await agents(node);
      const statusOf = (name: string): string | undefined => all.find((each) => each.name === name)?.status;
      expect([statusOf("waits"), statusOf("goes-on")]).toEqual(["parked", "running"]);
      const { nodes: shown = [] } =
        (await node.ask<{ nodes: readonly NodeView[] }>("/api/cluster/nodes")) ?? {};
      const takes = shown.map(({ id, healthy, available }) => [id, healthy, available]);
      expect(takes).toEqual(nodes.map(({ id }) => [id, id !== lost.id, id !== lost.id]));
    }
    const watched = (text: string): Promise<true> =>
      eventually(`${third.id}'s watch tells "${text}"`, () =>
        watch?.lines().some((line) => line.includes(text)) === true ? true : undefined,
      );
    await watched(`The leader (${led.id}) does not hear ${lost.id}`);
    await watched(`Redistributing ${gone.length} agents from ${lost.id}`);
    const own = await lost.ask<NodeView>(`/api/cluster/nodes/${lost.id}`);
    expect(own).toMatchObject({ healthy: false, available: false });

    await deployBy(led, "late", "--instances", "3");
    const late = (await agents(led)).filter(({ name }) => name.startsWith("late-"));
    expect(late.map(({ node }) => node)).not.toContain(lost.id);
    const refused = await led.cli("deploy", counter, "--name", "nowhere", "--target-node", lost.id);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("has no lease")]);

    led.hearAll();
    await well();
    await countAt(lost, ["waits"]);
    // What the node had of those that were given away is kept there, and it gets its part again.
    for (const { name } of gone) {
      const shown = await eventually(`the kept journal of ${name}`, async () => {
        const agent = await lost.ask<Agent>(`/api/v1/agents/${name}`);
        return (agent?.kept_journals.length ?? 0) > 0 ? agent : undefined;
      });
      expect(shown.kept_journals).toMatchObject([{ node: lost.id }]);
    }
    await eventually(`${lost.id} has its part again`, async () => {
      const moved = (await agents(third)).filter(({ assignment }) => assignment?.cause === "rebalanced");
      return moved.some(({ node }) => node === lost.id) ? true : undefined;
    });
    await watched(`The leader hears ${lost.id} again`);
    for (const node of nodes) await countAt(node, names);
  });

  test("two nodes lost each other and both reach the leader: each says so, and what was queued arrives once", async () => {
    await well();
    const [, one, other] = await roles();
    await deploy("far", "--target-node", other.id);
    expect(await count(one, "far")).toBe("1");
    cut(one, other);
    const [low, high] = [one.id, other.id].toSorted();
    const lines = [`Cut: ${low} and ${high} do not reach each other`, "Action: none by itself"];
    for (const node of nodes) await tells(node, "detect", ...lines);
    for (const node of nodes) await tells(node, "status", "Status: HEALTHY", `Lease: held by ${node.id}`);
    for (let sent = 0; sent < 5; sent++) await count(one, "far", "");
    one.hearAll();
    other.hearAll();
    // The same lane: it comes after the others.
    expect(await count(one, "far", "wait=60s")).toBe("7");
    await well();
  });
});
