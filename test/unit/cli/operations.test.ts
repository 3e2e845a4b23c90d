import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sheddingLine } from "../../../src/cli/cluster/shed-load.ts";
import { cliWorld } from "../../support/cli-world.ts";

let world: Awaited<ReturnType<typeof cliWorld>>;
beforeAll(async () => {
  world = await cliWorld();
});
afterAll(() => world.dispose());

describe("one node", () => {
  test("is let in by its address", async () => {
    const { caxton, services } = world;
    expect(await caxton("cluster", "add-node", "new-node:7946")).toEqual({
      exit: 0,
      stdout: "Node node-4 joined (new-node:7946)\n",
      stderr: "",
    });
    expect(services.operator.done.at(-1)).toBe("add new-node:7946");
    expect((await caxton("cluster", "add-node", "nobody:7946")).exit).toBe(3);
    for (const address of ["new-node", "new-node:99999", "http://new-node:7946"])
      expect((await caxton("cluster", "add-node", address)).exit, address).toBe(2);
  });

  test("is isolated, rebuilt and taken back, as the runbook has it", async () => {
    const { caxton, services } = world;
    expect(await caxton("cluster", "isolate", "--node", "node-2")).toMatchObject({
      exit: 0,
      stdout:
        "Node node-2 is isolated: 3 agents handed over\nTo take it back: caxton cluster rejoin --node node-2\n",
    });
    expect(services.operator.done.at(-1)).toBe("isolate node-2 60000");
    const rebuilt = await caxton("cluster", "rebuild", "--node", "node-2", "--from-peers", "--yes");
    expect(rebuilt).toMatchObject({
      exit: 0,
      stdout: "Rebuilt node-2 from its peers (up to entry 12, 420ms)\n",
    });
    expect(await caxton("cluster", "rejoin", "--node", "node-2")).toMatchObject({
      exit: 0,
      stdout: "Node node-2 takes agents and messages again\n",
    });
    expect(await caxton("cluster", "rejoin", "--node", "node-2")).toMatchObject({ exit: 6, stdout: "" });
    expect((await caxton("cluster", "isolate", "--node", "node-9")).exit).toBe(5);
  });

  test("that keeps agents when it is isolated is told of, and the exit says so", async () => {
    const { caxton, services } = world;
    services.operator.stuck = 2;
    const { exit, stdout } = await caxton("cluster", "isolate", "--node", "node-2", "--drain-timeout", "5s");
    services.operator.stuck = 0;
    expect(exit).toBe(1);
    expect(stdout).toContain("2 agents are still there: it goes on trying\n");
  });

  test("is not rebuilt from nowhere, nor without being asked", async () => {
    const { caxton, services } = world;
    const before = services.operator.done.length;
    expect(await caxton("cluster", "rebuild", "--node", "node-2", "--yes")).toMatchObject({ exit: 2 });
    const unasked = await caxton("cluster", "rebuild", "--node", "node-2", "--from-peers");
    expect(unasked).toMatchObject({ exit: 2, stdout: "" });
    expect(unasked.stderr).toContain("--yes");
    expect(services.operator.done).toHaveLength(before);
  });
});

describe("all nodes", () => {
  test("are not stopped by half a command", async () => {
    const { caxton, services } = world;
    expect((await caxton("cluster", "stop", "--yes")).exit).toBe(2);
    expect((await caxton("cluster", "stop", "--all")).stderr).toContain("--yes");
    expect(services.operator.done).not.toContain("stop");
  });

  test("are started, checked, and who did not answer is named", async () => {
    const { caxton, services } = world;
    services.operator.silent.add("node-3");
    const { exit, stdout } = await caxton("cluster", "start", "--verify");
    expect(exit).toBe(1);
    expect(stdout.split("\n").slice(0, 4)).toEqual([
      "Node node-1: started",
      "Node node-2: started",
      "Node node-3: NOT started: it is not reached",
      "NODE-ID    CHECK         RESULT    DETAIL",
    ]);
    services.operator.silent.clear();
    expect((await caxton("cluster", "start")).exit).toBe(0);
  });

  test("shed load until they are told to end it", async () => {
    const { caxton } = world;
    expect(await caxton("cluster", "shed-load", "--percentage", "20")).toMatchObject({
      exit: 0,
      stdout: "Shedding 20% of clients' messages (refused by this node so far: 0)\n",
    });
    expect((await caxton("cluster", "shed-load", "--format", "json")).stdout).toContain('"percentage": 20');
    for (const bad of ["101", "-1", "12.5", "all"])
      expect((await caxton("cluster", "shed-load", "--percentage", bad)).exit, bad).toBe(2);
    expect(sheddingLine({ percentage: 0, refused: 7 })).toBe(
      "No load is shed (refused by this node so far: 7)",
    );
  });
});

describe("what was measured", () => {
  test("leads to suggestions with their figures, or to none", async () => {
    const { caxton, services } = world;
    expect((await caxton("cluster", "analyze")).stdout).toBe(
      "No suggestions: 9 figures are within their limits\n",
    );
    services.operator.suggestions = [
      {
        topic: "High gossip latency",
        measured: "12ms",
        expected: "at most 5ms",
        suggestion: "Reduce gossip_fanout",
      },
    ];
    expect((await caxton("cluster", "analyze", "--format", "wide")).stdout).toBe(
      "Suggestions:\n- High gossip latency (12ms, at most 5ms): Reduce gossip_fanout\n" +
        "Not measured yet: slow convergence\n",
    );
  });

  test("of each node has the documents' columns, disk and network with wide", async () => {
    const { caxton, services } = world;
    const used = { cpu_percent: 89.4, memory_bytes: 7_200_000_000, agents: 3_421, detail: "" };
    services.operator.used = [
      {
        ...used,
        node: services.node,
        disk: { used_bytes: 40_000_000_000, total_bytes: 100_000_000_000 },
        network: { sent_bytes: 1_200_000, received_bytes: 900 },
      },
      { ...used, node: services.node, disk: null, network: null, detail: "it is not reached" },
    ];
    expect((await caxton("resources")).stdout.split("\n").slice(0, 2)).toEqual([
      "NODE      CPU    MEMORY    AGENTS",
      "node-1    89%    7.2GB     3421",
    ]);
    const wide = (await caxton("resources", "--format", "wide")).stdout;
    expect(wide).toContain("DISK");
    expect(wide).toContain("40GB of 100GB");
    expect(wide).toContain("it is not reached");
  });
});
