import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { present } from "../../../../src/base/assert.ts";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { parseNodeId } from "../../../../src/base/ids.ts";
import { spawnRaftWorker } from "../../../../src/cluster/consensus/spawn.ts";
import { ConsensusStreams } from "../../../../src/cluster/consensus/streams.ts";
import { ConsensusThread } from "../../../../src/cluster/consensus/thread.ts";
import type { FromRaft, ToRaft } from "../../../../src/cluster/consensus/thread-protocol.ts";
import { newLeaseCell } from "../../../../src/cluster/leases/cell.ts";
import { systemClock } from "../../../../src/platform/node/clock.ts";
import { systemEntropy } from "../../../../src/platform/node/entropy.ts";
import { openStreams } from "../../../../src/platform/node/streams.ts";
import type { Address } from "../../../../src/ports/datagrams.ts";
import type { Thread } from "../../../../src/ports/threads.ts";
import { encodeRaftMessage } from "../../../../src/raft/message-codec.ts";
import type { RaftMessage } from "../../../../src/raft/messages.ts";
import { defaultLimits } from "../../../../src/raft/options.ts";
import { certificateAuthority, nodeIdentity } from "../../../../src/security/certificates.ts";
import { encodeGreeting } from "../../../../src/wire/raft-greeting.ts";
import { getQuery, putCommand, statusOfOutcome, valueOf } from "../../../support/kv-commands.ts";
import { eventually } from "../../../support/node-process.ts";
import { patience_ms } from "../../../support/patience.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { until } from "../../../support/until.ts";

const directory = temporaryDirectory("consensus-thread");
const running: ConsensusThread[] = [];
let files = 0;

afterEach(async () => {
  for (const thread of running.splice(0)) await thread.stop(0);
});

interface Started {
  readonly thread: ConsensusThread;
  local: Address;
  identity: number;
  readonly refused: string[];
}

async function start(
  name: string,
  choices: {
    found?: boolean;
    key?: number;
    spawn?: () => Thread<FromRaft, ToRaft>;
    port?: number;
    failed?: (error: CaxtonError) => void;
  } = {},
): Promise<Started> {
  const self = parseNodeId(name);
  const authority = certificateAuthority(new Uint8Array(32).fill(choices.key ?? 1));
  const { ca, certificate, key } = nodeIdentity(authority, self, "test", {
    clock: systemClock,
    entropy: systemEntropy,
  });
  const file = join(directory.path, `${name}-${files++}`);
  const started = { local: { host: "", port: 0 }, identity: 0, refused: [] as string[] };
  const thread = await ConsensusThread.start({
    open: {
      self,
      boot: 10,
      cluster: "test",
      logPath: `${file}-raft.db`,
      statePath: `${file}-control.db`,
      bind: { host: "127.0.0.1", port: choices.port ?? 0 },
      identity: { ca, certificate, key },
      witness: false,
      found: choices.found ?? false,
      timing: { heartbeat_ms: 50, election_ms: 500 },
      limits: defaultLimits,
      snapshotEvery_entries: 1_000,
      connect_ms: patience_ms,
      keepAlive_ms: 1_000,
      seed: name.length,
      lease: { terms: { ttl_ms: 2_000, drift: 0.05 }, cell: newLeaseCell() },
    },
    clock: systemClock,
    soon: (callback) => void setImmediate(callback),
    spawn: choices.spawn ?? spawnRaftWorker,
    opened: (local, identity) => Object.assign(started, { local, identity }),
    refused: (source, reason) => started.refused.push(`${source}: ${reason}`),
    leaseTold: () => undefined,
    failed: (error) => choices.failed?.(error),
  });
  running.push(thread);
  return Object.assign(started, { thread });
}

function introduce(...all: readonly Started[]): void {
  for (const a of all) for (const b of all) if (a !== b) a.thread.setAddress(b.thread.self, b.local);
}

