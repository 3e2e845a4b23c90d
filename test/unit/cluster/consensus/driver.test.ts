import { encodeNodeRecord } from "../../../../src/wire/control-node.ts";
import { controlCommands } from "../../../../src/wire/control-kinds.ts";
import { encodeControlCommand } from "../../../../src/wire/control-command.ts";
import { describe, expect, test } from "vitest";
import { present } from "../../../../src/base/assert.ts";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { raftIdOf } from "../../../../src/raft/configuration.ts";
import { decodeRaftMessage, encodeRaftMessage } from "../../../../src/raft/message-codec.ts";
import { encodeGreeting, isGreeting } from "../../../../src/wire/raft-greeting.ts";
import { ConsensusWorld, type ConsensusWorldNode } from "../../../support/consensus-world.ts";
import { getQuery, putCommand, statusOfOutcome, valueOf } from "../../../support/kv-commands.ts";

async function put(
  node: ConsensusWorldNode,
  key: string,
  value: string,
  timeout_ms = 2_000,
): Promise<string> {
  const answer = await node.answer({ kind: "propose", command: putCommand(key, value), timeout_ms });
  if (answer.kind === "committed") return statusOfOutcome(answer.outcome);
  return answer.kind === "failed" ? answer.code : answer.kind;
}

async function get(node: ConsensusWorldNode, key: string): Promise<string | undefined> {
  const answer = await node.answer({
    kind: "read",
    query: getQuery(key),
    consistency: "linearizable",
    timeout_ms: 2_000,
  });
  if (answer.kind !== "read") throw new Error(JSON.stringify(answer));
  return valueOf(answer.bytes);
}

describe("consensus of one node", () => {
  test("it leads, commits, answers, and still knows all after a crash", async () => {
    const world = new ConsensusWorld();
    const [node] = (await world.cluster(1)) as [ConsensusWorldNode];
    expect(await put(node, "a", "1")).toBe("done");
    expect(await get(node, "a")).toBe("1");
    node.crash();
    node.start();
    expect(await get(node, "a")).toBe("1");
    expect(node.status?.identity).toBe(node.boot - 1);
  });
});

describe("consensus of three nodes", () => {
  test("a write through any node is read at every other", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    for (const [i, node] of nodes.entries()) expect(await put(node, `k${i}`, String(i))).toBe("done");
    for (const node of nodes) for (const i of [0, 1, 2]) expect(await get(node, `k${i}`)).toBe(String(i));
  });

  test("the leader crashes: another leads, and what was acknowledged is there", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    expect(await put(first, "a", "1")).toBe("done");
    first.crash();
    world.until(() => world.leader() !== undefined);
    const rest = nodes.filter((node) => node !== first);
    for (const node of rest) expect(await get(node, "a")).toBe("1");
    expect(await put(rest[0] as ConsensusWorldNode, "a", "2")).toBe("done");
    first.start();
    expect(await get(first, "a")).toBe("2");
  });
});

function others(nodes: readonly ConsensusWorldNode[], not: ConsensusWorldNode): ConsensusWorldNode[] {
  return nodes.filter((node) => node !== not);
}

async function stats(node: ConsensusWorldNode) {
  const answer = await node.answer({ kind: "stats", timeout_ms: 1_000 });
  if (answer.kind !== "stats") throw new Error(JSON.stringify(answer));
  return answer.stats;
}

function sameState(world: ConsensusWorld, ...nodes: readonly ConsensusWorldNode[]): void {
  world.until(() => new Set(nodes.map((node) => node.data?.state?.hash.root)).size === 1);
}

