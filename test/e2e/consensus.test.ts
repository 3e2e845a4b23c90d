/**
 * Three real nodes whose leader is killed, stopped and cut off while clients write: what they were told must be one
 * history. `CAXTON_TEST_ROUNDS` asks for more rounds than CI's few.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  assertLinearizable,
  HistoryClients,
  leaderOf,
  leaderView,
  startVoters,
  untilVoters,
} from "../support/consensus-nodes.ts";
import { eventually, TestNodeProcess } from "../support/node-process.ts";
import { testLimit_ms } from "../support/patience.ts";

const rounds = Number(process.env["CAXTON_TEST_ROUNDS"] ?? 3);
const longTest_ms = testLimit_ms + rounds * 40_000;
const keys = ["a", "b", "c"];

/** Preloaded, it lets a test hang the disk of one node's Raft log. */
const shim = join(mkdtempSync(join(tmpdir(), "caxton-shim-")), "hang-sync.so");
const source = new URL("./fixtures/hang-sync.c", import.meta.url).pathname;
const canHang = spawnSync("cc", ["-shared", "-fPIC", "-o", shim, source, "-ldl"]).status === 0;
if (!canHang) console.warn("The test of a disk that hangs is not run: it needs a C compiler (cc)");

let nodes: TestNodeProcess[] = [];
let clients = new HistoryClients();

function hangFlag(id: string): string {
  return `${shim}.${id}`;
}

beforeAll(async () => {
  nodes = await startVoters(3, {
    env: (id): Record<string, string> => (canHang ? { LD_PRELOAD: shim, HANG_SYNC: hangFlag(id) } : {}),
  });
});

afterAll(async () => {
  for (const node of nodes) await node.dispose();
  rmSync(dirname(shim), { recursive: true, force: true });
});

afterEach(async () => {
  await clients.end();
  clients = new HistoryClients();
});

function startClients(names: readonly string[]): void {
  for (const node of nodes) {
    const tokenFile = `${node.dataDir}/admin.token`;
    clients.start(
      { id: node.id, api: node.api, tokenFile },
      2,
      names.map((name) => `${name}`),
    );
  }
}

async function sameState(): Promise<void> {
  await eventually("all replicas are equal", async () => {
    const { code } = await (nodes[0] as TestNodeProcess).cli("cluster", "compare-state");
    return code === 0 ? true : undefined;
  });
}

describe("a history of clients while", () => {
  test(
    "the leader is killed again and again",
    async () => {
      startClients(keys.map((key) => `kill-${key}`));
      await clients.more(100);
      for (let round = 0; round < rounds; round++) {
        const leader = await leaderOf(nodes);
        if (round % 2 === 0) {
          // The whole machine, as far as the others can tell.
          await leader.kill();
          await clients.more(60);
          await leader.start();
        } else {
          for (const pid of leader.childPids()) process.kill(pid, "SIGKILL");
          await clients.more(60);
          await leader.ready();
        }
        await untilVoters(nodes, 3);
      }
      await clients.more(30);
      assertLinearizable(await clients.end());
      await sameState();
    },
    longTest_ms,
  );

  test(
    "the leader's process is stopped, and wakes up as one who thinks that it leads",
    async () => {
      startClients(keys.map((key) => `stop-${key}`));
      await clients.more(60);
      for (let round = 0; round < rounds; round++) {
        const leader = await leaderOf(nodes);
        const [pid] = leader.childPids() as [number];
        const others = nodes.filter((node) => node !== leader);
        process.kill(pid, "SIGSTOP");
        try {
          await eventually("another leads", async () => {
            const view = await leaderView(others[0] as TestNodeProcess);
            return view?.quorum === true && view.leader !== leader.id ? true : undefined;
          });
          await clients.more(40);
        } finally {
          process.kill(pid, "SIGCONT");
        }
        await untilVoters(nodes, 3);
      }
      await clients.more(30);
      assertLinearizable(await clients.end());
      await sameState();
    },
    longTest_ms,
  );

  test.skipIf(!canHang)(
    "the leader's disk hangs: its heartbeats stop by themselves, and leadership moves",
    async () => {
      startClients(keys.map((key) => `hang-${key}`));
      await clients.more(60);
      const leader = await leaderOf(nodes);
      const others = nodes.filter((node) => node !== leader);
      writeFileSync(hangFlag(leader.id), "");
      try {
        await eventually("another leads", async () => {
          const view = await leaderView(others[0] as TestNodeProcess);
          return view?.quorum === true && view.leader !== leader.id ? true : undefined;
        });
        await clients.more(60);
        // The process itself is well all the while: only what needs the disk is not.
        expect((await leader.fetch("/healthz")).status).toBe(200);
      } finally {
        rmSync(hangFlag(leader.id), { force: true });
      }
      await untilVoters(nodes, 3);
      await clients.more(30);
      assertLinearizable(await clients.end());
      await sameState();
    },
    longTest_ms,
  );

  test("the leader leaves in order: the others go on with no time-out", async () => {
    const leader = await leaderOf(nodes);
    const others = nodes.filter((node) => node !== leader);
    const before = (await leaderView(leader))?.term ?? 0;
    expect(await leader.stop()).toBe(0);
    const after = await leaderOf(others);
    expect((await leaderView(after))?.term).toBeGreaterThan(before);
    expect(leader.output).not.toContain("Leaving without having given leadership away");
    await leader.start();
    await untilVoters(nodes, 3);
  });
});

describe("nodes that are to wait for each other", () => {
  test("begin one cluster when all are there, and not before", async () => {
    const first = await TestNodeProcess.prepare({ id: "node-b", flags: ["--bootstrap-expect", "3"] });
    first.launch();
    const started = [first];
    try {
      await eventually("it says that it waits", () =>
        /Waits for 3 nodes before the cluster begins: 1 are here/.test(first.output) ? true : undefined,
      );
      for (const id of ["node-c", "node-a"]) {
        const node = await TestNodeProcess.prepare({
          id,
          join: [first],
          flags: ["--bootstrap-expect", "3"],
        });
        node.launch();
        started.push(node);
      }
      for (const node of started) await node.ready();
      await untilVoters(started, 3);
      const said = started.filter(({ output }) => output.includes("this one begins the cluster"));
      expect(said.map(({ id }) => id)).toEqual(["node-a"]);
    } finally {
      for (const node of started) await node.dispose();
    }
  });
});

describe("two nodes and a witness", () => {
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

  test("either data node may be lost once it has caught up, and service goes on; the witness answers and never leads", async () => {
    const one = await TestNodeProcess.start({ id: "data-1" });
    const started = [one];
    try {
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
    } finally {
      await clients.end();
      for (const node of started) await node.dispose();
    }
  });
});
