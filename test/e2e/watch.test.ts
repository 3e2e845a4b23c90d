/**
 * What `caxton cluster watch` tells of three machines while one is killed, stopped, cut off or restarts: every line of
 * it, and nothing else. Needs root and iproute2; says so when it cannot run.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MachineNode, type Watch } from "../support/machine-node.ts";
import { eventually } from "../support/node-process.ts";
import { Machines, canMakeNamespaces } from "../support/namespaces.ts";

const echo = new URL("../../wasm-agents/echo.wasm", import.meta.url).pathname;
const possible = canMakeNamespaces();
if (!possible) console.warn("watch.test.ts is not run: it needs root and iproute2 on Linux");

/** Why somebody is suspected depends on who noticed first; that it is, does not. */
function told({ lines }: Watch, from: number): string[] {
  return lines()
    .slice(from)
    .filter((line) => !ofConsensus.test(line))
    .map((line) => line.replace(/ is suspected: .*/, " is suspected"));
}

/** Who leads is another matter: of a machine that stood still or was cut off, whether it noticed is chance. */
const ofConsensus = /No leader with a quorum is known here|leads in term \d+|Members of consensus: /;

/** A suspicion that was refuted, or found true: both are told, in this order. */
const failedLines = (node: string): string[] => [
  `[WARN] Node ${node} is suspected`,
  `[INFO] Node ${node} detected as failed`,
];

