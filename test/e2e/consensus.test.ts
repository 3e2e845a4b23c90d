/**
 * Three real nodes that begin their cluster together, and whose leader is then killed, stopped and hung while clients
 * write: what they were told must be one history. `CAXTON_TEST_ROUNDS` asks for more rounds than the usual few.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { CompareAnswer } from "../../src/api/cluster/state-checks.ts";
import {
  assertLinearizable,
  HistoryClients,
  leaderOf,
  leaderView,
  prepareVoters,
  untilVoters,
} from "../support/consensus-nodes.ts";
import { eventually, type TestNodeProcess } from "../support/node-process.ts";
import { testLimit_ms } from "../support/patience.ts";
import { thorough } from "../support/thorough.ts";

/** The first is a kill of the launcher too, the second of the node alone. */
const rounds = Number(process.env["CAXTON_TEST_ROUNDS"] ?? (thorough ? 3 : 2));
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
    const { nodes: replicas } = (await (nodes[0] as TestNodeProcess).ask(
      "/api/v1/cluster/compare-state",
    )) as CompareAnswer;
    return replicas.length === nodes.length && replicas.every(({ same }) => same) ? true : undefined;
  });
}

describe("nodes that are to wait for each other", () => {
  test("begin one cluster when all are there, and not before", async () => {
    nodes = await prepareVoters(["node-2", "node-3", "node-1"], {
      env: (id): Record<string, string> => (canHang ? { LD_PRELOAD: shim, HANG_SYNC: hangFlag(id) } : {}),
    });
    const [first, ...others] = nodes as [TestNodeProcess, ...TestNodeProcess[]];
    first.launch();
    await eventually("it says that it waits", () =>
      /Waits for 3 nodes before the cluster begins: 1 are here/.test(first.output) ? true : undefined,
    );
    for (const node of others) node.launch();
    for (const node of nodes) await node.ready();
    await untilVoters(nodes, 3);
    const said = nodes.filter(({ output }) => output.includes("this node begins the cluster"));
    expect(said.map(({ id }) => id)).toEqual(["node-1"]);
  });
});

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
