/**
 * The control state on real nodes, as a user meets it: values, compare-and-set and locks at whichever node, a
 * leader that is lost while clients write, a cluster that grows to five and shrinks to three.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CompareAnswer } from "../../src/api/cluster/state-checks.ts";
import type { LeaderAnswer } from "../../src/api/cluster/leader.ts";
import { TestNodeProcess, eventually } from "../support/node-process.ts";
import { question_ms } from "../support/patience.ts";

const nodes: TestNodeProcess[] = [];

function nodeOf(id: string): TestNodeProcess {
  const found = nodes.find((node) => node.id === id);
  if (found === undefined) throw new Error(`no node ${id}`);
  return found;
}

async function leaderSeenBy(node: TestNodeProcess): Promise<LeaderAnswer> {
  return (await node.ask("/api/v1/cluster/leader")) as LeaderAnswer;
}

/** Until `node` knows a leader and exactly these voters, with no change under way. */
async function untilVoters(node: TestNodeProcess, ids: readonly string[]): Promise<LeaderAnswer> {
  return await eventually(`${ids.join(", ")} vote as ${node.id} sees it`, async () => {
    const answer = await leaderSeenBy(node);
    const voters = answer.members.filter(({ role }) => role === "voter").map((member) => member.node);
    const same = voters.toSorted().join() === ids.toSorted().join();
    return same && answer.leader !== null && answer.quorum && !answer.changing ? answer : undefined;
  });
}

let asked = 0;