describe("a turn", () => {
  test("in which something is sent blocks on no database afterwards", async () => {
    const world = new ConsensusWorld();
    const [first, ...others] = (await world.cluster(3)) as [ConsensusWorldNode, ...ConsensusWorldNode[]];
    const sent = new Map<ConsensusWorldNode, number>();
    const late: string[] = [];
    world.sent = (from) => void sent.set(from, world.clock.now_ms());
    const watch =
      <A extends unknown[], R>(node: ConsensusWorldNode, name: string, work: (...args: A) => R) =>
      (...args: A): R => {
        if (sent.get(node) === world.clock.now_ms()) late.push(`${node.id}: ${name}`);
        return work(...args);
      };
    let applied = 0;
    for (const node of [first, ...others]) {
      const { log, state } = node.data ?? {};
      if (!log || !state) throw new Error("no data");
      log.persist = watch(node, "persist", log.persist.bind(log));
      const apply = state.apply.bind(state);
      state.apply = watch(node, "apply", (entries) => (applied++, apply(entries)));
    }
    const answers: number[] = [];
    for (let i = 0; i < 20; i++)
      answers.push(first.ask({ kind: "propose", command: putCommand(`k${i}`, "1"), timeout_ms: 2_000 }));
    world.until(() => answers.every((number) => first.answers.get(number)?.kind === "committed"));
    for (let i = 0; i < 20; i++) expect(await put(first, "k", String(i))).toBe("done");
    expect(applied).toBeGreaterThan(20);
    expect(late).toEqual([]);
  });
});

describe("a disk that fails", () => {
  test("ends leadership: another leads, what was acknowledged is there, the failed node says why and writes no more", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    expect(await put(first, "a", "1")).toBe("done");
    const before = first.data?.log.hardState;
    first.databases.failCommits(new CaxtonError("storage_failed", "fsync: input/output error"));
    expect(await put(first, "a", "2", 500)).toBe("outcome_unknown");
    world.until(() => others(nodes, first).some(({ status }) => status?.role === "leader"));
    for (const node of others(nodes, first)) expect(["1", "2"]).toContain(await get(node, "a"));
    first.databases.failCommits(undefined);
    world.clock.advance(5_000);
    expect(first.status).toMatchObject({ trouble: "its log cannot be written: fsync: input/output error" });
    expect(first.status?.role).not.toBe("leader");
    expect(first.data?.log.hardState).toEqual(before);
    expect(await put(first, "a", "3")).toBe("unavailable");
  });
});

test("a follower promises nothing that its disk did not take: no entry is confirmed, no vote is given", async () => {
  const world = new ConsensusWorld();
  const nodes = await world.cluster(3);
  const first = world.leader() as ConsensusWorldNode;
  const [second, third] = others(nodes, first) as [ConsensusWorldNode, ConsensusWorldNode];
  expect(await put(first, "a", "1")).toBe("done");
  world.clock.advance(200);
  const promises: string[] = [];
  const last = second.data?.log.last.index ?? 0;
  world.sent = (from, _to, bytes) => {
    if (from !== second || isGreeting(bytes)) return;
    const { message } = decodeRaftMessage(bytes);
    if (message.kind === "appended" && message.match > last) promises.push(`appended ${message.match}`);
    if (message.kind === "vote-reply" && !message.pre && message.granted) promises.push("vote");
  };
  second.databases.failCommits(new CaxtonError("storage_failed", "fsync: input/output error"));
  // The third keeps silent: only the second could confirm, or make another one leader.
  world.cut(third, first);
  world.cut(first, third);
  expect(await put(first, "a", "2", 400)).toBe("outcome_unknown");
  world.clock.advance(5_000);
  expect(promises).toEqual([]);
});