describe.runIf(possible)("cluster watch tells what happened and nothing else", () => {
  const all = { "node-1": "alive", "node-2": "alive", "node-3": "alive" };
  const nodes: MachineNode[] = [];
  const watches: Watch[] = [];
  let machines: Machines;
  let one: MachineNode;
  let two: MachineNode;
  let three: MachineNode;

  beforeAll(async () => {
    machines = new Machines(3);
    for (let index = 0; index < 3; index++) nodes.push(new MachineNode(machines, index));
    [one, two, three] = nodes as [MachineNode, MachineNode, MachineNode];
    one.launch(undefined);
    await eventually("the first node has made its key", () => (one.key() === "" ? undefined : true));
    two.launch(one);
    three.launch(one);
    for (const node of nodes) await node.until(all);
    for (const node of nodes) watches.push(node.watch());
    // The watches are on when they tell of this.
    const { code, stderr } = await one.cli("deploy", echo, "--name", "marker", "--target-node", "node-2");
    if (code !== 0) throw new Error(stderr);
    for (const watch of watches)
      await eventually("the watch is on", () =>
        watch.lines().includes("[INFO] Agent 'marker' is running on node-2") ? true : undefined,
      );
  }, 120_000);

  afterAll(async () => {
    for (const watch of watches) watch.stop();
    for (const node of nodes) await node.dispose();
    machines.dispose();
  }, 60_000);

  /** Plays the story and gives what each watch told meanwhile, once it told at least as much as was wanted. */
  async function story(
    play: () => Promise<void>,
    wanted: readonly (readonly string[])[],
  ): Promise<string[][]> {
    const from = watches.map(({ lines }) => lines().length);
    await play();
    const now = (): string[][] => watches.map((watch, i) => told(watch, from[i] ?? 0));
    await eventually(`the watches tell ${JSON.stringify(wanted)}, not ${JSON.stringify(now())}`, () =>
      now().every((lines, i) => lines.length >= (wanted[i]?.length ?? 0)) ? true : undefined,
    );
    // Something more may come late: a period of every timer in the protocol that could tell of it.
    await one.until(all);
    return now();
  }

  test("nothing, while nothing happens", async () => {
    const lines = await story(async () => {
      for (let i = 0; i < 5; i++) await one.cli("cluster", "ping", "node-2");
    }, [[], [], []]);
    expect(lines).toEqual([[], [], []]);
  }, 60_000);

  test("a machine's processes are killed, and it starts again", async () => {
    const [watch] = watches.slice(2);
    watch?.stop();
    const wanted = [...failedLines("node-3"), "[INFO] Node node-3 is alive again"];
    const lines = await story(async () => {
      await three.killed();
      await one.until({ ...all, "node-3": "failed" });
      await two.until({ ...all, "node-3": "failed" });
      three.launch(one);
      await three.until(all);
    }, [wanted, wanted]);
    expect(lines.slice(0, 2)).toEqual([wanted, wanted]);
    watches[2] = three.watch();
    await eventually("the third watch is on again", async () => {
      const before = watches[2]?.lines().length ?? 0;
      await one.cli("deploy", echo, "--name", "marker", "--target-node", "node-2");
      return (watches[2]?.lines().length ?? 0) > before ? true : undefined;
    });
  }, 120_000);

  test("a node's process crashes and its launcher starts it anew", async () => {
    const pid = three.nodePid();
    const thirdFrom = watches[2]?.lines().length ?? 0;
    const lines = await story(async () => {
      process.kill(pid, "SIGKILL");
      await eventually("there is a new process", () => (three.nodePid() === pid ? undefined : true));
      await three.until(all);
      // Its own watch is back, too, and has told what its new process found.
      await eventually("the third watch is on again", () =>
        told(watches[2] as Watch, thirdFrom).some((line) => line.includes("marker")) ? true : undefined,
      );
    }, [["one line at least"], ["one line at least"]]);
    // A machine that takes more than a second for it, as a busy one may, was gone for that long.
    const gone = [...failedLines("node-3"), "[INFO] Node node-3 is alive again"];
    for (const some of lines.slice(0, 2))
      expect([["[INFO] Node node-3 restarted"], gone]).toContainEqual(some);
  }, 60_000);

  test("all of a machine stands still, and goes on", async () => {
    const wanted = [...failedLines("node-3"), "[INFO] Node node-3 is alive again"];
    const lines = await story(async () => {
      three.signal("SIGSTOP");
      await one.until({ ...all, "node-3": "failed" });
      await two.until({ ...all, "node-3": "failed" });
      three.signal("SIGCONT");
      await two.until(all);
      await three.until(all);
    }, [wanted, wanted, []]);
    expect(lines).toEqual([wanted, wanted, []]);
  }, 120_000);

  test("a machine is cut off and healed: each side tells of the other, once", async () => {
    const here = [...failedLines("node-3"), "[INFO] Node node-3 is alive again"];
    const thirdFrom = watches[2]?.lines().length ?? 0;
    const there = [
      ...["node-1", "node-2"].flatMap(failedLines),
      "[INFO] Node node-1 is alive again",
      "[INFO] Node node-2 is alive again",
    ];
    const lines = await story(async () => {
      machines.cut(2);
      await one.until({ ...all, "node-3": "failed" });
      await two.until({ ...all, "node-3": "failed" });
      await three.until({ "node-1": "failed", "node-2": "failed", "node-3": "alive" });
      machines.heal(2);
      for (const node of nodes) await node.until(all);
    }, [here, here, there]);
    expect(lines.slice(0, 2)).toEqual([here, here]);
    // Which of the two is noticed first is chance.
    expect(lines[2]?.toSorted()).toEqual(there.toSorted());
    const leaders = (): string[] =>
      (watches[2]?.lines() ?? []).slice(thirdFrom).filter((line) => ofConsensus.test(line));
    expect(leaders()[0]).toBe("[WARN] No leader with a quorum is known here");
    await eventually("the third node knows who leads", () =>
      /^\[INFO\] Node node-[12] leads in term \d+$/.test(leaders().at(-1) ?? "") ? true : undefined,
    );
  }, 120_000);

  test("a node leaves", async () => {
    const wanted = ["[INFO] Node node-3 left"];
    const from = watches.slice(0, 2).map(({ lines }) => lines().length);
    const { code } = await one.cli("cluster", "leave", "--node", "node-3");
    expect(code).toBe(0);
    for (const [i, watch] of watches.slice(0, 2).entries()) {
      await eventually("it left", () => (told(watch, from[i] ?? 0).length > 0 ? true : undefined));
      await [one, two][i]?.until({ ...all, "node-3": "left" });
      expect(told(watch, from[i] ?? 0)).toEqual(wanted);
    }
  }, 60_000);
});
