import { describe, expect, it } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { Consensus, ConsensusStatus } from "../../../../src/cluster/consensus/consensus.ts";
import { inspectLog } from "../../../../src/cluster/consensus/log-inspection.ts";
import type { Peers } from "../../../../src/cluster/peers/peers.ts";
import { ReplicaQueries } from "../../../../src/cluster/consensus/replica-queries.ts";
import { StateComparer } from "../../../../src/cluster/consensus/state-comparison.ts";
import { verifyReplicas } from "../../../../src/cluster/consensus/state-verification.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { KvStore } from "../../../../src/control/kv-store.ts";
import { type ControlState, openControlState } from "../../../../src/control/control-state.ts";
import { memoryDatabases } from "../../../../src/platform/memory/database.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { Entry } from "../../../../src/raft/entry.ts";
import type { RaftStatus } from "../../../../src/raft/status.ts";
import { openRaftLog, type RaftLog } from "../../../../src/store/raft-log.ts";
import type { Database } from "../../../../src/ports/database.ts";
import { encodeUtf8, Writer } from "../../../../src/wire/cursor.ts";
import { controlQueries } from "../../../../src/wire/control-kinds.ts";
import { encodeKvGet } from "../../../../src/wire/control-kv.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

const idle = { applied: 0, commit: 0 } as RaftStatus;

type Handler = Parameters<Peers["handle"]>[1];

/** One replica that decides, and others that apply what it does; requests between them go straight to their handlers. */
class Replicas {
  readonly names = ["n1", "n2", "n3"].map((name) => name as NodeId);
  readonly leader = new SingleNodeConsensus();
  readonly states = new Map<NodeId, ControlState>();
  readonly files = new Map<NodeId, Database>();
  readonly clock = new VirtualClock();
  readonly deaf = new Set<NodeId>();
  readonly #logs = new Map<NodeId, RaftLog>();
  readonly #handlers = new Map<string, Handler>();
  readonly queries: ReplicaQueries;
  readonly client: ControlClient;
  readonly kv: KvStore;
  trouble: string | null = null;

  constructor() {
    for (const name of this.names) {
      const first = name === "n1";
      const databases = first ? this.leader.databases : memoryDatabases();
      this.states.set(name, first ? this.leader.state : openControlState(databases, "control.db"));
      this.files.set(name, databases.open("control.db"));
    }
    const apply = this.leader.state.apply.bind(this.leader.state);
    this.leader.state.apply = (entries) => {
      for (const [name, state] of this.states) if (name !== "n1") state.apply(entries);
      return apply(entries);
    };
    const queries = this.names.map(
      (name) => new ReplicaQueries(this.#consensusOf(name), this.#peersOf(name)),
    );
    this.queries = queries[0] as ReplicaQueries;
    this.client = new ControlClient(this.leader, this.clock, () => 5_000);
    this.kv = new KvStore(this.client);
  }

  async put(key: string): Promise<void> {
    const put = {
      key,
      value: encodeUtf8("x"),
      mediaType: "text/plain",
      condition: "any",
      fence: null,
    } as const;
    await this.kv.put(put, { principal: "a", idempotencyKey: null });
  }

  async compare() {
    const comparer = new StateComparer(this.client, this.queries, this.clock);
    const done = comparer.compare(this.names);
    for (let i = 0; i < 200; i++) {
      this.clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return await done;
  }

  async request(method: string, to: string, body: Uint8Array): Promise<Uint8Array> {
    const handler = this.#handlers.get(`${to} ${method}`);
    if (handler === undefined || this.deaf.has(to as NodeId)) throw new CaxtonError("unreachable", "no link");
    return await handler(body, { from: "n1" as NodeId });
  }

  #peersOf(name: NodeId) {
    return {
      handle: (method: string, handler: Handler) => void this.#handlers.set(`${name} ${method}`, handler),
      request: (to: NodeId, method: string, body: Uint8Array) => this.request(method, to, body),
    };
  }

  /** Its Raft log: an own one, of a thousand entries. */
  logOf(name: NodeId): RaftLog {
    const known = this.#logs.get(name);
    if (known !== undefined) return known;
    const log = openRaftLog(memoryDatabases(), "raft.db", { node: name, boot: 1 });
    const entries = Array.from({ length: 5_000 }, (_, i): Entry => ({
      index: i + 1,
      term: 1,
      kind: "noop",
      data: new Uint8Array(),
    }));
    const hardState = { term: 1, vote: null, commit: 0 };
    log.persist([{ hardState, reset: null, truncateFrom: null, entries }]);
    this.#logs.set(name, log);
    return log;
  }

  #consensusOf(name: NodeId): Consensus {
    const state = this.states.get(name) as ControlState;
    const consensus: Partial<Consensus> = {
      self: name,
      status: () => ({ trouble: name === "n2" ? this.trouble : null }) as ConsensusStatus,
      read: async (query) =>
        await Promise.resolve({ bytes: state.query(query), appliedIndex: state.applied.index }),
      inspect: async (from) => await Promise.resolve(inspectLog(this.logOf(name), idle, from)),
      check: async () => await Promise.resolve({ node: name, state: state.hash, halted: state.halted }),
    };
    return consensus as Consensus;
  }
}

async function filled(): Promise<Replicas> {
  const replicas = new Replicas();
  for (const key of ["a", "b/1", "b/2", "c"]) await replicas.put(key);
  return replicas;
}