describe("without a quorum", () => {
  test("a leader cut off from the others steps down; what it was asked is not known or not done, never said to be done", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    for (const other of others(nodes, first)) {
      world.cut(first, other);
      world.cut(other, first);
    }
    expect(await put(first, "a", "1", 300)).toBe("outcome_unknown");
    world.until(() => first.status?.quorum === false && first.status.role !== "leader");
    expect(await put(first, "a", "2", 300)).toBe("no_quorum");
    const read = await first.answer({
      kind: "read",
      query: getQuery("a"),
      consistency: "linearizable",
      timeout_ms: 300,
    });
    expect(read).toMatchObject({ kind: "failed", code: "no_quorum" });
    const local = await first.answer({
      kind: "read",
      query: getQuery("a"),
      consistency: "local",
      timeout_ms: 300,
    });
    expect(local.kind).toBe("read");
    world.heal();
    expect(await put(first, "a", "3")).toBe("done");
    expect(await get(first, "a")).toBe("3");
  });

  test("a command that waits for a leader is committed once there is one", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    first.crash();
    world.until(() => second.status?.leader === null);
    expect(await put(second, "a", "1", 5_000)).toBe("done");
  });
});

describe("hints", () => {
  function failover_ms(world: ConsensusWorld, nodes: readonly ConsensusWorldNode[], hinted: boolean): number {
    const first = world.leader() as ConsensusWorldNode;
    const boot = first.boot;
    first.crash();
    const since_ms = world.clock.now_ms();
    if (hinted) for (const node of others(nodes, first)) node.driver?.hint(first.id, boot);
    world.until(() => world.leader()?.status?.ready === true);
    return world.clock.now_ms() - since_ms;
  }

  test("of the leader's end start the election at once; without them a time-out is waited for", async () => {
    const slow = new ConsensusWorld();
    expect(failover_ms(slow, await slow.cluster(3), false)).toBeGreaterThan(100);
    const fast = new ConsensusWorld();
    expect(failover_ms(fast, await fast.cluster(3), true)).toBeLessThan(60);
  });

  test("about an earlier life, or heard by one node alone, change nothing", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const term = first.status?.term;
    for (const node of others(nodes, first)) node.driver?.hint(first.id, first.boot - 1);
    world.clock.advance(1_000);
    others(nodes, first)[0]?.driver?.hint(first.id, first.boot);
    world.clock.advance(1_000);
    expect(world.leader()).toBe(first);
    expect(first.status?.term).toBe(term);
  });
});

describe("leadership and members", () => {
  test("leadership is transferred to the node named", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const target = others(nodes, first)[1] as ConsensusWorldNode;
    const answer = await first.answer({ kind: "transfer", to: target.id, timeout_ms: 2_000 });
    expect(answer).toMatchObject({ kind: "transferred", to: target.id });
    world.until(() => target.status?.role === "leader");
  });

  test("a follower changes no members and says who leads", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    const answer = await second.answer({
      kind: "membership",
      changes: [{ node: first.id, role: null }],
      timeout_ms: 1_000,
    });
    expect(answer).toMatchObject({ code: "conflict", detail: expect.stringContaining(`"${first.id}" does`) });
  });

  test("three become one again, member by member", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    for (const node of others(nodes, first)) {
      const answer = await first.answer({
        kind: "membership",
        changes: [{ node: node.id, role: null }],
        timeout_ms: 2_000,
      });
      expect(answer.kind).toBe("changed");
    }
    expect(first.status).toMatchObject({ voters: 1, role: "leader" });
    expect(await put(first, "a", "1")).toBe("done");
  });
});

