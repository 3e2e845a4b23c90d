import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { type ControlState, openControlState } from "../../../src/control/control-state.ts";
import { heldEntries_max } from "../../../src/control/limits.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import { openDatabases } from "../../../src/platform/node/database.ts";
import { controlCommands, controlQueries } from "../../../src/wire/control-kinds.ts";
import {
  type ControlOutcome,
  decodeOutcome,
  encodeControlQuery,
  stampCommand,
} from "../../../src/wire/control-command.ts";
import {
  type KvCondition,
  decodeKvPage,
  decodeKvValue,
  encodeKvDelete,
  encodeKvGet,
  encodeKvList,
  encodeKvPut,
} from "../../../src/wire/control-kv.ts";
import {
  decodeLockView,
  encodeLockAcquire,
  encodeLockGet,
  encodeLockRelease,
} from "../../../src/wire/control-lock.ts";
import { decodeNodeRecords, encodeNodeId, encodeNodeRecord } from "../../../src/wire/control-node.ts";
import { decodeSettings, encodeSettingName, encodeSettingPut } from "../../../src/wire/control-setting.ts";
import type { NodeId } from "../../../src/base/ids.ts";
import { Writer, decodeUtf8, encodeUtf8 } from "../../../src/wire/cursor.ts";
import { TestLeader, commandBytes } from "../../support/control-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const opened: (() => void)[] = [];

function world() {
  const databases = memoryDatabases();
  const state = openControlState(databases, "control.db");
  const leader = new TestLeader(state);
  opened.push(() => databases.dispose());
  const crash = (): ControlState => openControlState(databases, "control.db");
  const reopen = (): ControlState => (state.close(), crash());
  return { databases, state, leader, reopen, crash, ...shorthands(leader) };
}

function shorthands(leader: TestLeader) {
  const { state } = leader;
  const fenced = (lock: string, token: number) => ({ fence: { lock, token } });
  const put = (
    key: string,
    text: string,
    condition: KvCondition = "any",
    more: (Partial<Parameters<TestLeader["run"]>[0]> & ReturnType<typeof fenced>) | object = {},
  ): ControlOutcome => {
    const { fence = null, ...envelope } = more as { fence?: ReturnType<typeof fenced>["fence"] };
    const body = encodeKvPut({ key, value: encodeUtf8(text), mediaType: "text/plain", condition, fence });
    return leader.run({ kind: controlCommands.kvPut, body, ...envelope });
  };
  const remove = (key: string, condition: KvCondition = "any"): ControlOutcome =>
    leader.run({ kind: controlCommands.kvDelete, body: encodeKvDelete({ key, condition, fence: null }) });
  const get = (key: string) =>
    decodeKvValue(state.query(encodeControlQuery(controlQueries.kvGet, encodeKvGet(key))));
  const list = (prefix: string, after = "", limit = 100) =>
    decodeKvPage(
      state.query(encodeControlQuery(controlQueries.kvList, encodeKvList({ prefix, after, limit }))),
    );
  const acquire = (
    name: string,
    more: { holder?: string; token?: number; as?: string; ttl_ms?: number } = {},
  ) =>
    leader.run({
      kind: controlCommands.lockAcquire,
      principal: more.as ?? "alice",
      body: encodeLockAcquire({
        name,
        holder: more.holder ?? "",
        ttl_ms: more.ttl_ms ?? 10_000,
        token: more.token ?? 0,
      }),
    });
  const release = (name: string, token: number, as = "alice"): ControlOutcome =>
    leader.run({
      kind: controlCommands.lockRelease,
      principal: as,
      body: encodeLockRelease({ name, token }),
    });
  const look = (name: string, now_ms = 0) =>
    decodeLockView(state.query(encodeControlQuery(controlQueries.lockGet, encodeLockGet(name, now_ms))));
  return { put, remove, get, list, acquire, release, look, fenced };
}

function thrownBy(work: () => unknown): CaxtonError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof CaxtonError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

afterEach(() => {
  for (const close of opened.splice(0)) close();
});

