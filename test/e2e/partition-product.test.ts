/**
 * What an operator sees of a split, on three machines (network namespaces): the side without a quorum says so, keeps
 * the writes it is given on its disk, and replays them when the cut is over: each once, each with an outcome. Then the
 * same by a drill on the live cluster. Needs root and iproute2; says so when it cannot run.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MachineNode } from "../support/machine-node.ts";
import { Machines, canMakeNamespaces } from "../support/namespaces.ts";
import { eventually } from "../support/node-process.ts";
import { patience_ms } from "../support/patience.ts";

const possible = canMakeNamespaces();
if (!possible) console.warn("partition-product.test.ts is not run: it needs root and iproute2 on Linux");
const all = { "node-1": "alive", "node-2": "alive", "node-3": "alive" };
const echo = new URL("../../wasm-agents/echo.wasm", import.meta.url).pathname;

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
    two.launch(one);
    three.launch(one);
    for (const node of nodes) await node.until(all);
    await eventually("three voters", async () => {
      const { stdout } = await one.cli("cluster", "status");
      return stdout.includes("Voters: node-1, node-2, node-3") ? true : undefined;
    });
  });

  afterAll(async () => {
    for (const node of nodes) await node.dispose();
    machines?.dispose();
  });

  /** By curl on the node's machine. */
  async function call(node: MachineNode, method: string, path: string, ...more: string[]): Promise<Answer> {
    const token = readFileSync(join(node.dataDir, "admin.token"), "utf8").trim();
    const args = ["curl", "-s", "-D", "-", "-X", method, "-H", `authorization: Bearer ${token}`];
    const url = `http://127.0.0.1:8080${path}`;
    const [program, ...rest] = machines.on(nodes.indexOf(node), [...args, ...more, url]);
    const child = spawn(program as string, rest, { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => child.on("close", resolve));
    const [head = "", ...body] = text.replace(/^HTTP\/1.1 100[^\r]*\r\n\r\n/, "").split("\r\n\r\n");
    const header = (name: string): string => new RegExp(`^${name}: (.*?)\r?$`, "im").exec(head)?.[1] ?? "";
    return {
      status: Number(/^HTTP\/\S+ (\d+)/.exec(head)?.[1]),
      partition: header("caxton-partition"),
      consistency: header("caxton-consistency"),
      body: body.join("\r\n\r\n"),
    };
  }

  const put = (node: MachineNode, key: string, value: string, ...more: string[]): Promise<Answer> =>
    call(node, "PUT", `/api/v1/kv/${key}`, "--data", value, "-H", "content-type: text/plain", ...more);
  const get = (node: MachineNode, key: string): Promise<Answer> => call(node, "GET", `/api/v1/kv/${key}`);

  async function status(node: MachineNode, ...lines: readonly string[]): Promise<void> {
    await eventually(
      `${node.id}: ${lines.join(", ")}`,
      async () => {
        const { stdout } = await node.cli("cluster", "status");
        return lines.every((line) => stdout.split("\n").includes(line)) ? true : undefined;
      },
      patience_ms,
    );
  }

  async function reportOf(node: MachineNode): Promise<NodeReport> {
    const { body } = await call(one, "GET", "/api/v1/cluster/partition/report");
    const { nodes: reports } = JSON.parse(body) as { readonly nodes: readonly NodeReport[] };
    const found = reports.find((report) => report.node === node.id);
    if (found === undefined) throw new Error(`No report of ${node.id}: ${body}`);
    return found;
  }

  async function settled(node: MachineNode, since: number): Promise<NodeReport> {
    return await eventually(
      `${node.id} has settled its queue`,
      async () => {
        const report = await reportOf(node);
        const { queued = 0, replaying = 0, ...outcomes } = report.counts;
        const total = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
        return queued + replaying === 0 && total >= since ? report : undefined;
      },
      patience_ms,
    );
  }

  async function replicasAgree(): Promise<void> {
    await eventually(
      "the replicas agree",
      async () => {
        const { code, stdout } = await one.cli("cluster", "compare-state");
        return code === 0 && stdout.includes("3 of 3 replicas compared") ? true : undefined;
      },
      patience_ms,
    );
  }

  test("the side without a quorum is DEGRADED, READ-ONLY and queues; the other HEALTHY; on heal all is replayed", async () => {
    expect((await put(one, "settings", "before")).status).toBe(201);
    expect((await put(one, "contested", "1")).status).toBe(201);
    const version = Number(
      (JSON.parse((await call(one, "GET", "/api/v1/kv/contested?format=json")).body) as { version: number })
        .version,
    );
    const watch = three.watch();
    machines.cut(2);
    try {
      await status(
        three,
        "Status: DEGRADED (minority partition)",
        "Operations: READ-ONLY",
        "Nodes: 1/3 active",
      );
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
      const same = ["-H", "idempotency-key: once"];
      const first = await put(three, "once", "x", ...same);
      expect(JSON.parse((await put(three, "once", "x", ...same)).body)).toEqual(JSON.parse(first.body));
      expect((await put(three, "contested", "mine", "-H", `if-match: "${version}"`)).status).toBe(202);
      const lock = await call(
        three,
        "POST",
        "/api/v1/locks/door",
        "-H",
        "content-type: application/json",
        "--data",
        '{"holder":"me","ttl":"10s"}',
      );
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
    await three.until(all);
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
    await replicasAgree();
    await eventually("node-3's watch told all of it", () => {
      const lines = watch.lines();
      const wanted = [
        "[INFO] Partition healed, merging state",
        "[INFO] Replaying 8 queued messages",
        "[INFO] Cluster synchronized",
      ];
      return wanted.every((line) => lines.some((given) => given.startsWith(line))) ? true : undefined;
    });
    watch.stop();
    expect((await three.cli("cluster", "partition", "report")).stdout).toContain(
      "node-3: 8 writes: 7 applied, 1 conflicted, 0 refused, 0 expired, 0 waiting",
    );
  });

  test("killed in the middle of the replay, it does the rest once it is back, and nothing twice", async () => {
    const writes = 300;
    machines.cut(2);
    try {
      await status(three, "Status: DEGRADED (minority partition)");
      await eventually("writes are queued", async () =>
        (await put(three, "first", "0")).status === 202 ? true : undefined,
      );
      const { body } = await put(three, `counted-[1-${writes}]`, "counted");
      expect(body.match(/"queued_write"/g)).toHaveLength(writes);
    } finally {
      machines.heal(2);
    }
    for (let kills = 0; kills < 2; kills++) {
      await eventually(
        "some are replayed",
        async () => ((await get(two, `counted-${1 + kills * 100}`)).body === "counted" ? true : undefined),
        patience_ms,
      );
      process.kill(three.nodePid(), "SIGKILL");
      await three.until(all);
    }
    const report = await settled(three, 8 + 1 + writes);
    expect(report.counts).toMatchObject({ queued: 0, replaying: 0, applied: 8 + writes, conflicted: 1 });
    for (const { path, state, detail } of report.writes.filter((write) => write.path.includes("counted"))) {
      const { body } = await call(one, "GET", `${path}?format=json`);
      const { version } = JSON.parse(body) as { readonly version: number };
      // Done twice, it would be at a higher version than the outcome says.
      expect([state, detail]).toEqual(["applied", `now at version ${version}`]);
    }
    // Each life found some that waited.
    const waiting = [...three.output.matchAll(/Replaying (\d+) queued messages/g)].map(([, count]) =>
      Number(count),
    );
    expect(waiting.slice(-3)).toEqual(waiting.slice(-3).toSorted((a, b) => b - a));
    expect(waiting.at(-1)).toBeLessThan(writes);
    await replicasAgree();
  });

  test("a drill cuts a node off, undoes itself, and loses no write that was under way", async () => {
    const refused = await one.cli(
      "cluster",
      "partition",
      "rehearse",
      "--isolate",
      "node-2,node-3",
      "--duration",
      "5s",
    );
    expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining("--yes does it anyway")]);
    const written: { node: MachineNode; key: string; status: number }[] = [];
    let isOver = false;
    const write = async (node: MachineNode): Promise<void> => {
      for (let n = 0; !isOver; n++) {
        const key = `drill-${node.id}-${n}`;
        written.push({ node, key, status: (await put(node, key, key)).status });
      }
    };
    const writers = nodes.map(write);
    const drill = await one.cli(
      "cluster",
      "partition",
      "rehearse",
      "--isolate",
      "node-3",
      "--duration",
      "15s",
    );
    isOver = true;
    await Promise.all(writers);
    expect([drill.code, drill.stderr]).toEqual([0, ""]);
    expect(drill.stdout).toContain("Cut off: node-3 for 15s");
    expect(drill.stdout).toMatch(
      /Rehearsal ended\nnode-3: \d+ writes: \d+ applied, 0 conflicted, 0 refused, 0 expired, 0 waiting/,
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