/** Makes it a voter, whoever leads meanwhile: that may change while the machine stands still. */
async function add(cluster: readonly Started[], node: Started): Promise<void> {
  const { self } = node.thread;
  const leader = (): Started =>
    present(
      [...cluster, node].find(({ thread }) => thread.status().role === "leader"),
      "a leader",
    );
  const member = () =>
    leader()
      .thread.status()
      .members.find((each) => each.node === self);
  const become = (role: "learner" | "voter") =>
    eventually(`${self} is a ${role}`, async () => {
      if (member()?.role === role) return true;
      const change = { node: self, role, ...(role === "learner" && { identity: node.identity }) };
      await leader().thread.changeMembership([change], { timeout_ms: patience_ms });
      return undefined;
    });
  await become("learner");
  await eventually(`${self} has caught up`, () => (member()?.caughtUp === true ? true : undefined));
  await become("voter");
}

async function read(node: Started, key: string): Promise<string | undefined> {
  const options = { consistency: "linearizable", timeout_ms: patience_ms } as const;
  return valueOf((await node.thread.read(getQuery(key), options)).bytes);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    return error instanceof CaxtonError ? error.code : String(error);
  }
}

/** A node with the cluster's key, and a link to another one's raft thread, on which it has greeted. */
async function forgerOf(victim: Started): Promise<{ say(frame: Uint8Array): void; close(): Promise<void> }> {
  const node = parseNodeId("forger");
  const authority = certificateAuthority(new Uint8Array(32).fill(1));
  const identity = nodeIdentity(authority, node, "test", { clock: systemClock, entropy: systemEntropy });
  const up = Promise.withResolvers<void>();
  const ignored = (): void => undefined;
  const streams = new ConsensusStreams(
    {
      node,
      bootEpoch: 1,
      local: { host: "127.0.0.1", port: 0 },
      identity,
      streams: openStreams(),
      clock: systemClock,
      entropy: systemEntropy,
    },
    { frame: ignored, up: () => up.resolve(), down: ignored, gone: ignored },
  );
  await streams.listen();
  const { self } = victim.thread;
  streams.setAddress(self, victim.local);
  streams.keep([self]);
  await up.promise;
  const say = (frame: Uint8Array): void => streams.send(self, "raft", frame);
  say(encodeGreeting({ kind: "greeting", identity: 1, boot: 1, previousBoot: 0 }));
  return { say, close: () => streams.close() };
}

