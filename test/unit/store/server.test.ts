import { afterEach, describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import type { AgentName, ModuleHash } from "../../../src/base/ids.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import { eagerBacklog_records, quiet_ms, sliceLimit_rows } from "../../../src/store/limits.ts";
import type { StoreReply } from "../../../src/store/store-protocol.ts";
import type { JournalRecord } from "../../../src/wire/journal-record.ts";
import { testSpec } from "../../support/agent-specs.ts";
import { journalBatch } from "../../support/journal-batch.ts";
import { LocalStore } from "../../support/local-store.ts";
import { encodedMessage } from "../../support/messages.ts";

const bob = "bob" as AgentName;
let store = new LocalStore();

afterEach(() => {
  store.databases.dispose();
  store = new LocalStore();
});

function accepted(n: number, content = "x"): JournalRecord {
  return { kind: "accepted", agent: bob, message: encodedMessage(n, { content }) };
}

/** What became of a promise, without waiting for it. */
function watch(promise: Promise<unknown>): { state: string } {
  const seen = { state: "pending" };
  promise.then(
    () => (seen.state = "done"),
    (thrown: unknown) => (seen.state = thrown instanceof CaxtonError ? thrown.code : String(thrown)),
  );
  return seen;
}

async function commits(): Promise<number> {
  const stats = store.client().stats();
  await store.settle();
  return (await stats).commits;
}

describe("group commit", () => {
  test("appends of all clients that came during the last commit are one commit, answered together", async () => {
    const [one, two] = [store.client(), store.client()];
    const seen = [one.append([accepted(1)]), one.append([accepted(2)]), two.append([accepted(3)])].map(watch);
    await store.arrive();
    expect(seen.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    await store.turn();
    expect(seen.map(({ state }) => state)).toEqual(["done", "done", "done"]);
    expect(await commits()).toBe(1);
    const rows = store.engine.database.prepare("SELECT count FROM journal").all();
    expect(rows).toEqual([{ count: 3 }]);
  });

  test("a failed commit rejects exactly its appends, and the next ones are as if it had never been", async () => {
    const client = store.client();
    store.databases.failCommits(new CaxtonError("disk_full", "no room"));
    const failed = [client.append([accepted(1)]), client.append([accepted(2)])].map(watch);
    await store.turn();
    expect(failed.map(({ state }) => state)).toEqual(["disk_full", "disk_full"]);
    store.databases.failCommits(undefined);
    const next = watch(client.append([accepted(3)]));
    await store.turn();
    expect(next.state).toBe("done");
    const recovered = client.recoverAgent(bob);
    await store.settle();
    expect((await recovered).inbox).toEqual([encodedMessage(3, { content: "x" })]);
  });

  test("a failed sync ends all writing until a restart; reads go on", async () => {
    const client = store.client();
    const kept = client.append([accepted(1)]);
    await store.turn();
    await kept;
    store.databases.failCommits(new CaxtonError("storage_failed", "disk I/O error (SQLITE_IOERR_FSYNC)"));
    const first = watch(client.append([accepted(2)]));
    await store.turn();
    expect(first.state).toBe("storage_failed");
    store.databases.failCommits(undefined);
    const refused = [watch(client.append([accepted(3)])), watch(client.putMeta("a", new Uint8Array(1)))];
    const read = client.recoverAgent(bob);
    await store.settle();
    expect(refused.map(({ state }) => state)).toEqual(["storage_failed", "storage_failed"]);
    expect((await read).inbox).toEqual([encodedMessage(1, { content: "x" })]);
    const again = new LocalStore(store.databases);
    const works = watch(again.client().append([accepted(4)]));
    await again.turn();
    expect(works.state).toBe("done");
  });

  test("nothing is lost in what main says it is: the owner's close commits what was appended before", async () => {
    const owner = store.client("owner");
    const last = watch(owner.append([accepted(1)]));
    const closed = owner.close();
    await store.settle();
    await closed;
    expect(last.state).toBe("done");
    expect(store.closed).toBe(true);
    await expect(owner.append([accepted(2)])).rejects.toMatchObject({ code: "unavailable" });
    const late = watch(store.client().listAgents());
    await store.settle();
    expect(late.state).toBe("unavailable");
    const again = new LocalStore(store.databases);
    const recovered = again.client().recoverAgent(bob);
    await again.settle();
    expect((await recovered).inbox).toHaveLength(1);
  });
});

describe("agents that are saved at once", () => {
  const saved = (names: readonly string[]) =>
    names.map((name) => store.client().saveAgent({ spec: testSpec(name), suspended: false }));

  test("share a commit, and whoever reads after them sees them", async () => {
    const seen = saved(["a", "b", "c"]).map(watch);
    await store.arrive();
    expect(seen.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    const listed = store.client().listAgents();
    await store.arrive();
    expect(seen.map(({ state }) => state)).toEqual(["done", "done", "done"]);
    expect((await listed).map(({ spec }) => spec.name)).toEqual(["a", "b", "c"]);
  });

  test("of one turn of a client travel together, and keep their place among what else it asks", async () => {
    const client = store.client();
    const save = (name: string) => client.saveAgent({ spec: testSpec(name), suspended: false });
    const seen = [
      save("a"),
      save("b"),
      client.append([accepted(1)]),
      client.removeAgent("a" as AgentName),
      save("c"),
    ].map((each: Promise<unknown>) => watch(each));
    const listed = client.listAgents();
    await store.settle();
    expect(seen.map(({ state }) => state)).toEqual(Array(5).fill("done"));
    expect((await listed).map(({ spec }) => spec.name)).toEqual(["b", "c"]);
    const owner = store.client("owner");
    const last = watch(owner.saveAgent({ spec: testSpec("d"), suspended: false }));
    const closed = owner.close();
    const late = watch(save("e"));
    await store.settle();
    await closed;
    expect([last.state, late.state]).toEqual(["done", "unavailable"]);
  });

  test("are refused together when the commit fails, and a failed sync ends all writing", async () => {
    store.databases.failCommits(new CaxtonError("disk_full", "no room"));
    const refused = saved(["a", "b"]).map(watch);
    await store.settle();
    expect(refused.map(({ state }) => state)).toEqual(["disk_full", "disk_full"]);
    store.databases.failCommits(new CaxtonError("storage_failed", "disk I/O error (SQLITE_IOERR_FSYNC)"));
    const failed = saved(["a", "b"]).map(watch);
    await store.settle();
    store.databases.failCommits(undefined);
    const later = saved(["c"]).map(watch);
    await store.settle();
    expect([...failed, ...later].map(({ state }) => state)).toEqual(Array(3).fill("storage_failed"));
    const listed = store.client().listAgents();
    await store.settle();
    expect(await listed).toEqual([]);
  });
});

describe("bounds", () => {
  test("a client with too much under way is refused at once, and served again afterwards", async () => {
    const client = store.client();
    const under = Array.from({ length: 1_000 }, (_, i) => watch(client.append([accepted(i)])));
    await expect(client.append([accepted(1)])).rejects.toMatchObject({ code: "queue_full" });
    await store.settle();
    expect(new Set(under.map(({ state }) => state))).toEqual(new Set(["done"]));
    const next = watch(client.append([accepted(1)]));
    await store.settle();
    expect(next.state).toBe("done");
  });

  test("a client's bytes under way are bounded too", async () => {
    const client = store.client();
    const large = accepted(1, "x".repeat(50_000));
    const seen: { state: string }[] = [];
    for (let i = 0; i < 8; i++) seen.push(watch(client.append([large])));
    await store.settle();
    expect(seen.map(({ state }) => state)).toEqual([
      ...Array<string>(6).fill("done"),
      "queue_full",
      "queue_full",
    ]);
  });

  test("the server's queue is bounded whatever clients do", async () => {
    const channel = store.channel("client");
    const replies: StoreReply[] = [];
    channel.receive((reply) => replies.push(reply));
    const { bytes, records } = journalBatch([accepted(1, "x".repeat(100_000))]);
    for (let request = 1; request <= 11; request++)
      channel.post({ kind: "append", request, batch: bytes, records });
    await store.settle();
    const refused = replies.filter((reply) => reply.kind === "failed");
    expect(refused.map((reply) => [reply.requests, reply.code])).toEqual([
      [[10], "queue_full"],
      [[11], "queue_full"],
    ]);
  });

  test("a record that breaks a bound is refused and spoils nothing beside it", async () => {
    const client = store.client();
    const good = watch(client.append([accepted(1)]));
    const bad = watch(client.append([accepted(2), { kind: "outbox", message: new Uint8Array(3) }]));
    const huge = watch(
      client.append(Array.from({ length: 6 }, (_, i) => accepted(i, "x".repeat(9 * 1024 * 1024)))),
    );
    const alsoGood = watch(client.append([accepted(3)]));
    await store.settle();
    expect([good, bad, huge, alsoGood].map(({ state }) => state)).toEqual([
      "done",
      "invalid_message",
      "payload_too_large",
      "done",
    ]);
    const recovered = client.recoverAgent(bob);
    await store.settle();
    expect((await recovered).inbox).toHaveLength(2);
  });

  test("no append of no records waits for anything", async () => {
    await store.client().append([]);
  });
});

describe("bringing the tables up", () => {
  test("waits for quiet, then happens by itself", async () => {
    const seen = watch(store.client().append([accepted(1)]));
    await store.settle();
    expect(seen.state).toBe("done");
    expect(store.engine.journal.backlog.records).toBe(1);
    expect(store.clock.next_ms()).toBe(quiet_ms);
    store.clock.step();
    await store.settle();
    expect(store.engine.journal.backlog.records).toBe(0);
    expect(store.clock.next_ms()).toBeUndefined();
  });

  test("goes on in slices between commits when much is behind", async () => {
    const client = store.client();
    const portion = eagerBacklog_records / 4;
    for (let from = 0; from < eagerBacklog_records; from += portion) {
      void client.append(Array.from({ length: portion }, (_, i) => accepted(from + i)));
      await store.turn();
    }
    expect(store.engine.journal.backlog.records).toBe(eagerBacklog_records);
    void client.append([accepted(eagerBacklog_records)]);
    await store.turn();
    await store.turn();
    // One row is the agent's own.
    expect(store.engine.journal.backlog.records).toBe(eagerBacklog_records + 1 - (sliceLimit_rows - 1));
    const between = watch(client.append([accepted(1)]));
    await store.turn();
    expect(between.state).toBe("done");
    expect(store.engine.journal.backlog.records).toBeGreaterThan(0);
  });

  test("a read sees every append that was answered, and calls are answered in their order", async () => {
    const client = store.client();
    const order: string[] = [];
    void client.append(Array.from({ length: 3_000 }, (_, i) => accepted(i)));
    const recovered = client.recoverAgent(bob).then((agent) => {
      order.push("recovered");
      return agent;
    });
    void client.putMeta("after", new Uint8Array(1)).then(() => order.push("put"));
    await store.settle();
    expect((await recovered).inbox).toHaveLength(3_000);
    expect(order).toEqual(["recovered", "put"]);
  });

  test("with no room on the disk, what was acknowledged stays readable and writes work again later", async () => {
    store = new LocalStore(memoryDatabases(), { maximum_bytes: 600_000 });
    const client = store.client();
    let acknowledged = 0;
    let last = { state: "done" };
    while (last.state === "done") {
      last = watch(client.append([accepted(acknowledged, "x".repeat(50_000))]));
      await store.turn();
      if (last.state === "done") acknowledged++;
    }
    expect(last.state).toBe("disk_full");
    expect(acknowledged).toBeGreaterThan(3);
    const recovered = client.recoverAgent(bob);
    const removed = watch(client.removeAgent(bob));
    await store.settle();
    expect((await recovered).inbox).toHaveLength(acknowledged);
    expect(removed.state).toBe("disk_full");
    store.engine.database.execute("PRAGMA max_page_count=100000");
    const again = watch(client.append([accepted(acknowledged)]));
    await store.settle();
    expect(again.state).toBe("done");
    const more = client.recoverAgent(bob);
    await store.settle();
    expect((await more).inbox).toHaveLength(acknowledged + 1);
  });
});

describe("other calls", () => {
  test("a failed call leaves the store working", async () => {
    const client = store.client();
    const wrong = watch(client.putModule("0".repeat(64) as ModuleHash, new Uint8Array(3)));
    const next = watch(client.putMeta("key", new Uint8Array([1])));
    await store.settle();
    expect([wrong.state, next.state]).toEqual(["invalid_module", "done"]);
    const value = client.getMeta("key");
    await store.settle();
    expect(await value).toEqual(new Uint8Array([1]));
  });

  test("a client that failed rejects what was under way and all that comes", async () => {
    const client = store.client();
    const pending = [watch(client.append([accepted(1)])), watch(client.listAgents())];
    client.fail(new CaxtonError("internal", "The store thread failed"));
    await store.arrive();
    expect(pending.map(({ state }) => state)).toEqual(["internal", "internal"]);
    await expect(client.getMeta("a")).rejects.toMatchObject({ code: "internal" });
  });
});
