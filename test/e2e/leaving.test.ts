/** Real voters that leave by command one right after the other, and one that is to be removed while it is needed. */
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { leaderView, startVoters, untilVoters } from "../support/consensus-nodes.ts";
import { eventually, type TestNodeProcess } from "../support/node-process.ts";

const echo = fileURLToPath(new URL("../../wasm-agents/echo.wasm", import.meta.url));
const all: TestNodeProcess[] = [];

afterAll(async () => {
  for (const node of all) await node.dispose();
});

async function put(node: TestNodeProcess): Promise<number> {
  const answer = await node.fetch("/api/v1/kv/a", {
    method: "PUT",
    headers: { "content-type": "text/plain" },
    body: "1",
  });
  await answer.arrayBuffer();
  return answer.status;
}

test("a voter is removed by force if it is not needed, and ends; voters that leave in turn give their votes away first", async () => {
  all.push(...(await startVoters(3)));
  const [one, two, three] = all as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
  await three.kill();
  const refused = await eventually("the loss of node-3 is noticed", async () => {
    const answer = await one.cli("cluster", "remove", "--node", "node-2", "--force");
    return answer.code === 0 || answer.stderr.includes("would lose its quorum") ? answer : undefined;
  });
  expect(refused.code).toBe(6);
  expect(refused.stderr).toContain("1 of the other 2 voters is well, 2 are needed");
  await eventually("the two go on", async () => ((await put(one)) < 300 ? true : undefined));
  await three.start();
  await eventually("node-3 is back", async () => {
    const view = await leaderView(three);
    return view?.quorum === true ? true : undefined;
  });
  await untilVoters(all, 3);
  const deployed = await one.cli("deploy", echo, "--name", "helper", "--target-node", "node-3");
  expect(deployed.stderr).toBe("");
  const removed = await one.cli("cluster", "remove", "--node", "node-3", "--force");
  expect(`${removed.stderr}${removed.stdout}`).toBe("Removed node-3\n");
  expect(await three.exited()).toBe(8);
  expect(three.output).toContain("An operator removed this node from cluster");
  await eventually("node-3 is no member any more", async () => {
    const members = (await leaderView(two))?.members.map(({ node }) => node);
    return members?.toSorted().join() === "node-1,node-2" ? true : undefined;
  });
  await eventually("its agent runs elsewhere", async () => {
    const { stdout } = await one.cli("agent", "list");
    return /helper\s+node-[12]\s+running/.test(stdout) ? true : undefined;
  });
  await three.start();
  await untilVoters(all, 3);
  for (const node of [three, two]) {
    const left = await node.cli("cluster", "leave", "--drain-timeout", "1s");
    expect(left.stderr).toBe("");
    expect(await node.exited()).toBe(0);
  }
  await eventually("node-1 goes on alone", async () => ((await put(one)) < 300 ? true : undefined));
  await eventually("nobody else votes", async () => {
    const view = await leaderView(one);
    const voters = view?.members.filter(({ role }) => role === "voter").map(({ node }) => node);
    return voters?.join() === "node-1" ? true : undefined;
  });
});