describe("raft threads", () => {
  test("of three nodes agree over TLS; leadership is given away when one stops", async () => {
    const one = await start("one", { found: true });
    const [two, three] = [await start("two"), await start("three")];
    introduce(one, two, three);
    await until(() => one.thread.status().ready);
    await add([one], two);
    await add([one, two], three);
    const { outcome } = await two.thread.propose(putCommand("a", "1"), { timeout_ms: patience_ms });
    expect(statusOfOutcome(outcome)).toBe("done");
    for (const node of [one, two, three]) expect(await read(node, "a")).toBe("1");
    // Who leads may change while the machine stands still.
    await until(() => {
      const { leader, voters, votersReached, quorum } = one.thread.status();
      return leader !== null && voters === 3 && votersReached === 3 && quorum;
    });
    await one.thread.stop(5_000);
    await until(() => ["two", "three"].includes(two.thread.status().leader ?? ""));
    expect(await read(three, "a")).toBe("1");
    const [hash, other] = await Promise.all(
      [two, three].map(({ thread }) => thread.check({ timeout_ms: patience_ms })),
    );
    expect(hash?.state.index === other?.state.index ? hash?.state.root === other?.state.root : true).toBe(
      true,
    );
  });

  test("a stranger with another cluster key is refused by both sides, with the reason", async () => {
    const one = await start("one", { found: true });
    const stranger = await start("stranger", { key: 2 });
    introduce(one, stranger);
    await until(() => one.thread.status().ready);
    await one.thread.changeMembership([{ node: stranger.thread.self, role: "learner", identity: 10 }], {
      timeout_ms: patience_ms,
    });
    await until(() => one.refused.length > 0);
    expect(one.refused[0]).toMatch(/certificate/);
    expect(stranger.thread.status().members).toEqual([]);
  });

  test("what a node with the key that is no member forges changes nothing: no term, no leader, no entry", async () => {
    const one = await start("one", { found: true });
    await until(() => one.thread.status().ready);
    const { term, last } = one.thread.status();
    const forger = await forgerOf(one);
    const position = { index: 2 ** 40, term };
    const configuration = { members: [], outgoing: null };
    const snapshot = { transfer: 1, position, configuration };
    const bytes = new Uint8Array(9);
    const words: RaftMessage[] = [
      { kind: "heartbeat-reply", term: Number.MAX_SAFE_INTEGER, round: 1 },
      { kind: "heartbeat-reply", term: term + 1, round: 1 },
      { kind: "vote", term: term + 1, pre: false, transfer: true, last: position },
      { kind: "vote", term: Number.MAX_SAFE_INTEGER, pre: false, transfer: true, last: position },
      { kind: "heartbeat", term, round: 1, commit: 2 ** 40 },
      { kind: "append", term, previous: position, entries: [], commit: 2 ** 40 },
      { kind: "snapshot", term, mark: snapshot, chunk: 0, bytes, final: true },
      { kind: "appended", term, match: 2 ** 40 },
      { kind: "timeout-now", term },
    ];
    for (const message of words) forger.say(encodeRaftMessage({ from: 1, to: one.identity, message }));
    // For a participant that it is not, of one that never greeted, and what is no message at all.
    const message = { kind: "heartbeat", term: term + 1, round: 1, commit: 0 } as const;
    forger.say(encodeRaftMessage({ from: 1, to: one.identity + 1, message }));
    forger.say(encodeRaftMessage({ from: 2, to: one.identity, message }));
    forger.say(new Uint8Array([1, 2, 3]));
    await eventually("all of it was looked at", async () =>
      (await one.thread.stats()).refusedFrames === 3 ? true : undefined,
    );
    expect(one.thread.status()).toMatchObject({ role: "leader", term, last });
    const { outcome } = await one.thread.propose(putCommand("a", "1"), { timeout_ms: patience_ms });
    expect(statusOfOutcome(outcome)).toBe("done");
    expect(await read(one, "a")).toBe("1");
    await forger.close();
  });

  test("a thread that hangs is told from one that refuses: what became of the command is not known", async () => {
    const posted: ToRaft[] = [];
    let tell: ((message: FromRaft) => void) | undefined;
    const hung = await start("hung", {
      spawn: () => ({
        post: (message) => {
          posted.push(message);
          const local = { host: "127.0.0.1", port: 1 };
          if (message.kind === "open") tell?.({ kind: "opened", local, identity: 1, rebuilt: null });
          if (message.kind === "stop") tell?.({ kind: "stopped" });
        },
        receive: (handler) => {
          tell = handler;
        },
        ended: () => undefined,
        terminate: () => Promise.resolve(),
        close: () => undefined,
      }),
    });
    const [command, query] = [putCommand("a", "1"), getQuery("a")];
    expect(await codeOf(hung.thread.propose(command, { timeout_ms: 20 }))).toBe("outcome_unknown");
    const options = { consistency: "linearizable", timeout_ms: 20 } as const;
    expect(await codeOf(hung.thread.read(query, options))).toBe("no_quorum");
    expect(posted.map(({ kind }) => kind)).toEqual(["open", "ask", "ask"]);
  });

  test("a command that is none, or too large, is refused before anything is proposed", async () => {
    const one = await start("one", { found: true });
    await until(() => one.thread.status().ready);
    const { last } = one.thread.status();
    expect(await codeOf(one.thread.propose(new Uint8Array(9), { timeout_ms: patience_ms }))).toBe(
      "invalid_argument",
    );
    expect(await codeOf(one.thread.propose(new Uint8Array(3_000_000), { timeout_ms: patience_ms }))).toBe(
      "payload_too_large",
    );
    expect(one.thread.status().last).toBe(last);
  });

  test("a port in use ends the start with the reason, which is no failure of a node that runs", async () => {
    const one = await start("one", { found: true });
    const failures: CaxtonError[] = [];
    const failed = (error: CaxtonError): void => void failures.push(error);
    expect(await codeOf(start("two", { port: one.local.port, failed }))).toBe("port_in_use");
    expect(failures).toEqual([]);
  });
});
