/**
 * Three machines (network namespaces), one of them cut off and healed: the views of all converge with
 * nobody's help, and mail that could not cross arrives. Needs root and iproute2; says so when it cannot run.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MachineNode } from "../support/machine-node.ts";
import { eventually } from "../support/node-process.ts";
import { Machines, canMakeNamespaces } from "../support/namespaces.ts";

const root = new URL("../../", import.meta.url).pathname;
const possible = canMakeNamespaces();
if (!possible) console.warn("namespaces.test.ts is not run: it needs root and iproute2 on Linux");

describe.runIf(possible)("three machines", () => {
  const all = { "node-1": "alive", "node-2": "alive", "node-3": "alive" };
  const nodes: MachineNode[] = [];
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
    // Its API listens where others reach it, and so speaks TLS under the cluster's CA.
    two.launch(one, "--api-addr", `${machines.machines[1]?.address}:8080`);
    three.launch(one);
    for (const node of nodes) await node.until(all);
  });

  afterAll(async () => {
    for (const node of nodes) await node.dispose();
    machines.dispose();
  });

  test("an API that others can reach speaks TLS, and the CLI of its machine trusts it", async () => {
    const address = readFileSync(join(two.dataDir, "api.address"), "utf8").trim();
    expect(address).toBe(`https://${machines.machines[1]?.address}:8080`);
    expect((await two.cli("cluster", "status")).stdout).toContain("Nodes: 3/3 active");
    const stranger = await one.cli("cluster", "status", "--api", address.replace("https:", "http:"));
    expect(stranger.code).not.toBe(0);
  });

  test("a machine that is cut off and healed comes back by itself, with its agents", async () => {
    const echo = join(root, "wasm-agents/echo.wasm");
    const deployed = await one.cli(
      "deploy",
      echo,
      "--name",
      "echo",
      "--target-node",
      "node-3",
      "--on-node-loss",
      "wait",
    );
    expect(`${deployed.stderr}${deployed.code}`).toBe("0");

    machines.cut(2);
    await one.until({ ...all, "node-3": "failed" });
    await two.until({ ...all, "node-3": "failed" });
    await three.until({ "node-1": "failed", "node-2": "failed", "node-3": "alive" });
    await eventually("the machine that is cut off knows it", async () =>
      (await three.cli("cluster", "status")).stdout.includes("DEGRADED (minority partition)")
        ? true
        : undefined,
    );
    expect((await one.cli("cluster", "status")).stdout).toContain("HEALTHY (majority partition)");
    const queued = await one.cli("message", "send", "--to", "echo", "--content", "through the cut");
    expect(queued.stdout + queued.stderr).toContain("queued");

    machines.heal(2);
    for (const node of nodes) await node.until(all);
    const answer = await two.cli(
      "message",
      "send",
      "--to",
      "echo",
      "--content",
      "hello again",
      "--wait",
      "20s",
    );
    expect(answer.stdout.trim()).toBe("hello again");
    await eventually("nothing is queued any more", async () =>
      (await one.cli("cluster", "status")).stdout.includes("Queued writes: 0") ? true : undefined,
    );
  });
});