describe("comparing replicas", () => {
  it("finds them the same at one index", async () => {
    const replicas = await filled();
    const { index, nodes, difference } = await replicas.compare();
    expect(index).toBe(replicas.leader.state.applied.index);
    expect(nodes.map(({ same }) => same)).toEqual([true, true, true]);
    expect(difference).toBeNull();
  });

  it("names the one that is different and its first row that is", async () => {
    const replicas = await filled();
    const other = replicas.states.get("n3" as NodeId) as ControlState;
    const apply = other.apply.bind(other);
    // A replica that is not deterministic: it writes something else.
    let wrong = true;
    other.apply = (entries) =>
      apply(
        entries.map((entry) => {
          if (!wrong || entry.kind !== "command") return entry;
          wrong = false;
          const data = entry.data.slice();
          data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
          return { ...entry, data };
        }),
      );
    await replicas.put("b/15");
    const { nodes, difference } = await replicas.compare();
    expect(nodes.map(({ node, same }) => [node, same])).toEqual([
      ["n1", true],
      ["n2", true],
      ["n3", false],
    ]);
    expect(difference).toEqual({
      node: "n3",
      section: "kv",
      key: "b/15",
      detail: "n1 and n3 hold different rows",
    });
  });

  it("tells which could not be asked, and that one is behind", async () => {
    const replicas = await filled();
    replicas.deaf.add("n2" as NodeId);
    const behind = replicas.states.get("n3" as NodeId) as ControlState;
    behind.apply = () => [];
    const { nodes, difference } = await replicas.compare();
    expect(nodes.map(({ same }) => same)).toEqual([true, null, null]);
    expect(nodes.map(({ detail }) => detail)).toEqual(["", "no link", expect.stringContaining("not marked")]);
    expect(difference).toBeNull();
  });
});

describe("verifying replicas", () => {
  it("finds every row as it was written", async () => {
    const replicas = await filled();
    const shallow = await verifyReplicas(replicas.queries, replicas.names, false);
    expect(shallow).toHaveLength(9);
    expect(shallow.every(({ ok }) => ok)).toBe(true);
    const deep = await verifyReplicas(replicas.queries, replicas.names, true);
    expect(deep.filter(({ ok }) => !ok)).toEqual([]);
    expect(deep.find(({ node, check }) => node === "n2" && check === "section kv")?.detail).toBe(
      "4 rows are sound",
    );
  });

  it("finds a value that the disk has changed, and a row that is lost", async () => {
    const replicas = await filled();
    for (const state of replicas.states.values()) state.commit();
    replicas.files.get("n2" as NodeId)?.execute("UPDATE kv SET value = x'00' WHERE key = 'b/2'");
    replicas.files.get("n3" as NodeId)?.execute("DELETE FROM kv WHERE key = 'c'");
    const rows = await verifyReplicas(replicas.queries, replicas.names, true);
    expect(rows.filter(({ ok }) => !ok)).toEqual([
      {
        node: "n2",
        check: "section kv",
        ok: false,
        detail: "rows that are not what was written, by the hexadecimal digits of their keys: 622f32",
      },
      { node: "n3", check: "section kv", ok: false, detail: "rows are missing or too many: 3 of 4" },
    ]);
  });

  it("finds an entry of the log that the disk has changed, when it reads all of them", async () => {
    const replicas = await filled();
    replicas.logOf("n2" as NodeId).database.execute("UPDATE raft_log SET term = 2 WHERE position = 4321");
    const shallow = await verifyReplicas(replicas.queries, replicas.names, false);
    expect(shallow.filter(({ ok }) => !ok)).toEqual([]);
    const deep = await verifyReplicas(replicas.queries, replicas.names, true);
    expect(deep.filter(({ ok }) => !ok)).toEqual([
      { node: "n2", check: "raft log", ok: false, detail: expect.stringContaining("4321") as string },
    ]);
    expect(deep.find(({ node, check }) => node === "n3" && check === "raft log")?.detail).toBe(
      "5000 entries are sound; 1 to 5000 kept, 0 committed, 0 applied",
    );
  });

  it("says what a node suffers from, and which cannot be reached", async () => {
    const replicas = await filled();
    replicas.trouble = "disk failed: input/output error";
    replicas.deaf.add("n3" as NodeId);
    const rows = await verifyReplicas(replicas.queries, replicas.names, false);
    expect(rows.filter(({ ok }) => !ok)).toEqual([
      { node: "n2", check: "consensus", ok: false, detail: "disk failed: input/output error" },
      { node: "n3", check: "reachable", ok: false, detail: "no link" },
    ]);
  });

  it("answers other nodes with hashes and never with contents", async () => {
    const replicas = await filled();
    const ask = (bytes: Uint8Array): Promise<Uint8Array> => replicas.request("control.replica", "n2", bytes);
    const get = encodeKvGet("a");
    const bodies = [
      new Writer().u16(controlQueries.kvGet).blob(get).finish(),
      new Uint8Array([1]),
      new Writer().u16(controlQueries.hash).blob(new Uint8Array(0)).u8(1).finish(),
    ];
    for (const body of bodies) await expect(ask(body)).rejects.toMatchObject({ code: "invalid_argument" });
    const walk = new Writer().text("sessions").u16(60_000).bool(false).finish();
    await expect(ask(new Writer().u16(controlQueries.sectionWalk).blob(walk).finish())).rejects.toMatchObject(
      { code: "invalid_argument" },
    );
  });
});