describe("keys and values", () => {
  it("are kept with versions that rise and are never given twice", () => {
    const { put, get, remove } = world();
    const first = put("a", "1");
    expect(first.status).toBe("done");
    const second = put("a", "2");
    expect(second.value).toBeGreaterThan(first.value);
    expect(get("a")).toMatchObject({ version: second.value, mediaType: "text/plain", size: 1 });
    expect(remove("a").status).toBe("done");
    expect(get("a")).toBeNull();
    expect(put("a", "3").value).toBeGreaterThan(second.value);
  });

  it("are written only under the condition that was given", () => {
    const { put, get, remove } = world();
    const { value: version } = put("a", "1", "absent");
    expect(put("a", "2", "absent")).toMatchObject({ status: "conflict", value: version });
    expect(put("a", "2", version + 1)).toMatchObject({ status: "conflict", value: version });
    expect(put("b", "2", version)).toMatchObject({ status: "conflict", value: 0 });
    expect(put("a", "2", version).status).toBe("done");
    expect(remove("a", version).status).toBe("conflict");
    expect(decodeUtf8(get("a")?.value ?? new Uint8Array())).toBe("2");
    expect(remove("missing").status).toBe("not_found");
  });

  it("are listed by prefix in the order of their bytes, page by page", () => {
    const { put, list } = world();
    const keys = ["a/1", "a/2", "a", "b", "a/é", "a/\u{1F600}", "a/\uffee", "c"];
    for (const key of keys) put(key, "x");
    expect(list("").entries.map(({ key }) => key)).toEqual(
      keys.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))),
    );
    expect(list("a/").entries).toHaveLength(5);
    expect(list("a").entries).toHaveLength(6);
    const seen: string[] = [];
    let page = list("a", "", 2);
    for (;;) {
      seen.push(...page.entries.map(({ key }) => key));
      if (!page.more) break;
      page = list("a", seen.at(-1), 2);
    }
    expect(seen).toEqual(list("a").entries.map(({ key }) => key));
    expect(list("zzz").entries).toEqual([]);
  });

  it("are not written under a token that is no longer the lock's, and nothing changes", () => {
    const { put, get, acquire, release, fenced, leader, state } = world();
    const old = acquire("build", { ttl_ms: 5_000 }).value;
    expect(put("a", "1", "any", fenced("build", old)).status).toBe("done");
    leader.elapsed_ms += 5_000;
    const before = state.hash.sections.find(({ name }) => name === "kv");
    expect(put("a", "late", "any", fenced("build", old))).toMatchObject({ status: "fenced", value: 0 });
    const now = acquire("build", { as: "bob" }).value;
    expect(now).toBeGreaterThan(old);
    expect(put("a", "late", "any", fenced("build", old))).toMatchObject({ status: "fenced", value: now });
    expect(state.hash.sections.find(({ name }) => name === "kv")).toEqual(before);
    expect(decodeUtf8(get("a")?.value ?? new Uint8Array())).toBe("1");
    expect(put("a", "2", "any", fenced("build", now)).status).toBe("done");
    release("build", now, "bob");
    expect(put("a", "3", "any", fenced("build", now)).status).toBe("fenced");
  });
});

