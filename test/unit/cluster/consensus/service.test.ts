import { afterEach, expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { parseNodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { ConsensusService } from "../../../../src/cluster/consensus/service.ts";
import type { FromRaft } from "../../../../src/cluster/consensus/thread-protocol.ts";
import { newLeaseCell } from "../../../../src/cluster/leases/cell.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { memoryDatabases } from "../../../../src/platform/memory/database.ts";
import { seededEntropy } from "../../../../src/platform/memory/entropy.ts";
import { MemoryNetwork } from "../../../../src/platform/memory/network.ts";
import { memoryIdentity, MemoryStreams } from "../../../../src/platform/memory/streams.ts";
import { defaultLimits } from "../../../../src/raft/options.ts";
import { putCommand } from "../../../support/kv-commands.ts";

const self = parseNodeId("node-1");
const databases = memoryDatabases();
const clock = new VirtualClock();
const told: FromRaft[] = [];

const service = new ConsensusService({
  clock,
  bootClock: clock,
  entropy: seededEntropy(1),
  databases,
  streams: new MemoryStreams(new MemoryNetwork(clock, new Prng(1))).at("node-1"),
  soon: (callback) => void clock.after(0.01, callback),
  streamIdentity: () => memoryIdentity("key", "prod", self),
  setAside: () => undefined,
  post: (message) => void told.push(message),
  ended: () => undefined,
});

afterEach(() => {
  service.end();
  databases.dispose();
});

const until = (condition: () => boolean): Promise<boolean> => clock.runUntilSettled(condition, 60_000);

function status() {
  return told.flatMap((message) => (message.kind === "status" ? [message.status] : [])).at(-1);
}

function answered(request: number) {
  return told
    .flatMap((message) => (message.kind === "answers" ? message.answers : []))
    .find((answer) => answer.request === request);
}

test("a full disk ends leadership, and when there is room again the node goes on by itself", async () => {
  service.receive({ kind: "ask", requests: [{ request: 1, kind: "check", timeout_ms: 10 }] });
  expect(await until(() => answered(1) !== undefined)).toBe(true);
  expect(answered(1)).toMatchObject({ kind: "failed", code: "unavailable" });
  service.receive({
    kind: "open",
    open: {
      self,
      boot: 5,
      cluster: "prod",
      logPath: "raft.db",
      statePath: "control.db",
      bind: { host: "node-1", port: 8_946 },
      identity: { ca: "", certificate: "", key: "" },
      witness: false,
      found: true,
      timing: { heartbeat_ms: 50, election_ms: 150 },
      limits: defaultLimits,
      snapshotEvery_entries: 100,
      connect_ms: 1_000,
      keepAlive_ms: 1_000,
      seed: 1,
      lease: { terms: { ttl_ms: 2_000, drift: 0.05 }, cell: newLeaseCell() },
    },
  });
  expect(await until(() => status()?.ready === true)).toBe(true);
  databases.failCommits(new CaxtonError("disk_full", "no room"));
  const command = putCommand("a", "1");
  service.receive({ kind: "ask", requests: [{ request: 2, kind: "propose", command, timeout_ms: 1_000 }] });
  expect(await until(() => answered(2) !== undefined)).toBe(true);
  expect(answered(2)).toMatchObject({ kind: "failed", code: "outcome_unknown" });
  expect(status()).toMatchObject({ role: "follower", trouble: "its log cannot be written: no room" });
  // For as long as it is full nothing says that all is well.
  told.length = 0;
  expect(await clock.runUntilSettled(() => false, 20_000)).toBe(false);
  expect(
    told.flatMap((message) => (message.kind === "status" ? [message.status.trouble] : [])),
  ).not.toContain(null);
  databases.failCommits(undefined);
  expect(await until(() => status()?.ready === true && status()?.trouble === null)).toBe(true);
  service.receive({ kind: "ask", requests: [{ request: 3, kind: "propose", command, timeout_ms: 1_000 }] });
  expect(await until(() => answered(3) !== undefined)).toBe(true);
  expect(answered(3)?.kind).toBe("committed");
});
