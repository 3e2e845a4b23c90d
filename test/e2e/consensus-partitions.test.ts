/**
 * Three machines (network namespaces) that lose each other's packets by firewall rules on their way in, as a broken
 * network does, while clients on each of them write: the majority serves, and the history is one. Needs root,
 * iproute2 and nftables; says so when it cannot run.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { assertLinearizable, HistoryClients, type LeaderView } from "../support/consensus-nodes.ts";
import { MachineNode } from "../support/machine-node.ts";
import { canMakeNamespaces } from "../support/namespaces.ts";
import { eventually } from "../support/node-process.ts";
import { allVote, startThreeMachines, type ThreeMachines } from "../support/three-machines.ts";

const possible = canMakeNamespaces() && spawnSync("nft", ["--version"]).status === 0;
if (!possible) console.warn("consensus-partitions.test.ts is not run: it needs root, iproute2 and nftables");

/** A machine whose firewall can lose what comes from others. */
class FirewalledNode extends MachineNode {
  async leaderView(): Promise<LeaderView | undefined> {
    return await this.ask<LeaderView>("/api/v1/cluster/leader");
  }

  /** What comes from that machine is lost from now on. */
  deafTo(other: FirewalledNode): void {
    this.#nft("add", "table", "inet", "cut");
    this.#nft("add", "chain", "inet", "cut", "in", "{ type filter hook input priority 0; }");
    this.#nft("add", "rule", "inet", "cut", "in", "ip", "saddr", other.host, "drop");
  }

  hearAll(): void {
    this.#nft("flush", "ruleset");
  }

  #nft(...args: readonly string[]): void {
    const [program, ...rest] = this.command(["nft", ...args]);
    const { status, stderr } = spawnSync(program ?? "", rest);
    if (status !== 0) throw new Error(`nft ${args.join(" ")}: ${stderr.toString().trim()}`);
  }
}

function cut(a: FirewalledNode, b: FirewalledNode): void {
  a.deafTo(b);
  b.deafTo(a);
}

describe.skipIf(!possible)("three machines", () => {
  let cluster: ThreeMachines<FirewalledNode>;
  let nodes: readonly FirewalledNode[] = [];
  let clients = new HistoryClients();

  beforeAll(async () => {
    cluster = await startThreeMachines((machines, index) => new FirewalledNode(machines, index));
    nodes = cluster.nodes;
  });

  afterEach(async () => {
    await clients.end();
    clients = new HistoryClients();
  });

  afterAll(() => cluster?.dispose());

  async function leader(among: readonly FirewalledNode[] = nodes): Promise<FirewalledNode> {
    return await eventually("a leader", async () => {
      for (const node of among) {
        const view = await node.leaderView();
        const found = among.find(({ id }) => id === view?.leader);
        if (view?.quorum === true && found !== undefined) return found;
      }
      return undefined;
    });
  }

  function startClients(key: string): void {
    for (const node of nodes) {
      clients.start(
        { id: node.id, api: "http://127.0.0.1:8080", tokenFile: join(node.dataDir, "admin.token") },
        2,
        [`${key}-1`, `${key}-2`],
        (args) => node.command(args),
      );
    }
  }

  async function through(
    key: string,
    break_: (led: FirewalledNode, others: FirewalledNode[]) => void,
    during: (led: FirewalledNode, others: FirewalledNode[]) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    startClients(key);
    await clients.more(40);
    const led = await leader();
    const others = nodes.filter((node) => node !== led);
    break_(led, others);
    try {
      await clients.more(80);
      await during(led, others);
    } finally {
      for (const node of nodes) node.hearAll();
    }
    await allVote(nodes);
    await clients.more(30);
    assertLinearizable(await clients.end());
  }

  test("the leader cut off from both others, both ways", async () => {
    await through("both", (led, others) => {
      for (const other of others) cut(led, other);
    });
  });

  test("the leader hears nobody, and is heard", async () => {
    await through("deaf", (led, others) => {
      for (const other of others) led.deafTo(other);
    });
  });

  test("nobody hears the leader, and it hears them", async () => {
    await through("mute", (led, others) => {
      for (const other of others) other.deafTo(led);
    });
  });

  test("the leader and one other lost each other, and both reach the third: service goes on, and leadership settles", async () => {
    await through(
      "partial",
      (led, others) => cut(led, others[0] as FirewalledNode),
      async (_led, others) => {
        const middle = others[1] as FirewalledNode;
        // A machine that stands still may cost a leader its term; one that nobody disturbs keeps it.
        await eventually("a leader keeps its term", async () => {
          const term = (await middle.leaderView())?.term;
          await clients.more(150);
          return term !== undefined && (await middle.leaderView())?.term === term ? true : undefined;
        });
      },
    );
  });
});