describe("locks", () => {
  it("are held by one, and go to the next only by release or when their time has passed", () => {
    const { acquire, release, look, leader } = world();
    const first = acquire("l");
    expect(first.status).toBe("done");
    const refused = acquire("l", { as: "bob" });
    expect(refused).toMatchObject({ status: "held", value: first.value });
    expect(decodeLockView(refused.body)).toMatchObject({ principal: "alice", left_ms: 10_000 });
    leader.elapsed_ms += 9_999;
    expect(acquire("l", { as: "bob" }).status).toBe("held");
    leader.elapsed_ms += 1;
    const second = acquire("l", { as: "bob" });
    expect(second.status).toBe("done");
    expect(second.value).toBeGreaterThan(first.value);
    expect(release("l", first.value).status).toBe("held");
    expect(release("l", second.value).status).toBe("held");
    expect(release("l", second.value, "bob").status).toBe("done");
    expect(look("l")).toBeNull();
    expect(acquire("l").value).toBeGreaterThan(second.value);
  });

  it("are renewed by token or by the holder's own name, and not once they were lost", () => {
    const { acquire, look, leader } = world();
    const { value: token } = acquire("l", { holder: "job-1" });
    leader.elapsed_ms += 8_000;
    expect(acquire("l", { token })).toMatchObject({ status: "done", value: token });
    expect(look("l")).toMatchObject({ left_ms: 10_000, holder: "job-1" });
    leader.elapsed_ms += 8_000;
    expect(acquire("l", { holder: "job-1" })).toMatchObject({ status: "done", value: token });
    expect(acquire("l", { holder: "job-2" }).status).toBe("held");
    expect(acquire("l", { holder: "job-1", as: "bob" }).status).toBe("held");
    expect(acquire("l", { token, as: "bob" }).status).toBe("held");
    leader.elapsed_ms += 10_000;
    expect(acquire("l", { token }).status).toBe("not_found");
  });

  it("are not renewed under a token of before, or by one of many that gave themselves no name", () => {
    const { acquire, release, look } = world();
    const { value: old } = acquire("l");
    release("l", old);
    const { value: token } = acquire("l", { ttl_ms: 5_000 });
    expect(acquire("l", { token: old }).status).toBe("held");
    expect(acquire("l", { token: token + 1 }).status).toBe("held");
    expect(acquire("l").status).toBe("held");
    expect(look("l")).toMatchObject({ token, ttl_ms: 5_000 });
  });

  it("last longer, never shorter, when the leader changes, whatever its wall clock says", () => {
    const { acquire, leader } = world();
    acquire("l", { ttl_ms: 10_000 });
    leader.elapsed_ms += 4_000;
    expect(acquire("other").status).toBe("done");
    leader.elect();
    leader.wall_ms += 365 * 86_400_000;
    leader.elapsed_ms = 5_999;
    expect(acquire("l", { as: "bob" }).status).toBe("held");
    leader.elapsed_ms = 6_000;
    expect(acquire("l", { as: "bob" }).status).toBe("done");
  });

  it("never last shorter because a stamp is older than the one before it", () => {
    const { acquire, leader } = world();
    leader.elapsed_ms = 50_000;
    acquire("l", { ttl_ms: 10_000 });
    leader.elapsed_ms = 10_000;
    expect(acquire("other").status).toBe("done");
    leader.elapsed_ms = 59_999;
    expect(acquire("l", { as: "bob" }).status).toBe("held");
    leader.elapsed_ms = 60_000;
    expect(acquire("l", { as: "bob" }).status).toBe("done");
  });

  it("show as free once they have run out, though no command has come since", () => {
    const { acquire, look, leader } = world();
    acquire("l", { ttl_ms: 10_000 });
    expect(look("l", leader.wall_ms + 4_000)).toMatchObject({ left_ms: 6_000 });
    expect(look("l", leader.wall_ms + 10_000)).toBeNull();
  });

  it("are forgotten long after they ran out, and their tokens still never return", () => {
    const { acquire, leader, state } = world();
    const first = acquire("l").value;
    leader.elapsed_ms += 3_600_000;
    acquire("other");
    expect(state.hash.sections.find(({ name }) => name === "locks")?.rows).toBe(1);
    expect(acquire("l").value).toBeGreaterThan(first);
  });
});

describe("sent again", () => {
  const open = (leader: TestLeader): number =>
    leader.run({ kind: controlCommands.sessionOpen, body: new Uint8Array() }).value;

  it("a session's command is executed once and answered as the first time", () => {
    const { leader, put, get } = world();
    const session = open(leader);
    const mark = { session: { session, sequence: 1, floor: 0 } };
    const first = put("a", "1", "absent", mark);
    expect(first.status).toBe("done");
    expect(put("a", "1", "absent", mark)).toEqual(first);
    put("a", "2");
    expect(put("a", "1", "absent", mark)).toEqual(first);
    expect(decodeUtf8(get("a")?.value ?? new Uint8Array())).toBe("2");
  });

  it("a session's commands may come in any order, and what was answered is forgotten, not repeated", () => {
    const { leader, put } = world();
    const session = open(leader);
    const at = (sequence: number, floor: number) => ({ session: { session, sequence, floor } });
    expect(put("a", "1", "any", at(3, 1)).status).toBe("done");
    expect(put("a", "2", "any", at(1, 1)).status).toBe("done");
    expect(put("a", "3", "any", at(4, 4)).status).toBe("done");
    expect(put("a", "2", "any", at(1, 1)).status).toBe("sequence_forgotten");
    expect(put("a", "4", "any", at(4, 4)).status).toBe("done");
  });

  it("a session that was idle too long is gone, so that nothing is executed twice", () => {
    const { leader, put, get } = world();
    const session = open(leader);
    const mark = { session: { session, sequence: 1, floor: 0 } };
    put("a", "1", "any", mark);
    leader.elapsed_ms += 600_001;
    expect(put("a", "again", "any", mark).status).toBe("session_unknown");
    expect(decodeUtf8(get("a")?.value ?? new Uint8Array())).toBe("1");
  });

  it("a session takes no more than its window of unanswered commands", () => {
    const { leader, put } = world();
    const session = open(leader);
    for (let sequence = 1; sequence <= 1_024; sequence++) {
      expect(put("a", "1", "any", { session: { session, sequence, floor: 0 } }).status).toBe("done");
    }
    expect(put("a", "1", "any", { session: { session, sequence: 1_025, floor: 0 } }).status).toBe("limit");
    expect(put("a", "1", "any", { session: { session, sequence: 1, floor: 0 } }).status).toBe("done");
  });

  it("a request under an Idempotency-Key is executed once for its principal, for a day", () => {
    const { leader, put } = world();
    const keyed = { idempotencyKey: "k-1" };
    const first = put("a", "1", "absent", keyed);
    expect(put("a", "1", "absent", keyed)).toEqual(first);
    expect(put("a", "other", "absent", keyed).status).toBe("key_reused");
    expect(put("a", "1", "absent", { ...keyed, principal: "bob" }).status).toBe("conflict");
    leader.elapsed_ms += 86_400_000;
    expect(put("a", "1", "absent", keyed).status).toBe("conflict");
  });
});

