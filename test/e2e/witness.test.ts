/** Two real nodes and a witness: either node may be lost, one after the other, while clients write; the history must be one. */
import { afterAll, expect, test } from "vitest";
import {
  assertLinearizable,
  HistoryClients,
  leaderOf,
  leaderView,
  untilVoters,
} from "../support/consensus-nodes.ts";
import { eventually, TestNodeProcess } from "../support/node-process.ts";
import { thorough } from "../support/thorough.ts";

const clients = new HistoryClients();
const started: TestNodeProcess[] = [];

afterAll(async () => {
  await clients.end();
  await Promise.all(started.map((node) => node.dispose()));
});

async function put(node: TestNodeProcess, key: string, value: string): Promise<void> {
  await eventually(`${key} is written at ${node.id}`, async () => {
    const init = { method: "PUT", body: value, headers: { "content-type": "text/plain" } };
    const answer = await node.fetch(`/api/v1/kv/${key}`, init);
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return true;
  });
}

async function holds(
  node: TestNodeProcess,
  key: string,
  consistency: "local" | "linearizable",
): Promise<void> {
  await eventually(`${node.id} has ${key} (${consistency})`, async () => {
    const answer = await node.fetch(`/api/v1/kv/${key}?consistency=${consistency}`);
    return answer.status === 200 && (await answer.text()) === "1" ? true : undefined;
  });
}

/** Twenty seconds, so in thorough runs only: witnesses are in the simulated worlds of every run. */
test.skipIf(!thorough)(
  "either data node may be lost once it has caught up, and service goes on; the witness answers and never leads",
  async () => {
    const one = await TestNodeProcess.start({ id: "data-1" });
    started.push(one);
    const two = await TestNodeProcess.prepare({ id: "data-2", join: [one] });
    const witness = await TestNodeProcess.prepare({
      id: "witness",
      join: [one],
      flags: ["--role", "witness"],
    });
    started.push(two, witness);
    await Promise.all([two.start(), witness.start()]);
    await untilVoters(started, 3);
    const roles = (await leaderView(one))?.members.map(({ node, role }) => `${node}: ${role}`);
    expect(roles?.toSorted()).toEqual(["data-1: voter", "data-2: voter", "witness: witness"]);
    await put(witness, "a", "1");
    const echo = new URL("../../wasm-agents/echo.wasm", import.meta.url).pathname;
    const refused = await one.cli("deploy", echo, "--name", "misplaced", "--target-node", "witness");
    expect(refused.stderr).toContain("takes no agents");
    expect((await one.cli("deploy", echo, "--name", "e", "--instances", "4")).stderr).toBe("");
    const { agents } = (await one.json("agent", "list")) as { agents: { node: string }[] };
    expect(agents.map(({ node }) => node).toSorted()).toEqual(["data-1", "data-1", "data-2", "data-2"]);
    await holds(witness, "a", "linearizable");
    for (const { id, api, dataDir } of [one, two])
      clients.start({ id, api, tokenFile: `${dataDir}/admin.token` }, 2, ["w"]);
    await clients.more(30);
    for (const [dies, lives] of [
      [one, two],
      [two, one],
    ] as const) {
      await dies.kill();
      await clients.more(40);
      await put(lives, `without-${dies.id}`, "1");
      await holds(lives, "a", "linearizable");
      expect((await leaderOf([lives, witness])).id).not.toBe("witness");
      await dies.start();
      await untilVoters(started, 3);
      // Before the other one goes it has what it missed.
      await holds(dies, `without-${dies.id}`, "local");
      await clients.more(30);
    }
    assertLinearizable(await clients.end());
  },
);
