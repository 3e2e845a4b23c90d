/**
 * Three machines (network namespaces) that lose each other's packets by firewall rules on their way in, as a broken
 * network does, while clients on each of them write: the majority serves, and the history is one. Needs root,
 * iproute2 and nftables; says so when it cannot run.
 */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { assertLinearizable, HistoryClients } from "../support/consensus-nodes.ts";
import { canFilter, cut, FirewalledNode } from "../support/firewalled-node.ts";
import { canMakeNamespaces } from "../support/namespaces.ts";
import { eventually } from "../support/node-process.ts";
import { allVote, startThreeMachines, type ThreeMachines } from "../support/three-machines.ts";

const possible = canMakeNamespaces() && canFilter();
if (!possible) console.warn("consensus-partitions.test.ts is not run: it needs root, iproute2 and nftables");

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