describe("nodes and settings", () => {
  const node = {
    id: "node-1" as NodeId,
    role: "voter",
    bootEpoch: 5,
    region: "eu",
    zone: "a",
    level: 1,
    removed: false,
  } as const;

  it("keep the highest boot epoch of a node, also of a removed one, and refuse an older disk", () => {
    const { leader, state } = world();
    const put = (bootEpoch: number): ControlOutcome =>
      leader.run({ kind: controlCommands.nodePut, body: encodeNodeRecord({ ...node, bootEpoch }) });
    expect(put(5).status).toBe("done");
    expect(put(4)).toMatchObject({ status: "stale", value: 5 });
    expect(leader.run({ kind: controlCommands.nodeRemove, body: encodeNodeId(node.id) }).status).toBe("done");
    expect(put(4).status).toBe("stale");
    const nodes = decodeNodeRecords(state.query(encodeControlQuery(controlQueries.nodes, new Uint8Array())));
    expect(nodes).toEqual([{ ...node, removed: true }]);
  });

  it("keep settings with versions", () => {
    const { leader, state } = world();
    const put = (value: string, version: number | null): ControlOutcome =>
      leader.run({
        kind: controlCommands.settingPut,
        body: encodeSettingPut({ name: "balance.strategy", value, version }),
      });
    const first = put("random", 0);
    expect(put("weighted", 0)).toMatchObject({ status: "conflict", value: first.value });
    expect(put("weighted", first.value).status).toBe("done");
    const all = () =>
      decodeSettings(state.query(encodeControlQuery(controlQueries.settings, new Uint8Array())));
    expect(all()).toMatchObject([{ name: "balance.strategy", value: "weighted" }]);
    const body = encodeSettingName("balance.strategy");
    expect(leader.run({ kind: controlCommands.settingDelete, body }).status).toBe("done");
    expect(all()).toEqual([]);
  });
});

