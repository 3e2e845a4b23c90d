import { describe, expect, test } from "vitest";
import { ConsensusWorld, type ConsensusWorldNode } from "../../support/consensus-world.ts";
import { getQuery, putCommand, statusOfOutcome, valueOf } from "../../support/kv-commands.ts";

async function put(
  node: ConsensusWorldNode,
  key: string,
  value: string,
  timeout_ms = 2_000,
): Promise<string> {
  const answer = await node.answer({ kind: "propose", command: putCommand(key, value), timeout_ms });
  if (answer.kind === "committed") return statusOfOutcome(answer.outcome);
  return answer.kind === "failed" ? answer.code : answer.kind;
}

async function get(node: ConsensusWorldNode, key: string): Promise<string | undefined> {
  const answer = await node.answer({
    kind: "read",
    query: getQuery(key),
    consistency: "linearizable",
    timeout_ms: 2_000,
  });
  if (answer.kind !== "read") throw new Error(JSON.stringify(answer));
  return valueOf(answer.bytes);
}

describe("consensus of one node", () => {
  test("it leads, commits, answers, and still knows all after a crash", async () => {
    const world = new ConsensusWorld();
    const [node] = (await world.cluster(1)) as [ConsensusWorldNode];
    expect(await put(node, "a", "1")).toBe("done");
    expect(await get(node, "a")).toBe("1");
    node.crash();
    node.start();
    expect(await get(node, "a")).toBe("1");
    expect(node.status?.identity).toBe(node.boot - 1);
  });
});

describe("consensus of three nodes", () => {
  test("a write through any node is read at every other", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    for (const [i, node] of nodes.entries()) expect(await put(node, `k${i}`, String(i))).toBe("done");
    for (const node of nodes) for (const i of [0, 1, 2]) expect(await get(node, `k${i}`)).toBe(String(i));
  });

  test("the leader crashes: another leads, and what was acknowledged is there", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    expect(await put(first, "a", "1")).toBe("done");
    first.crash();
    world.until(() => world.leader() !== undefined);
    const rest = nodes.filter((node) => node !== first);
    for (const node of rest) expect(await get(node, "a")).toBe("1");
    expect(await put(rest[0] as ConsensusWorldNode, "a", "2")).toBe("done");
    first.start();
    expect(await get(first, "a")).toBe("2");
  });
});
