/**
 * What an operator sees of a split, on three machines (network namespaces): the side without a quorum says so, keeps
 * the writes and the mail it is given on its disk, and all of it arrives when the cut is over: each once, each with an
 * outcome, with nobody's help. Then the same by a drill on the live cluster. Needs root and iproute2; says so when it
 * cannot run.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CompareAnswer } from "../../src/api/cluster/state-checks.ts";
import type { StatusAnswer } from "../../src/api/cluster/status.ts";
import { statusLines } from "../../src/cli/cluster/status.ts";
import { MachineNode, type Watch } from "../support/machine-node.ts";
import { canMakeNamespaces, type Machines } from "../support/namespaces.ts";
import { eventually } from "../support/node-process.ts";
import { thorough } from "../support/thorough.ts";
import { allAlive, startThreeMachines, type ThreeMachines } from "../support/three-machines.ts";

const possible = canMakeNamespaces();
if (!possible) console.warn("partition-product.test.ts is not run: it needs root and iproute2 on Linux");
const echo = new URL("../../wasm-agents/echo.wasm", import.meta.url).pathname;
/** Of a client between two writes: what is queued in a drill is replayed one by one. */
const writersPause_ms = 50;
const writersPatience_ms = 500;

interface Answer {
  readonly status: number;
  readonly partition: string;
  readonly consistency: string;
  readonly body: string;
}

interface NodeReport {
  readonly node: string;
  readonly counts: Record<string, number>;
  readonly writes: readonly { id: string; path: string; state: string; detail: string }[];
}