describe("a node that was away", () => {
  test("gets a snapshot when the log it needs is gone, and is the same as the others then", async () => {
    const world = new ConsensusWorld({ limits: { trailingEntries: 10 }, snapshotEvery_entries: 20 });
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    second.crash();
    for (let i = 0; i < 120; i++) expect(await put(first, `k${i % 7}`, String(i))).toBe("done");
    expect(first.status?.compacted).toBeGreaterThan(60);
    second.start();
    world.until(() => (second.status?.applied ?? 0) === (first.status?.applied ?? -1));
    expect((await stats(second)).snapshotsReceived).toBe(1);
    sameState(world, first, second);
    second.crash();
    second.start();
    expect(await get(second, "k1")).toBe("113");
  });

  test("with a damaged log takes part anew, as another participant, and gets everything again", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    expect(await put(first, "a", "1")).toBe("done");
    const before = second.identity;
    second.data?.log.database.execute("UPDATE raft_log SET term = term + 1 WHERE position = 2");
    second.crash();
    second.start();
    expect(second.data?.rebuilt).toContain("checksum of entry 2");
    expect(second.identity).not.toBe(before);
    world.clock.advance(2_000);
    expect(second.status?.standing).toBe(null);
    const replaced = await first.answer({
      kind: "membership",
      changes: [{ node: second.id, role: "learner", identity: second.identity }],
      timeout_ms: 2_000,
    });
    expect(replaced.kind).toBe("changed");
    world.until(
      () => second.status?.standing === "learner" && second.status.applied === first.status?.applied,
    );
    sameState(world, first, second);
  });

  test("whose state turns out to be damaged while it runs takes part anew; the only voter goes on and says so", async () => {
    const damage = "UPDATE kv SET media_type = CAST(x'ff' AS TEXT) WHERE key = 'a'";
    for (const count of [3, 1]) {
      const world = new ConsensusWorld();
      const nodes = await world.cluster(count);
      const first = world.leader() as ConsensusWorldNode;
      const node = others(nodes, first)[0] ?? first;
      expect(await put(first, "a", "1")).toBe("done");
      world.until(() => node.data?.state?.applied.index === first.data?.state?.applied.index);
      // What is applied is written a little later.
      world.until(() => node.data?.state?.uncommitted === false);
      node.databases.open("control.db 0").execute(damage);
      const read = { kind: "read", query: getQuery("a"), consistency: "local", timeout_ms: 1_000 } as const;
      for (let times = 0; times < 2; times++)
        expect(await node.answer(read)).toMatchObject({ kind: "failed", code: "data_corrupt" });
      expect(node.outdated).toEqual(
        count === 1 ? [] : [expect.stringMatching(/control state is damaged: .*kv\.media_type is no text/)],
      );
      if (count === 1) expect(node.status?.trouble).toMatch(/kv\.media_type is no text/);
    }
  });

  test("that is the only voter refuses to start with a damaged log, and its files are left alone", async () => {
    const world = new ConsensusWorld();
    const [node] = (await world.cluster(1)) as [ConsensusWorldNode];
    expect(await put(node, "a", "1")).toBe("done");
    node.data?.log.database.execute("UPDATE raft_log SET data = x'00' WHERE position = 3");
    node.crash();
    expect(() => node.start()).toThrow("only voter, so nobody can give it the data again");
  });

  test("and lost the end of its log learns of it from its leader, and may not vote with what is left", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    const everywhere = (): boolean => second.status?.applied === first.status?.applied;
    expect(await put(first, "a", "1")).toBe("done");
    world.until(everywhere);
    const database = second.databases.open("raft.db 0");
    const row = database.prepare("SELECT term, vote, commit_index, last, checksum FROM raft_state").get();
    expect(await put(first, "b", "2")).toBe("done");
    world.until(everywhere);
    second.crash();
    // As when a write-ahead log ends before its last transactions: nothing of them is there, and all else is sound.
    const before = present(row, "the hard state");
    database.prepare("DELETE FROM raft_log WHERE position > ?").run(Number(before["last"]));
    database
      .prepare("UPDATE raft_state SET term = ?, vote = ?, commit_index = ?, last = ?, checksum = ?")
      .run(...Object.values(before));
    second.start();
    world.until(() => second.outdated.length > 0);
    expect(second.outdated[0]).toMatch(/Its Raft log ends at entry \d+, and it had acknowledged entry \d+/);
  });

  test("on an old copy of its disk is told so, and may not vote with it", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second, third] = others(nodes, first) as [ConsensusWorldNode, ConsensusWorldNode];
    // Boots a, b, c; the disk of boot a comes back.
    const old = second.boot;
    second.crash();
    second.start();
    expect(await get(second, "x")).toBe(undefined);
    second.crash();
    second.data = undefined;
    const database = second.databases.open("raft.db 0");
    database.execute(`UPDATE raft_identity SET boot = ${old}, checksum = -1`);
    second.start();
    world.until(() => second.outdated.length > 0);
    expect(second.outdated[0]).toMatch(
      /has heard of boot \d+ of this node, and its Raft log was last opened in/,
    );
    // Nobody hears its messages any more: with it alone there is no quorum.
    third.crash();
    expect(await put(first, "a", "1", 500)).toBe("outcome_unknown");
  });

  test("on an old copy of its disk is found out by the boot that the cluster wrote down, where nobody heard of it", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    const old = second.boot;
    second.crash();
    second.start();
    const body = encodeNodeRecord({ ...record, id: second.id, bootEpoch: second.boot });
    const plain = { version: 1, principal: "", session: null, idempotencyKey: null };
    const command = encodeControlCommand({ kind: controlCommands.nodePut, ...plain, body });
    expect((await first.answer({ kind: "propose", command, timeout_ms: 5_000 })).kind).toBe("committed");
    expect(await get(second, "x")).toBe(undefined);
    for (const node of nodes) node.crash();
    second.databases.open("raft.db 0").execute(`UPDATE raft_identity SET boot = ${old}, checksum = -1`);
    for (const node of nodes) node.databases.open("raft.db 0").execute("DELETE FROM raft_seen");
    for (const node of nodes) node.start();
    world.until(() => second.outdated.length > 0);
    // A log that began after that boot is another one, and welcome.
    second.crash();
    second.start(false, "it was an old copy");
    const { identity } = second;
    world.until(() => world.leader()?.status?.ready === true);
    const leader = world.leader() as ConsensusWorldNode;
    const changes = [{ node: second.id, role: "learner", identity }] as const;
    expect((await leader.answer({ kind: "membership", changes, timeout_ms: 5_000 })).kind).toBe("changed");
    world.until(() => second.status?.applied === leader.status?.applied);
    expect(second.outdated).toHaveLength(1);
  });
});

