/** A real node on a copy of its disk of an earlier day, in a cluster whose voters never heard of the days since. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openDatabases } from "../../src/platform/node/database.ts";
import { startVoters, untilVoters } from "../support/consensus-nodes.ts";
import { eventually, type TestNodeProcess } from "../support/node-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const files = openDatabases();
const root = temporaryDirectory("old-disk");
const nodes: TestNodeProcess[] = [];

afterAll(async () => {
  for (const node of nodes) await node.dispose();
  root.remove();
}, 60_000);

function bootWritten(at: TestNodeProcess, of: string): number {
  const database = files.open(join(at.dataDir, "control.db"), { readonly: true });
  try {
    const row = database.prepare("SELECT boot_epoch FROM nodes WHERE id = ?").get(of);
    return Number(row?.["boot_epoch"] ?? 0);
  } finally {
    database.close();
  }
}

test("may not vote with it: the cluster's own record of its boots tells, and it begins anew", async () => {
  nodes.push(...(await startVoters(3)));
  const [one, , three] = nodes as [TestNodeProcess, TestNodeProcess, TestNodeProcess];
  await eventually("the first boot is written down", () =>
    bootWritten(one, "node-3") > 0 ? true : undefined,
  );
  const first = bootWritten(one, "node-3");
  await three.stop();
  const old = join(root.path, "copy");
  cpSync(three.dataDir, old, { recursive: true });
  await three.start();
  await eventually("the second boot is written down", () =>
    bootWritten(one, "node-3") > first ? true : undefined,
  );
  for (const node of nodes) await node.stop();
  rmSync(three.dataDir, { recursive: true });
  cpSync(old, three.dataDir, { recursive: true });
  for (const node of nodes) {
    const log = files.open(join(node.dataDir, "raft.db"));
    log.execute("DELETE FROM raft_seen");
    log.close();
  }
  for (const node of nodes) node.launch();
  for (const node of nodes) await node.ready();
  await eventually("node-3 is told", () =>
    three.output.includes("The Raft data was set aside, and this node takes part anew") ? true : undefined,
  );
  expect(three.output).toMatch(/has heard of boot \d+ of this node, and its Raft log was last opened in \d+/);
  await untilVoters(nodes, 3);
}, 240_000);