describe("what is wrong", () => {
  it("is refused at proposal: unknown commands and versions, malformed and too large ones", () => {
    const { state } = world();
    const stamp = { elapsed_ms: 0, wall_ms: 0 };
    const code = (command: Uint8Array): string => thrownBy(() => state.stamp(command, stamp)).code;
    expect(code(commandBytes({ kind: 9_999, body: new Uint8Array() }))).toBe("version_mismatch");
    expect(code(commandBytes({ kind: controlCommands.mark, version: 2, body: new Uint8Array() }))).toBe(
      "version_mismatch",
    );
    expect(code(new Uint8Array([1, 2, 3]))).toBe("invalid_argument");
    expect(code(commandBytes({ kind: controlCommands.kvPut, body: new Uint8Array([1]) }))).toBe(
      "invalid_argument",
    );
    expect(code(new Uint8Array(2_000_000))).toBe("payload_too_large");
    const put = encodeKvPut({
      key: "a\u0000b",
      value: new Uint8Array(),
      mediaType: "",
      condition: "any",
      fence: null,
    });
    expect(code(commandBytes({ kind: controlCommands.kvPut, body: put }))).toBe("invalid_argument");
  });

  it("halts the state before an entry that it does not know, and nothing of that entry counts", () => {
    const { state, leader, get, reopen } = world();
    const known = leader.entry({
      kind: controlCommands.kvPut,
      body: encodeKvPut({ key: "a", value: new Uint8Array(1), mediaType: "", condition: "any", fence: null }),
    });
    const unknown = {
      ...known,
      index: 2,
      data: stampCommand(commandBytes({ kind: 777, body: new Uint8Array() }), 0, 0),
    };
    expect(state.apply([known, unknown, { ...known, index: 3 }])).toHaveLength(1);
    expect(state.halted).toMatchObject({ index: 2 });
    expect(state.halted?.reason).toContain("777");
    expect(state.applied.index).toBe(1);
    expect(get("a")).not.toBeNull();
    expect(state.apply([{ ...known, index: 2 }])).toEqual([]);
    // A newer program would go on from there.
    const again = reopen();
    expect(again.halted).toBeNull();
    expect(again.apply([{ ...known, index: 2 }])).toHaveLength(1);
  });

  it("answers a question with what was answered before the disk failed", () => {
    const { state, databases, put, get } = world();
    put("a", "1");
    databases.failCommits(new CaxtonError("disk_full", "no room"));
    expect(thrownBy(() => state.commit()).code).toBe("disk_full");
    expect(decodeUtf8(get("a")?.value ?? new Uint8Array())).toBe("1");
  });

  it("changes nothing when the disk fails, and goes on afterwards with the same result", () => {
    const { state, leader, databases, put, get, reopen } = world();
    const session = leader.run({ kind: controlCommands.sessionOpen, body: new Uint8Array() }).value;
    put("a", "1", "any", { session: { session, sequence: 1, floor: 0 } });
    const before = state.hash;
    databases.failCommits(new CaxtonError("disk_full", "no room"));
    expect(thrownBy(() => state.commit()).code).toBe("disk_full");
    // What was answered stays answered, though the disk has none of it.
    expect(state.hash).toEqual(before);
    expect(decodeUtf8(get("a")?.value ?? new Uint8Array())).toBe("1");
    expect(state.uncommitted).toBe(true);
    expect(thrownBy(() => state.settle()).code).toBe("disk_full");
    databases.failCommits(undefined);
    expect(put("a", "2", "absent", { session: { session, sequence: 2, floor: 0 } }).status).toBe("conflict");
    const after = state.hash;
    expect(reopen().hash).toEqual(after);
  });

  it("in the middle of many entries takes back the whole call, and only that", () => {
    const { state, leader, databases, put } = world();
    put("a", "1");
    const before = state.hash;
    const known = leader.entry({
      kind: controlCommands.kvPut,
      body: encodeKvPut({
        key: "b",
        value: new Uint8Array(8),
        mediaType: "a/b",
        condition: "any",
        fence: null,
      }),
    });
    const entries = Array.from({ length: heldEntries_max }, (_, i) => ({ ...known, index: 2 + i }));
    databases.failCommits(new CaxtonError("disk_full", "no room"));
    expect(thrownBy(() => state.apply(entries)).code).toBe("disk_full");
    expect(state.hash).toEqual(before);
    databases.failCommits(undefined);
    expect(state.apply(entries)).toHaveLength(entries.length);
    expect(state.uncommitted).toBe(false);
  });

  it("as a crash takes back what was not committed, with the applied index", () => {
    const { state, put, crash } = world();
    put("a", "1");
    state.commit();
    const before = state.hash;
    put("a", "2");
    expect(state.uncommitted).toBe(true);
    const again = crash();
    expect(again.applied.index).toBe(1);
    expect(again.hash).toEqual(before);
  });

  it("in a query is refused with its reason", () => {
    const { state } = world();
    expect(thrownBy(() => state.query(new Uint8Array([9]))).code).toBe("invalid_argument");
    expect(thrownBy(() => state.query(encodeControlQuery(999, new Uint8Array()))).code).toBe(
      "version_mismatch",
    );
    const mark = new Writer().u64(5).finish();
    expect(thrownBy(() => state.query(encodeControlQuery(controlQueries.mark, mark))).code).toBe("not_found");
  });
});