/** Asked again under the same Idempotency-Key while it is not known what became of it, as clients are to do. */
async function sure(
  node: TestNodeProcess,
  path: string,
  init: {
    readonly method: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Response> {
  const headers = { "idempotency-key": `sure-${++asked}`, ...init.headers };
  return await eventually(`${init.method} ${path} at ${node.id}`, async () => {
    const answer = await node.fetch(path, { ...init, headers, signal: AbortSignal.timeout(question_ms) });
    if (answer.status < 500) return answer;
    throw new Error(`${answer.status} ${await answer.text()}`);
  });
}

function putOf(key: string, body: string, headers: Readonly<Record<string, string>> = {}) {
  return [
    `/api/v1/kv/${key}`,
    { method: "PUT", body, headers: { "content-type": "text/plain", ...headers } },
  ] as const;
}

async function put(...[node, ...what]: [TestNodeProcess, ...Parameters<typeof putOf>]): Promise<Response> {
  return await sure(node, ...putOf(...what));
}

async function read(node: TestNodeProcess, key: string): Promise<string> {
  const answer = await sure(node, `/api/v1/kv/${key}`, { method: "GET" });
  if (answer.status !== 200) throw new Error(`${key}: ${answer.status} ${await answer.text()}`);
  return await answer.text();
}

async function compared(node: TestNodeProcess): Promise<CompareAnswer> {
  return await eventually("all replicas compared", async () => {
    const answer = (await node.ask("/api/v1/cluster/compare-state")) as CompareAnswer;
    return answer.nodes.every(({ same }) => same !== null) ? answer : undefined;
  });
}

async function join(id: string, ...seeds: TestNodeProcess[]): Promise<TestNodeProcess> {
  const node = await TestNodeProcess.start({ id, join: seeds });
  nodes.push(node);
  return node;
}

describe("the control state of real nodes", () => {
  beforeAll(async () => {
    const one = await TestNodeProcess.start({ id: "node-1" });
    nodes.push(one);
    await Promise.all([join("node-2", one), join("node-3", one)]);
    await untilVoters(one, ["node-1", "node-2", "node-3"]);
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.dispose()));
  });

  test("a value put at a follower is read at every node, and compare-and-set holds across them", async () => {
    const [one, two, three] = [nodeOf("node-1"), nodeOf("node-2"), nodeOf("node-3")];
    const created = await put(two, "config/colour", "green", { "if-none-match": "*" });
    expect(created.status).toBe(201);
    for (const node of nodes) expect(await read(node, "config/colour")).toBe("green");
    const tag = created.headers.get("etag") ?? "";
    const racers = [one, two, three];
    const racing = await Promise.all(
      racers.map((node) => put(node, "config/colour", node.id, { "if-match": tag })),
    );
    expect(racing.map(({ status }) => status).toSorted()).toEqual([200, 412, 412]);
    const winner = racing.findIndex(({ status }) => status === 200);
    expect(await read(three, "config/colour")).toBe(racers[winner]?.id);
  });

  test("a lock taken at one node is refused at another, and its token fences writes", async () => {
    const [one, two] = [nodeOf("node-1"), nodeOf("node-2")];
    const post = (node: TestNodeProcess, json: object): Promise<Response> =>
      sure(node, "/api/v1/locks/build", {
        method: "POST",
        body: JSON.stringify(json),
        headers: { "content-type": "application/json" },
      });
    const { token } = (await (await post(one, { ttl: "1m" })).json()) as { token: number };
    expect((await post(two, {})).status).toBe(409);
    expect((await put(two, `result?lock=build&fencing_token=${token}`, "1")).status).toBe(201);
    expect((await put(two, `result?lock=build&fencing_token=${token - 1}`, "2")).status).toBe(412);
    const gone = await sure(two, `/api/v1/locks/build?token=${token}`, { method: "DELETE" });
    expect(gone.status).toBe(200);
    expect((await put(one, `result?lock=build&fencing_token=${token}`, "3")).status).toBe(412);
    expect(await read(one, "result")).toBe("1");
  });

  test("leadership goes where it is asked to, and the replicas are the same", async () => {
    // On a machine that stands still it may go on to a third node meanwhile: then it is asked anew.
    await eventually("leadership goes where it is asked to", async () => {
      const before = await leaderSeenBy(nodeOf("node-1"));
      const next = before.leader === "node-2" ? "node-3" : "node-2";
      const done = await nodeOf("node-1").cli("cluster", "leader", "--transfer-to", next);
      if (done.code !== 0) throw new Error(done.stderr);
      expect(done.stdout).toBe(`Leader: ${next}\n`);
      return await eventually(
        "all see the new leader",
        async () => {
          const seen = await Promise.all(nodes.map(leaderSeenBy));
          return seen.every(({ leader, term }) => leader === next && term > before.term) ? true : undefined;
        },
        question_ms,
      );
    });
    const { nodes: replicas, difference } = await compared(nodeOf("node-1"));
    expect(difference).toBeNull();
    expect(new Set(replicas.map(({ hash }) => hash)).size).toBe(1);
    expect(replicas).toHaveLength(3);
    const status = await nodeOf("node-1").cli("cluster", "status");
    expect(status.stdout).toMatch(/Leader: node-\d\nTerm: \d+/);
    expect(status.stdout).toContain("Voters: node-1, node-2, node-3");
    const nobody = await nodeOf("node-1").cli("cluster", "leader", "--transfer-to", "nobody");
    expect([nobody.code, nobody.stderr]).toEqual([5, expect.stringContaining('No node "nobody"') as string]);
  });

  test("nothing acknowledged is lost, and no increment counted twice, when the leader is killed", async () => {
    const { leader } = await untilVoters(nodeOf("node-1"), ["node-1", "node-2", "node-3"]);
    const victim = nodeOf(leader ?? "");
    const others = nodes.filter((node) => node !== victim);
    let acknowledged = 0;
    let going = true;
    const writers = others.map(async (node, writer) => {
      for (let count = 0; going; count++) {
        const headers = { "idempotency-key": `${writer}-${count}` };
        expect((await put(node, `w/${writer}/${count}`, `${count}`, headers)).ok).toBe(true);
        acknowledged++;
      }
    });
    await eventually("writes before", () => (acknowledged > 20 ? true : undefined));
    await victim.kill();
    const atKill = acknowledged;
    await eventually("writes after", () => (acknowledged > atKill + 50 ? true : undefined));
    going = false;
    await Promise.all(writers);
    let found = 0;
    for (const writer of [0, 1]) {
      let cursor = "";
      for (;;) {
        const node = others[writer] as TestNodeProcess;
        const answer = await sure(node, `/api/v1/kv?prefix=w/${writer}/&limit=500${cursor}`, {
          method: "GET",
        });
        const page = (await answer.json()) as { entries: unknown[]; next_cursor: string | null };
        found += page.entries.length;
        if (page.next_cursor === null) break;
        cursor = `&cursor=${page.next_cursor}`;
      }
    }
    expect(found).toBe(acknowledged);
    await victim.start();
    await untilVoters(victim, ["node-1", "node-2", "node-3"]);
    expect((await compared(victim)).difference).toBeNull();
  });

  test("it grows to five voters and shrinks to three, and the state stays", async () => {
    const one = nodeOf("node-1");
    await put(one, "kept", "through it all");
    const [four, five] = await Promise.all([join("node-4", one), join("node-5", one)]);
    await untilVoters(five, ["node-1", "node-2", "node-3", "node-4", "node-5"]);
    expect(await read(four, "kept")).toBe("through it all");
    const checked = await five.cli("cluster", "verify", "--deep", "--node", "node-4");
    expect(`${checked.stderr}${checked.code}`).toBe("0");
    expect((await compared(one)).nodes).toHaveLength(5);
    for (const node of [nodeOf("node-2"), nodeOf("node-3")]) {
      await node.stop();
      const removed = await one.cli("cluster", "remove", "--node", node.id, "--force");
      expect(removed.stderr).toBe("");
    }
    await untilVoters(four, ["node-1", "node-4", "node-5"]);
    expect(await read(five, "kept")).toBe("through it all");
    expect((await put(four, "after", "1")).status).toBe(201);
  });

  test("without a quorum it says so: writes wait, local reads are marked, and status is degraded", async () => {
    const [one, four, five] = [nodeOf("node-1"), nodeOf("node-4"), nodeOf("node-5")];
    await Promise.all([four.kill(), five.kill()]);
    await eventually("no quorum at node-1", async () => {
      const ready = (await (await one.fetch("/readyz")).json()) as {
        checks: { name: string; ok: boolean }[];
      };
      return ready.checks.find(({ name }) => name === "quorum")?.ok === false ? true : undefined;
    });
    await eventually("its status says so", async () => {
      const { stdout } = await one.cli("cluster", "status");
      return stdout.includes("Status: DEGRADED (minority partition)") ? true : undefined;
    });
    // What became of it is not known (504) when the node itself stood still meanwhile.
    const kept = await eventually("a write is kept for later", async () => {
      const answer = await one.fetch(...putOf("kept", "no"));
      return answer.status === 504 ? undefined : answer;
    });
    expect([kept.status, kept.headers.get("caxton-partition")]).toEqual([202, "minority"]);
    expect(await kept.json()).toMatchObject({ status: "queued", node: "node-1" });
    const local = await one.fetch("/api/v1/kv/kept?consistency=local");
    expect([await local.text(), local.headers.get("caxton-consistency")]).toEqual([
      "through it all",
      "local",
    ]);
  });
});