describe.runIf(possible)("three machines, one of them cut off", () => {
  let cluster: ThreeMachines;
  let machines: Machines;
  let one: MachineNode;
  let two: MachineNode;
  let three: MachineNode;
  let watch: Watch | undefined;

  beforeAll(async () => {
    cluster = await startThreeMachines(
      (all, index) => new MachineNode(all, index),
      // The second node's API listens where others reach it, and so speaks TLS under the cluster's CA.
      (index, address) => (index === 1 ? ["--api-addr", `${address}:8080`] : []),
    );
    machines = cluster.machines;
    [one, two, three] = cluster.nodes;
  });

  afterAll(async () => {
    watch?.stop();
    await cluster?.dispose();
  });

  async function call(
    node: MachineNode,
    method: string,
    path: string,
    body: string | null = null,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const answer = await node.request(path, { method, body, headers });
    const partition = answer.headers["caxton-partition"] ?? "";
    const consistency = answer.headers["caxton-consistency"] ?? "";
    return { status: answer.status, partition, consistency, body: answer.body };
  }

  const put = (
    node: MachineNode,
    key: string,
    value: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> =>
    call(node, "PUT", `/api/v1/kv/${key}`, value, { "content-type": "text/plain", ...headers });
  const get = (node: MachineNode, key: string): Promise<Answer> => call(node, "GET", `/api/v1/kv/${key}`);

  /** What `caxton cluster status` would show. */
  async function status(node: MachineNode, ...lines: readonly string[]): Promise<void> {
    await eventually(`${node.id}: ${lines.join(", ")}`, async () => {
      const answer = await node.ask<StatusAnswer>("/api/v1/cluster/status");
      const shown = answer === undefined ? [] : statusLines(answer, false);
      if (lines.every((line) => shown.includes(line))) return true;
      throw new Error(shown.join("; "));
    });
  }

  async function reportOf(node: MachineNode): Promise<NodeReport> {
    const { body } = await call(one, "GET", "/api/v1/cluster/partition/report");
    const { nodes: reports } = JSON.parse(body) as { readonly nodes: readonly NodeReport[] };
    const found = reports.find((report) => report.node === node.id);
    if (found === undefined) throw new Error(`No report of ${node.id}: ${body}`);
    return found;
  }

  async function settled(node: MachineNode, since: number): Promise<NodeReport> {
    // A look at that costs less than the report of hundreds.
    await status(node, "Queued writes: 0");
    return await eventually(`${node.id} has settled its queue`, async () => {
      const report = await reportOf(node);
      const { queued = 0, replaying = 0, ...outcomes } = report.counts;
      const total = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
      return queued + replaying === 0 && total >= since ? report : undefined;
    });
  }

  async function replicasAgree(): Promise<void> {
    await eventually("the replicas agree", async () => {
      const answer = await one.ask<CompareAnswer>("/api/v1/cluster/compare-state");
      return answer?.nodes.length === 3 && answer.nodes.every(({ same }) => same) ? true : undefined;
    });
    const { code, stdout } = await one.cli("cluster", "compare-state");
    expect([code, stdout]).toEqual([0, expect.stringContaining("3 of 3 replicas compared")]);
  }

  test("an API that others can reach speaks TLS, and the CLI of its machine trusts it", async () => {
    const address = readFileSync(join(two.dataDir, "api.address"), "utf8").trim();
    expect(address).toBe(`https://${two.host}:8080`);
    expect((await two.cli("cluster", "status")).stdout).toContain("Nodes: 3/3 active");
    const stranger = await one.cli("cluster", "status", "--api", address.replace("https:", "http:"));
    expect(stranger.code).not.toBe(0);
  });

  test("the side without a quorum is DEGRADED, READ-ONLY and queues; the other HEALTHY; on heal all is replayed", async () => {
    expect((await put(one, "settings", "before")).status).toBe(201);
    expect((await put(one, "contested", "1")).status).toBe(201);
    const version = Number(
      (JSON.parse((await call(one, "GET", "/api/v1/kv/contested?format=json")).body) as { version: number })
        .version,
    );
    const kept = ["--target-node", "node-3", "--on-node-loss", "wait"];
    const deployed = await one.cli("deploy", echo, "--name", "echo", ...kept);
    expect(`${deployed.stderr}${deployed.code}`).toBe("0");
    watch = three.watch();
    const { lines } = watch;
    machines.cut(2);
    try {
      await one.until({ ...allAlive, "node-3": "failed" });
      await two.until({ ...allAlive, "node-3": "failed" });
      await three.until({ "node-1": "failed", "node-2": "failed", "node-3": "alive" });
      const wanted = ["Status: DEGRADED (minority partition)", "Operations: READ-ONLY", "Nodes: 1/3 active"];
      await status(three, ...wanted);
      const shown = (await three.cli("cluster", "status")).stdout.split("\n");
      expect(shown).toEqual(expect.arrayContaining(wanted));
      await eventually("node-3 takes it for a partition", async () => {
        const { stdout } = await three.cli("cluster", "detect-partition");
        return stdout.includes("Action: Node-3 entering degraded mode") ? true : undefined;
      });
      await status(
        one,
        "Status: HEALTHY (majority partition)",
        "Operations: READ-WRITE",
        "Nodes: 2/3 active",
      );
      const mail = await one.cli("message", "send", "--to", "echo", "--content", "through the cut");
      expect(mail.stdout + mail.stderr).toContain("queued");

      const read = await get(three, "settings");
      expect(read).toMatchObject({
        status: 200,
        partition: "minority",
        consistency: "local",
        body: "before",
      });
      const strict = await call(three, "GET", "/api/v1/kv/settings?consistency=linearizable");
      expect([strict.status, strict.body.includes("cannot answer a linearizable read")]).toEqual([503, true]);
      expect((await get(one, "settings")).partition).toBe("");

      for (let n = 1; n <= 5; n++) {
        const answer = await put(three, `queued-${n % 2}`, String(n));
        expect([answer.status, answer.body]).toEqual([202, expect.stringContaining("queued_write")]);
      }
      const same = { "idempotency-key": "once" };
      const first = await put(three, "once", "x", same);
      expect(JSON.parse((await put(three, "once", "x", same)).body)).toEqual(JSON.parse(first.body));
      expect((await put(three, "contested", "mine", { "if-match": `"${version}"` })).status).toBe(202);
      const taken = '{"holder":"me","ttl":"10s"}';
      const json = { "content-type": "application/json" };
      const lock = await call(three, "POST", "/api/v1/locks/door", taken, json);
      expect([lock.status, lock.body]).toEqual([503, expect.stringContaining("protects nothing now")]);
      await status(three, "Queued writes: 7");
      const late = await three.cli("deploy", echo, "--name", "late");
      expect([late.code, late.stderr]).toEqual([7, expect.stringContaining("not done yet")]);

      expect((await put(two, "contested", "theirs")).status).toBe(200);
      const { stdout, code } = await one.cli("cluster", "detect-partition");
      expect([code, stdout]).toEqual([
        7,
        expect.stringContaining(
          "WARNING: Potential split brain detected\nPartition 1: [node-1, node-2] (majority)\nPartition 2: [node-3] (minority)\nAction: Node-3 entering degraded mode",
        ),
      ]);
      const preferred = await one.cli("cluster", "resolve-partition", "--prefer", "node-3");
      expect([preferred.code, preferred.stderr]).toEqual([6, expect.stringContaining("has no quorum")]);
    } finally {
      machines.heal(2);
    }
    for (const node of cluster.nodes) await node.until(allAlive);
    const report = await settled(three, 8);
    expect(report.counts).toMatchObject({ applied: 7, conflicted: 1, refused: 0, expired: 0 });
    expect((await call(one, "GET", "/api/v1/agents/late")).status).toBe(200);
    const lost = report.writes.find(({ state }) => state === "conflicted");
    expect(lost).toMatchObject({
      path: "/api/v1/kv/contested",
      detail: expect.stringContaining("is at version") as string,
    });
    expect((await get(one, "queued-1")).body).toBe("5");
    expect((await get(one, "queued-0")).body).toBe("4");
    expect((await get(two, "contested")).body).toBe("theirs");
    await status(three, "Status: HEALTHY (majority partition)", "Queued writes: 0", "Nodes: 3/3 active");
    const again = ["--to", "echo", "--content", "hello again", "--wait", "20s"];
    expect((await two.cli("message", "send", ...again)).stdout.trim()).toBe("hello again");
    await status(one, "Queued writes: 0");
    await replicasAgree();
    await eventually("node-3's watch told all of it", () => {
      const wanted = [
        "[INFO] Partition healed, merging state",
        "[INFO] Replaying 8 queued messages",
        "[INFO] Cluster synchronized",
      ];
      return wanted.every((line) => lines().some((given) => given.startsWith(line))) ? true : undefined;
    });
    expect((await three.cli("cluster", "partition", "report")).stdout).toContain(
      "node-3: 8 writes: 7 applied, 1 conflicted, 0 refused, 0 expired, 0 waiting",
    );
  });

  test("what becomes of a write follows from what the status says, also at a leader that is cut off", async () => {
    const { leader } = (await one.ask<{ readonly leader: string }>("/api/v1/cluster/leader")) ?? {};
    const index = cluster.nodes.findIndex(({ id }) => id === leader);
    const node = cluster.nodes[index] ?? three;
    const answers: string[] = [];
    let queued = 0;
    machines.cut(index);
    try {
      // These are under way when nobody knows yet; all end, and with one of two answers.
      const early = Array.from({ length: 6 }, (_, n) => put(node, `early-${n}`, String(n)));
      for (let n = 0, told = 0; told < 3; n++) {
        const seen = await node.ask<StatusAnswer>("/api/v1/cluster/status");
        const answer = await put(node, `later-${n}`, String(n));
        answers.push(`${seen?.operations} ${answer.status}`);
        if (answer.status === 202) queued++;
        if (seen?.operations === "READ-ONLY") told++;
      }
      for (const { status: code, body } of await Promise.all(early)) {
        if (code === 202) queued++;
        else expect(body).toContain("outcome_unknown");
      }
    } finally {
      machines.heal(index);
    }
    expect(answers.slice(-3)).toEqual(["READ-ONLY 202", "READ-ONLY 202", "READ-ONLY 202"]);
    for (const answer of answers)
      expect(answer).toMatch(/^(?:READ-ONLY 202|(?:READ-WRITE|WRITES-WAIT) (?:20[012]|504))$/);
    for (const each of cluster.nodes) await each.until(allAlive);
    await status(node, "Queued writes: 0", "Status: HEALTHY (majority partition)");
    const report = await reportOf(node);
    const ours = report.writes.filter(({ path }) => /kv\/(?:early|later)-/.test(path));
    expect(ours.map(({ state }) => state)).toEqual(Array.from({ length: queued }, () => "applied"));
    await replicasAgree();
  });

  test("killed in the middle of the replay, it does the rest once it is back, and nothing twice", async () => {
    const writes = 200;
    const before = three.output.length;
    machines.cut(2);
    try {
      await status(three, "Status: DEGRADED (minority partition)");
      await eventually("writes are queued", async () =>
        (await put(three, "first", "0")).status === 202 ? true : undefined,
      );
      for (let n = 1; n <= writes; n++) {
        const answer = await put(three, `counted-${n}`, "counted");
        expect([answer.status, answer.body]).toEqual([202, expect.stringContaining("queued_write")]);
      }
    } finally {
      machines.heal(2);
    }
    for (let kills = 0; kills < (thorough ? 2 : 1); kills++) {
      await eventually("some are replayed", async () =>
        (await get(two, `counted-${1 + kills * 50}`)).body === "counted" ? true : undefined,
      );
      process.kill(three.nodePid(), "SIGKILL");
      await three.until(allAlive);
    }
    const report = await settled(three, 8 + 1 + writes);
    expect(report.counts).toMatchObject({ queued: 0, replaying: 0, applied: 8 + writes, conflicted: 1 });
    for (const { path, state, detail } of report.writes.filter((write) => write.path.includes("counted"))) {
      const { body } = await call(one, "GET", `${path}?format=json`);
      const { version } = JSON.parse(body) as { readonly version: number };
      // Done twice, it would be at a higher version than the outcome says.
      expect([state, detail]).toEqual(["applied", `now at version ${version}`]);
    }
    // All waited at first; a later life finds no more than those whose outcome the one before it had not written down.
    const said = three.output.slice(before).matchAll(/Replaying (\d+) queued messages/g);
    const waiting = [...said].map(([, count]) => Number(count));
    expect(waiting).toEqual(waiting.toSorted((a, b) => b - a));
    expect(waiting[0]).toBe(1 + writes);
    await replicasAgree();
  });

  test("a drill cuts a node off, undoes itself, and loses no write that was under way", async () => {
    const rehearse = ["cluster", "partition", "rehearse", "--duration", "10s", "--isolate"];
    const refused = await one.cli(...rehearse, "node-2,node-3");
    expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining("--yes does it anyway")]);
    const written: { node: MachineNode; key: string; status: number }[] = [];
    let isOver = false;
    // One that is under way when the cut begins may be answered only when it has ended: others do not wait for it.
    const write = async (node: MachineNode): Promise<void> => {
      const underWay: Promise<void>[] = [];
      for (let n = 0; !isOver; n++) {
        const key = `drill-${node.id}-${n}`;
        const answered = put(node, key, key).then(({ status }) => void written.push({ node, key, status }));
        underWay.push(answered);
        await Promise.race([answered, sleep(writersPatience_ms)]);
        await sleep(writersPause_ms);
      }
      await Promise.all(underWay);
    };
    const writers = cluster.nodes.map(write);
    const drill = await one.cli(...rehearse, "node-3");
    isOver = true;
    await Promise.all(writers);
    expect([drill.code, drill.stderr]).toEqual([0, ""]);
    expect(drill.stdout).toContain("Cut off: node-3 for 10s");
    expect(drill.stdout).toMatch(
      /Rehearsal ended\nnode-3: \d+ writes?: \d+ applied, 0 conflicted, 0 refused, 0 expired, 0 waiting/,
    );
    const queued = written.filter((one) => one.status === 202);
    expect(queued.length).toBeGreaterThan(0);
    expect(queued.every(({ node }) => node === three)).toBe(true);
    const acknowledged = written.filter((one) => one.status < 300);
    await replicasAgree();
    const present = new Set<string>();
    for (let cursor: string | null = ""; cursor !== null;) {
      const { body } = await call(two, "GET", `/api/v1/kv?prefix=drill-&limit=1000${cursor}`);
      const page = JSON.parse(body) as { entries: { key: string }[]; next_cursor: string | null };
      for (const { key } of page.entries) present.add(key);
      cursor = page.next_cursor && `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
    expect(acknowledged.filter(({ key }) => !present.has(key)).map(({ key }) => key)).toEqual([]);
    await status(three, "Status: HEALTHY (majority partition)", "Queued writes: 0");
  });
});