describe("bounds", () => {
  /** As if so much were there already. */
  function full(section: string, column: "rows" | "bytes", count: number) {
    const made = world();
    made.put("there", "1");
    made.acquire("there");
    made.state.close();
    made.databases.open("control.db").execute(`
      INSERT OR IGNORE INTO totals (name, rows, bytes, digest) VALUES ('${section}', 0, 0, zeroblob(16));
      UPDATE totals SET ${column} = ${count} WHERE name = '${section}'`);
    const leader = new TestLeader(made.crash());
    return { leader, ...shorthands(leader) };
  }

  it("refuse another key, and take a new value of one that is there", () => {
    const { put, remove } = full("kv", "rows", 1_000_000);
    expect(put("new", "1")).toMatchObject({ status: "limit", value: 1_000_000 });
    expect(put("there", "2").status).toBe("done");
    remove("there");
    expect(put("new", "1").status).toBe("done");
  });

  it("refuse what would be more bytes than all keys may have", () => {
    const { put } = full("kv", "bytes", 1024 * 1024 * 1024 - 2_000);
    expect(put("new", "x".repeat(1_500))).toMatchObject({ status: "limit" });
    expect(put("there", "1").status).toBe("done");
    expect(put("there", "x".repeat(970)).status).toBe("done");
    // What it replaces does not count: 970 bytes and those around them make room for these.
    expect(put("there", "y".repeat(980)).status).toBe("done");
  });

  it("refuse another lock, and take one that is free", () => {
    const { acquire, leader } = full("locks", "rows", 100_000);
    expect(acquire("new").status).toBe("limit");
    leader.elapsed_ms += 10_000;
    expect(acquire("there").status).toBe("done");
  });

  it("refuse another Idempotency-Key rather than forget one that is young", () => {
    const { put, leader } = full("idempotency", "rows", 199_999);
    expect(put("a", "1", "any", { idempotencyKey: "k-1" }).status).toBe("done");
    expect(put("a", "2", "any", { idempotencyKey: "k-2" }).status).toBe("limit");
    expect(put("a", "1", "any", { idempotencyKey: "k-1" }).status).toBe("done");
    leader.elapsed_ms += 600_000;
    expect(put("a", "2", "any", { idempotencyKey: "k-2" }).status).toBe("done");
  });
});

describe("what is on the disk", () => {
  it("is what was applied: index, term, configuration, sessions and hash come back", () => {
    const { state, leader, put, reopen } = world();
    const session = leader.run({ kind: controlCommands.sessionOpen, body: new Uint8Array() }).value;
    const mark = { session: { session, sequence: 1, floor: 0 } };
    const first = put("a", "1", "absent", mark);
    const data = new Uint8Array([1, 2, 3]);
    leader.apply({ index: leader.next, term: 1, kind: "configuration", data });
    leader.elect();
    const index = state.settle();
    const again = reopen();
    expect(again.applied).toEqual({ index, term: 2 });
    expect(again.settled).toBe(index);
    expect(again.configuration).toEqual({ index: index - 1, data });
    expect(again.hash).toEqual(state.hash);
    const entry = new TestLeader(again).entry({
      kind: controlCommands.kvPut,
      body: encodeKvPut({
        key: "a",
        value: encodeUtf8("1"),
        mediaType: "text/plain",
        condition: "absent",
        fence: null,
      }),
      ...mark,
    });
    expect(decodeOutcome(again.apply([{ ...entry, term: 2 }])[0] as Uint8Array)).toEqual(first);
  });

  it("ends nobody's process where text in it is damaged, and says what is", () => {
    const directory = temporaryDirectory("control");
    const [databases, path] = [openDatabases(), join(directory.path, "control.db")];
    const state = openControlState(databases, path);
    const { put, acquire } = shorthands(new TestLeader(state));
    put("a", "1");
    put("b", "2");
    acquire("l");
    state.close();
    const vandal = databases.open(path);
    vandal.execute(`
      UPDATE kv SET media_type = CAST(x'746578ff' AS TEXT) WHERE key = 'b';
      UPDATE kv SET key = CAST(x'63ff' AS TEXT) WHERE key = 'a';
      UPDATE locks SET holder = CAST(x'ff' AS TEXT)`);
    vandal.close();
    const damagedState = openControlState(databases, path);
    opened.push(() => damagedState.close(), directory.remove);
    const { get, list, look, ...more } = shorthands(new TestLeader(damagedState));
    expect(() => get("b")).toThrow(/kv\.media_type is no text/);
    expect(() => list("")).toThrow(/kv\.(key|media_type) is no text/);
    expect(() => look("l")).toThrow(/locks\.holder is no text/);
    expect(() => more.put("b", "3")).toThrow(/kv\.media_type is no text/);
    expect(() => damagedState.exportSnapshot().chunk(0)).toThrow(/is no text/);
    expect(get("a")).toBeNull();
    expect(more.put("fresh", "1").status).toBe("done");
  });
});
