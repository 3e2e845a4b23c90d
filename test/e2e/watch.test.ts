/**
 * What `caxton cluster watch` tells of three machines while one is killed, stopped, cut off or restarts: every line of
 * it, and nothing else. Needs root and iproute2; says so when it cannot run.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MachineNode, type Watch } from "../support/machine-node.ts";
import { eventually } from "../support/node-process.ts";
import { canMakeNamespaces } from "../support/namespaces.ts";
import { allAlive, startThreeMachines, type ThreeMachines } from "../support/three-machines.ts";
import { type Fate, misfit } from "../support/watched-nodes.ts";

const echo = new URL("../../wasm-agents/echo.wasm", import.meta.url).pathname;
const possible = canMakeNamespaces();
if (!possible) console.warn("watch.test.ts is not run: it needs root and iproute2 on Linux");

/**
 * Who leads is another matter: of a machine that stood still or was cut off, whether it noticed is chance, and so is
 * whether it lasted for long enough to be a partition. And what shows that a watch is on.
 */
const apart = new RegExp(
  [
    "entering degraded mode",
    "is (?:isolated|in a minority) now$",
    "Partition (?:policy|healed)",
    "Cluster synchronized",
    "This node has (?:no lease|its lease again)",
    "No leader with a quorum is known here",
    String.raw`leads in term \d+`,
    "Members of consensus: ",
    "Agent 'marker' is (?:starting|running) on node-2$",
  ].join("|"),
);

/** The lines of one watch, each looked at once. */
class Watched {
  #from = 0;

  constructor(
    readonly node: MachineNode,
    readonly watch: Watch = node.watch(),
  ) {}

  get lines(): readonly string[] {
    return this.watch.lines().slice(this.#from);
  }

  /** Null when what it told since it was last asked is the story of these nodes. */
  misfit(fates: Readonly<Record<string, Fate>>): string | null {
    const lines = this.lines.filter((line) => !apart.test(line));
    const text = misfit(lines, fates);
    return text && `the watch at ${this.node.id}: ${text}`;
  }

  seen(): void {
    this.#from = this.watch.lines().length;
  }

  /** It tells of a marker that is deployed until it does. */
  async on(): Promise<void> {
    await eventually(`the watch at ${this.node.id} is on`, async () => {
      const { code, stderr } = await this.node.cli(
        ...["deploy", echo, "--name", "marker", "--target-node", "node-2"],
      );
      if (code !== 0) throw new Error(stderr);
      return this.lines.some((line) => line.includes("marker")) ? true : undefined;
    });
    this.seen();
  }
}

describe.runIf(possible)("cluster watch tells what happened and nothing else", () => {
  let watches: Watched[] = [];
  let cluster: ThreeMachines;
  let one: MachineNode;
  let two: MachineNode;
  let three: MachineNode;

  beforeAll(async () => {
    cluster = await startThreeMachines((machines, index) => new MachineNode(machines, index));
    [one, two, three] = cluster.nodes;
    watches = cluster.nodes.map((node) => new Watched(node));
    for (const watched of watches) await watched.on();
  });

  afterAll(async () => {
    for (const { watch } of watches) watch.stop();
    await cluster.dispose();
  });

  /** Plays the story, and each watch tells of the nodes what is wanted of it, and nothing else. */
  async function story(
    play: () => Promise<void>,
    ...wanted: readonly Readonly<Record<string, Fate>>[]
  ): Promise<void> {
    await play();
    const misfits = (): string[] =>
      wanted.flatMap((fates, at) => (watches[at] as Watched).misfit(fates) ?? []);
    await eventually("the watches tell the story", () => {
      const [first] = misfits();
      if (first !== undefined) throw new Error(first);
      return true;
    });
    // Something more may come late.
    for (const node of cluster.nodes) await node.until(allAlive);
    expect(misfits()).toEqual([]);
    for (const watched of watches) watched.seen();
  }

  const stayed = { "node-1": "stayed", "node-2": "stayed", "node-3": "stayed" } as const;

  test("nothing, while nothing happens", async () => {
    await story(
      async () => {
        for (let i = 0; i < 5; i++) await one.ask("/api/v1/cluster/ping?node=node-2");
      },
      ...[stayed, stayed, stayed],
    );
  });

  test("a machine's processes are killed, and it starts again", async () => {
    watches[2]?.watch.stop();
    const here = { ...stayed, "node-3": "was away and restarted" } as const;
    await story(
      async () => {
        await three.killed();
        await one.until({ ...allAlive, "node-3": "failed" });
        await two.until({ ...allAlive, "node-3": "failed" });
        three.launch(one);
        await three.until(allAlive);
      },
      ...[here, here],
    );
    watches[2] = new Watched(three);
    await watches[2].on();
  });

  test("a node's process crashes and its launcher starts it anew", async () => {
    const pid = three.nodePid();
    const here = { ...stayed, "node-3": "restarted" } as const;
    await story(
      async () => {
        process.kill(pid, "SIGKILL");
        await eventually("there is a new process", () => (three.nodePid() === pid ? undefined : true));
        await three.until(allAlive);
        // Its own watch is back, too.
        await watches[2]?.on();
      },
      ...[here, here],
    );
  });

  test("all of a machine stands still, and goes on", async () => {
    const here = { ...stayed, "node-3": "was away" } as const;
    const slept = "stayed while I slept" as const;
    await story(
      async () => {
        three.signal("SIGSTOP");
        await one.until({ ...allAlive, "node-3": "failed" });
        await two.until({ ...allAlive, "node-3": "failed" });
        three.signal("SIGCONT");
        for (const node of cluster.nodes) await node.until(allAlive);
      },
      ...[here, here, { "node-1": slept, "node-2": slept } as const],
    );
  });

  test("a machine is cut off and healed: each side tells of the other, once", async () => {
    const here = { ...stayed, "node-3": "was away" } as const;
    const leadership = (): string[] =>
      (watches[2]?.lines ?? []).filter((line) => /leads in term|No leader/.test(line));
    await story(
      async () => {
        // Woken a moment ago, it may not have heard of its leader yet.
        await eventually("the third node knows its leader", async () =>
          (await three.ask<{ quorum: boolean }>("/api/v1/cluster/leader"))?.quorum === true
            ? true
            : undefined,
        );
        cluster.machines.cut(2);
        await one.until({ ...allAlive, "node-3": "failed" });
        await two.until({ ...allAlive, "node-3": "failed" });
        await three.until({ "node-1": "failed", "node-2": "failed", "node-3": "alive" });
        await eventually("the third node knows of no leader", () => {
          const lines = leadership();
          if (lines.includes("[WARN] No leader with a quorum is known here")) return true;
          throw new Error(JSON.stringify(lines));
        });
        cluster.machines.heal(2);
        for (const node of cluster.nodes) await node.until(allAlive);
        await eventually("the third node knows who leads", () =>
          /^\[INFO\] Node node-\d leads in term \d+$/.test(leadership().at(-1) ?? "") ? true : undefined,
        );
      },
      ...[here, here, { "node-1": "was away", "node-2": "was away" } as const],
    );
  });

  test("a node leaves", async () => {
    const { code } = await one.cli("cluster", "leave", "--node", "node-3");
    expect(code).toBe(0);
    for (const [at, node] of [one, two].entries()) {
      await node.until({ ...allAlive, "node-3": "left" });
      await eventually("its watch says so", () => {
        const text = watches[at]?.misfit({ ...stayed, "node-3": "left" });
        if (text !== null) throw new Error(text);
        return true;
      });
    }
  });
});