const record = { role: "voter", region: "", zone: "", level: 1, removed: false } as const;

describe("frames", () => {
  test("of nobody, of another participant, malformed or random change nothing and are counted", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    const term = first.status?.term ?? 0;
    const vote = (from: number, to: number): Uint8Array =>
      encodeRaftMessage({
        from,
        to,
        message: {
          kind: "vote",
          term: term + 5,
          pre: false,
          transfer: true,
          last: { index: 9_999, term: term + 4 },
        },
      });
    const before = (await stats(first)).refusedFrames;
    // A stranger that has not greeted, a member under another identity, a message meant for an earlier participant.
    first.driver?.receive("node-9" as typeof first.id, vote(1, first.identity));
    first.driver?.receive(second.id, vote(second.identity + 1, first.identity));
    first.driver?.receive(second.id, vote(second.identity, first.identity + 1));
    const prng = new Prng(4);
    for (let i = 0; i < 500; i++)
      first.driver?.receive(
        second.id,
        Uint8Array.from({ length: prng.below(60) }, () => prng.below(256)),
      );
    world.clock.advance(500);
    expect((await stats(first)).refusedFrames - before).toBe(503);
    expect(world.leader()).toBe(first);
    expect(first.status?.term).toBe(term);
  });

  test("the word that one's disk is old is believed only about this very log", async () => {
    const world = new ConsensusWorld();
    const nodes = await world.cluster(3);
    const first = world.leader() as ConsensusWorldNode;
    const [second] = others(nodes, first) as [ConsensusWorldNode];
    for (const [identity, seenBoot] of [
      [first.identity + 1, first.boot - 1],
      [first.identity, first.boot],
      [first.identity, 0],
    ] as const) {
      first.driver?.receive(second.id, encodeGreeting({ kind: "outdated", identity, seenBoot }));
    }
    world.clock.advance(100);
    expect(first.outdated).toEqual([]);
    expect(raftIdOf(first.id, first.identity)).toBe(first.data?.log.boots.self);
  });
});
