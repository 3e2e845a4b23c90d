import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WriteToQueue } from "../../../../src/api/partition-service.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { CommandBatch, type CommandWay } from "../../../../src/control/command-batch.ts";
import { type Perform, queuedWriteAge_ms_max } from "../../../../src/node/partition/replay-round.ts";
import { WriteQueue } from "../../../../src/node/partition/write-queue.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { memoryDatabases } from "../../../../src/platform/memory/database.ts";
import type { Database } from "../../../../src/ports/database.ts";
import { openEngine } from "../../../../src/store/engine.ts";
import type { QueuedWritesStore } from "../../../../src/store/queued-writes-store.ts";
import * as table from "../../../../src/store/queued-writes-table.ts";
import { encodeBatchOutcomes, readBatch } from "../../../../src/wire/control-batch.ts";
import { encodeOutcome, outcome } from "../../../../src/wire/control-command.ts";
import { controlCommands } from "../../../../src/wire/control-kinds.ts";
import { Reader } from "../../../../src/wire/cursor.ts";

/** What the cluster does with an entry of its log, one by one; the last goes on for ever. */
type Fate =
  | "apply"
  /** The first write of it finds another version. */
  | "conflict"
  | "no_quorum"
  | "lost_before"
  | "lost_after"
  | "crash_before"
  | "crash_after";

/** A node's disk, which outlives its process, and a cluster that remembers Idempotency-Keys. */
class World {
  readonly clock = new VirtualClock();
  readonly database: Database;
  readonly applied: string[] = [];
  readonly #done = new Set<string>();
  readonly #paths = new Map<string, string>();
  readonly ended: Record<string, number>[] = [];
  readonly dropped: number[] = [];
  /** Times that another number waited. */
  depths = 0;
  quorum = true;
  revoked: string | null = null;
  fates: Fate[] = [];
  /** Of writes that are done together. */
  most = 64;
  /** Entries of the log, by how many writes each has. */
  readonly entries: number[] = [];
  /** Keys whose writer may not write any more. */
  readonly forbidden = new Set<string>();
  limit = 1_000;
  #crash: (() => void) | undefined;
  #ids = 0;

  constructor() {
    this.database = openEngine(memoryDatabases(), "store.db").database;
  }

  get store(): QueuedWritesStore {
    const { database, clock } = this;
    return {
      put: async (write, limit) => table.putQueuedWrite(database, write, limit),
      take: async (limit) =>
        table.takeQueuedWrites(database, { ...limit, count: Math.min(limit.count, this.most) }),
      putBack: async (ids) => table.putQueuedWritesBack(database, ids),
      settle: async (settled) => table.putWriteOutcomes(database, settled),
      refuseUnbegun: async (detail) => table.takeUnbegunWrites(database, detail, clock.wall_ms()),
      get: async (id) => table.getQueuedWrite(database, id),
      list: async (options) => table.listQueuedWrites(database, options),
      counts: async (of) => table.countQueuedWrites(database, of),
    };
  }

  open(): Promise<WriteQueue> {
    return WriteQueue.open({
      self: "node-3" as NodeId,
      store: this.store,
      clock: this.clock,
      limit: this.limit,
      newId: () => `id-${++this.#ids}`,
      mayReplay: () => this.quorum,
      revoked: () => this.revoked,
      together: (requests) => new CommandBatch(this.log, requests),
      settled: () => undefined,
      dropped: (count) => this.dropped.push(count),
      changed: () => this.depths++,
      began: () => undefined,
      ended: (outcomes) => this.ended.push({ ...outcomes }),
      failed: (what, reason) => {
        throw new Error(`${what}: ${reason}`);
      },
    });
  }

  /** A handler: it refuses, or asks the cluster and tells what that said. */
  readonly perform: Perform = async (request, { replay }) => {
    const problem = (status: number, code: string): Response =>
      Response.json({ code, detail: `told ${code}` }, { status });
    const { pathname } = new URL(request.url);
    const key = request.headers.get("idempotency-key") ?? "";
    if (this.forbidden.has(pathname)) return problem(403, "forbidden");
    this.#paths.set(key, pathname);
    const command = {
      kind: controlCommands.kvPut,
      body: new Uint8Array(),
      principal: "",
      idempotencyKey: key,
    };
    try {
      const { outcome: said } = await (replay.way ?? this.log).command(command);
      return said.status === "done" ? new Response("{}") : problem(412, "precondition_failed");
    } catch (error) {
      return problem(503, error instanceof CaxtonError ? error.code : "internal");
    }
  };

  /** One entry, and the cluster that remembers keys. */
  readonly log: CommandWay = {
    command: async ({ kind, body, idempotencyKey }) => {
      const batch = kind === controlCommands.batch ? readBatch(new Reader(body)) : null;
      const keys = batch?.map((one) => one.idempotencyKey) ?? [idempotencyKey ?? ""];
      const fate = this.fates.length > 1 ? this.fates.shift() : (this.fates[0] ?? "apply");
      if (fate === "crash_before") return await this.#end();
      if (fate === "no_quorum") throw new CaxtonError("no_quorum", "told no_quorum");
      if (fate === "lost_before") throw new CaxtonError("outcome_unknown", "told outcome_unknown");
      this.entries.push(keys.length);
      const outcomes = keys.map((key, at) => {
        // What was done already has the same outcome again, as its key tells.
        if (fate === "conflict" && at === 0 && !this.#done.has(key)) return outcome("conflict", 7);
        if (!this.#done.has(key)) this.applied.push(this.#paths.get(key) ?? "");
        this.#done.add(key);
        return outcome("done", 1);
      });
      if (fate === "crash_after") return await this.#end();
      if (fate === "lost_after") throw new CaxtonError("outcome_unknown", "told outcome_unknown");
      const first = outcomes[0] ?? outcome("done");
      if (batch === null) return { index: 1, outcome: first };
      return { index: 1, outcome: outcome("done", 0, encodeBatchOutcomes(outcomes.map(encodeOutcome))) };
    },
  };

  /** Runs to the end, with a new process after each crash. */
  async drain(): Promise<WriteQueue> {
    for (;;) {
      const queue = await this.open();
      const crashed = new Promise<"crashed">((resolve) => (this.#crash = () => resolve("crashed")));
      queue.start(this.perform);
      let how: string | undefined;
      void crashed.then((end) => (how = end));
      await this.clock.runUntilSettled(() => how !== undefined || queue.depth === 0, 10_000_000);
      if (how === undefined) return queue;
    }
  }

  #end(): Promise<never> {
    this.#crash?.();
    return new Promise(() => undefined);
  }
}

const all = { since_ms: 0, after: 0 };

function write(name: string, fields: Partial<WriteToQueue> = {}): WriteToQueue {
  const principal = {
    subject: "alice",
    roles: ["developer" as const],
    tokenId: "t",
    keyId: "k",
    expires_s: 1,
  };
  return {
    method: "PUT",
    path: `/api/v1/kv/${name}`,
    headers: {},
    body: new TextEncoder().encode(name),
    principal,
    requestId: "r",
    subject: `kv/${name}`,
    observed: 0,
    ...fields,
  };
}

describe("the queue of a minority's writes", () => {
  test("waits for a quorum, then does all in order, each to an outcome", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    queue.start(world.perform);
    for (const name of ["a", "b", "c", "d"]) await queue.accept(write(name));
    expect([queue.depth, world.applied]).toEqual([4, []]);
    world.quorum = true;
    world.fates = ["conflict", "apply"];
    world.forbidden.add("/api/v1/kv/c");
    await queue.accept(write("e"));
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    expect(world.applied).toEqual(["b", "d", "e"].map((name) => `/api/v1/kv/${name}`));
    expect(world.entries).toEqual([4]);
    expect(await queue.counts(all)).toMatchObject({ queued: 0, applied: 3, conflicted: 1, refused: 1 });
    expect(world.ended).toEqual([{ applied: 3, conflicted: 1, refused: 1, expired: 0 }]);
    const { items } = await queue.list({ limit: 10, cursor: null, since_ms: 0, after: 0 });
    expect(items.toReversed().map(({ state, detail }) => [state, detail])).toEqual([
      ["conflicted", "told precondition_failed"],
      ["applied", ""],
      ["refused", "told forbidden"],
      ["applied", ""],
      ["applied", ""],
    ]);
  });

  test("none is lost and none is done twice, whatever is lost and wherever the process ends", async () => {
    const trouble = fc.constantFrom<Fate>(
      "apply",
      "conflict",
      "no_quorum",
      "lost_before",
      "lost_after",
      "crash_before",
      "crash_after",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(trouble, { maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        async (fates, count, most) => {
          const world = new World();
          world.most = most;
          world.quorum = false;
          const first = await world.open();
          const names = Array.from({ length: count }, (_, n) => `k${n}`);
          for (const name of names) await first.accept(write(name));
          await first.close();
          world.quorum = true;
          world.fates = [...fates, "apply"];
          const queue = await world.drain();
          const { items } = await queue.list({ limit: 100, cursor: null, since_ms: 0, after: 0 });
          const outcomes = items.toReversed().map(({ path, state }) => [path, state]);
          expect(outcomes.map(([path]) => path)).toEqual(names.map((name) => `/api/v1/kv/${name}`));
          expect(outcomes.every(([, state]) => state === "applied" || state === "conflicted")).toBe(true);
          // One that took effect before its answer was lost is found under its key, so nothing is applied and not told.
          const told = outcomes.flatMap(([path, state]) => (state === "applied" ? [path] : []));
          expect(new Set(world.applied).size).toBe(world.applied.length);
          expect(told).toEqual(world.applied);
          expect(world.applied).toEqual(world.applied.toSorted((a, b) => orderOf(a) - orderOf(b)));
        },
      ),
      { numRuns: 100 },
    );
  });

  test("what is queued from now on stands behind a position, whatever the clock says", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    expect(await queue.position()).toBe(0);
    world.clock.advance(5_000);
    await queue.accept(write("a"));
    const after = await queue.position();
    world.clock.wall_ms = () => 0;
    await queue.accept(write("b"));
    const { items } = await queue.list({ limit: 10, cursor: null, since_ms: 0, after });
    expect(items.map(({ path }) => path)).toEqual(["/api/v1/kv/b"]);
    expect(await queue.counts({ since_ms: 0, after })).toMatchObject({ queued: 1 });
  });

  test("the same key again is the same queued write", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    const same = { headers: { "idempotency-key": "once" } };
    const first = await queue.accept(write("a", same));
    expect((await queue.accept(write("a", same))).id).toBe(first.id);
    expect(queue.depth).toBe(1);
    await expect(queue.accept(write("b", same))).rejects.toMatchObject({ code: "conflict" });
    const elsewhere = { ...same, path: "/api/v1/kv/a?lock=door" };
    await expect(queue.accept(write("a", elsewhere))).rejects.toMatchObject({ code: "conflict" });
    expect(queue.depth).toBe(1);
    const other = { ...same, principal: { ...write("a").principal, subject: "bob" } };
    expect((await queue.accept(write("a", other))).id).not.toBe(first.id);
  });

  test("it is done under the key that its client gave it, or under one of its own", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    await queue.accept(write("a", { headers: { "idempotency-key": "once" } }));
    const { id } = await queue.accept(write("b"));
    const keys: (string | null)[] = [];
    world.quorum = true;
    queue.start((request, environment) => {
      keys.push(request.headers.get("idempotency-key"));
      return world.perform(request, environment);
    });
    await world.clock.runUntilSettled(() => queue.depth === 0, 60_000);
    expect(keys).toEqual(["once", `queued-write:${id}`]);
  });

  test("full: the write is refused, nothing is kept, and the others go on", async () => {
    const world = new World();
    world.quorum = false;
    world.limit = 2;
    const queue = await world.open();
    await queue.accept(write("a"));
    await queue.accept(write("b"));
    await expect(queue.accept(write("c"))).rejects.toMatchObject({ code: "unavailable" });
    expect([queue.depth, (await queue.counts(all)).queued]).toEqual([2, 2]);
  });

  test("a principal whose key is gone is refused; what waited for more than a day has expired", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    queue.start(world.perform);
    await queue.accept(write("old"));
    world.clock.advance(queuedWriteAge_ms_max + 1);
    await queue.accept(write("revoked"));
    world.revoked = "its key is gone";
    world.quorum = true;
    queue.replay();
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    const { items } = await queue.list({ limit: 10, cursor: null, since_ms: 0, after: 0 });
    expect(items.map(({ state, detail }) => [state, detail])).toEqual([
      ["refused", "its key is gone"],
      ["expired", "It waited for more than a day"],
    ]);
    expect(world.applied).toEqual([]);
  });

  test("what is unclear for ever is refused after a bounded number of tries, and holds up nothing", async () => {
    const world = new World();
    world.quorum = false;
    const before = await world.open();
    await before.accept(write("a"));
    await before.accept(write("b"));
    await before.close();
    world.quorum = true;
    world.fates = [...Array.from({ length: 20 }, () => "lost_before" as const), "apply"];
    const queue = await world.drain();
    const { items } = await queue.list({ limit: 10, cursor: null, since_ms: 0, after: 0 });
    expect(items.map(({ state }) => state)).toEqual(["applied", "refused"]);
    expect(items[1]?.detail).toContain("after 20 tries");
  });

  test("an operator's drop refuses what was not begun, and tells so", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    await queue.accept(write("a"));
    expect(await queue.drop("dropped by hand")).toBe(1);
    expect(await queue.drop("again")).toBe(0);
    expect([queue.depth, world.dropped, world.depths]).toEqual([0, [1], 2]);
    const { items } = await queue.list({ limit: 10, cursor: null, since_ms: 0, after: 0 });
    expect(items.map(({ state, detail }) => [state, detail])).toEqual([["refused", "dropped by hand"]]);
  });

  test("a write that was interrupted is known to be begun, until it ends; one that found no quorum is not", async () => {
    const world = new World();
    world.quorum = false;
    const first = await world.open();
    await first.accept(write("a"));
    await first.close();
    world.quorum = true;
    const begun: boolean[] = [];
    const answers = ["no_quorum", "crash", "no_quorum", "apply"];
    const process = async (): Promise<void> => {
      const queue = await world.open();
      let crashed = false;
      queue.start((_request, { replay }) => {
        begun.push(replay.begun);
        const answer = answers.shift();
        if (answer === "crash") {
          crashed = true;
          return new Promise(() => undefined);
        }
        const code = { code: "no_quorum", detail: "" };
        return Promise.resolve(
          answer === "apply" ? new Response("{}") : Response.json(code, { status: 503 }),
        );
      });
      await world.clock.runUntilSettled(() => crashed || queue.depth === 0, 100_000);
    };
    await process();
    await process();
    expect(begun).toEqual([false, false, true, true]);
  });

  test("what was begun is no operator's to drop: it may have taken effect", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    for (const name of ["a", "b"]) await queue.accept(write(name));
    await world.store.take({ count: 1, bytes: 1, alike: "kv/" });
    expect([await queue.drop("dropped by hand"), queue.depth]).toEqual([1, 1]);
    expect(await queue.counts(all)).toMatchObject({ replaying: 1, refused: 1 });
  });

  test("an outcome stays as it is, and the oldest outcomes are forgotten", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    const { id } = await queue.accept(write("a"));
    await queue.drop("dropped by hand");
    const late = { id, outcome: "applied", detail: "", version: 1, at_ms: 1 } as const;
    await world.store.settle([late]);
    expect(await queue.get(id)).toMatchObject({ state: "refused", detail: "dropped by hand" });
    world.database.execute(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
       INSERT INTO queued_writes (id, principal, idempotency_key, subject, state, at_ms, detail, head, size, body)
       SELECT 'old-' || i, 'alice', NULL, 's', 'applied', 1, '', '{}', 0, x'' FROM n`,
    );
    await queue.accept(write("b"));
    await queue.drop("dropped by hand");
    const { applied, refused } = await queue.counts(all);
    expect([applied + refused, refused]).toEqual([10_000, 1]);
  });

  test("one that cannot be read any more holds up nothing, and is told of", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    queue.start(world.perform);
    await queue.accept(write("a"));
    world.database.execute(`UPDATE queued_writes SET head = replace(head, 'developer', 'juggler')`);
    await queue.accept(write("b"));
    world.quorum = true;
    queue.replay();
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    const { items } = await queue.list({ limit: 10, cursor: null, since_ms: 0, after: 0 });
    expect(items.map(({ state, detail }) => [state, detail])).toEqual([
      ["applied", ""],
      ["refused", "This version of the program cannot read it any more"],
    ]);
  });

  test("bodies that wait are bounded in bytes, too", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    await queue.accept(write("a"));
    world.database.execute(`UPDATE queued_writes SET size = ${table.queuedBodies_bytes_max - 3}`);
    await expect(queue.accept(write("four"))).rejects.toMatchObject({ code: "unavailable" });
    expect(await queue.accept(write("abc"))).toMatchObject({ state: "queued" });
  });

  test("what an earlier partition's write left says nothing of what was seen since", async () => {
    const world = new World();
    const expected: (number | null)[] = [];
    const queue = await world.open();
    queue.start((_request, { replay }) => {
      expected.push(replay.expected);
      replay.after = (replay.expected ?? 0) + 1;
      return Promise.resolve(new Response("{}"));
    });
    for (const observed of [1, 7]) {
      await queue.accept(write("a", { subject: "agent/pricer", observed }));
      await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
      world.clock.advance(1_000);
    }
    expect(expected).toEqual([1, 7]);
  });

  test("what stops one stops those after it, and nothing of them is done before it", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    for (const name of ["a", "b", "c"]) await queue.accept(write(name));
    world.quorum = true;
    const busy = { code: "too_many_requests", detail: "later" };
    let refusals = 1;
    queue.start((request, environment) =>
      request.url.endsWith("/b") && refusals-- > 0
        ? Promise.resolve(Response.json(busy, { status: 429 }))
        : world.perform(request, environment),
    );
    await world.clock.runUntilSettled(() => world.applied.length === 1, 100);
    expect(await queue.counts(all)).toMatchObject({ applied: 1, replaying: 1, queued: 1 });
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    expect(world.applied).toEqual(["a", "b", "c"].map((name) => `/api/v1/kv/${name}`));
    // One by one after what was not clear.
    expect(world.entries).toEqual([1, 1, 1]);
  });

  test("what is wrong with many together is no refusal of any: they are tried one by one", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    for (const name of ["a", "b", "c"]) await queue.accept(write(name));
    world.quorum = true;
    const { command } = world.log;
    Object.assign(world.log, {
      command: (request: Parameters<CommandWay["command"]>[0]) =>
        request.kind === controlCommands.batch
          ? Promise.reject(new CaxtonError("version_mismatch", "It knows no batches"))
          : command(request),
    });
    queue.start(world.perform);
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    expect(await queue.counts(all)).toMatchObject({ applied: 3 });
    expect(world.applied).toHaveLength(3);
  });

  test.each([["version_mismatch"], ["too_many_requests"], ["payload_too_large"]] as const)(
    "those of a batch that was refused (%s) were not begun: an operator can give up each of them",
    async (code) => {
      const world = new World();
      world.quorum = false;
      const queue = await world.open();
      for (const name of ["a", "b", "c"]) await queue.accept(write(name));
      world.quorum = true;
      Object.assign(world.log, {
        command: () => {
          world.quorum = false;
          return Promise.reject(new CaxtonError(code, "It is not taken"));
        },
      });
      queue.start(world.perform);
      await world.clock.runUntilSettled(() => !world.quorum, 10_000);
      await queue.close();
      expect(await queue.counts(all)).toMatchObject({ queued: 3, replaying: 0 });
      expect(await queue.drop("given up")).toBe(3);
      expect(await queue.counts(all)).toMatchObject({ refused: 3, queued: 0 });
      expect(queue.depth).toBe(0);
    },
  );

  test("a leader of an older program, which leaves a batch unanswered, holds up nothing for long", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    const count = 300;
    for (let n = 0; n < count; n++) await queue.accept(write(`k${n}`));
    world.quorum = true;
    const { command } = world.log;
    let batches = 0;
    Object.assign(world.log, {
      command: (request: Parameters<CommandWay["command"]>[0]) => {
        if (request.kind !== controlCommands.batch) return command(request);
        batches++;
        return Promise.reject(new CaxtonError("no_quorum", "No leader took the command within 5 s"));
      },
    });
    queue.start(world.perform);
    await world.clock.runUntilSettled(() => queue.depth === 0, 100_000);
    expect(await queue.counts(all)).toMatchObject({ applied: count });
    expect(world.applied).toEqual(Array.from({ length: count }, (_, n) => `/api/v1/kv/k${n}`));
    // Each takes as long as a request waits for a leader.
    expect(batches).toBeLessThan(7);
  });

  test("what is no key's write, or too large, is done alone, in its turn", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    const large = { body: new Uint8Array(400 * 1024) };
    for (const name of ["a", "b"]) await queue.accept(write(name));
    await queue.accept(write("agent", { subject: "agent/pricer" }));
    for (const name of ["c", "d"]) await queue.accept(write(name));
    await queue.accept(write("e", large));
    await queue.accept(write("f", large));
    world.quorum = true;
    queue.start(world.perform);
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    expect(world.entries).toEqual([2, 1, 3, 1]);
    const names = ["a", "b", "agent", "c", "d", "e", "f"];
    expect(world.applied).toEqual(names.map((name) => `/api/v1/kv/${name}`));
  });

  test("two writes of one key that are done together tell of each other's version, not of somebody else's", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    for (let n = 0; n < 2; n++) await queue.accept(write("a", { observed: 3 }));
    world.quorum = true;
    let version = 5;
    queue.start(async (request, environment) => {
      environment.replay.before = 3;
      const answer = await world.perform(request, environment);
      environment.replay.after = version++;
      return answer;
    });
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    const { items } = await queue.list({ limit: 10, cursor: null, since_ms: 0, after: 0 });
    expect(items.toReversed().map(({ detail }) => detail)).toEqual(["now at version 5", "now at version 6"]);
  });

  test("a later write of the queue knows the version that an earlier one left", async () => {
    const world = new World();
    world.quorum = false;
    const queue = await world.open();
    const about = { subject: "agent/pricer", observed: 1 };
    await queue.accept(write("a", about));
    await queue.accept(write("b", about));
    world.quorum = true;
    const expected: (number | null)[] = [];
    queue.start((_request, { replay }) => {
      expected.push(replay.expected);
      replay.before = replay.expected;
      replay.after = (replay.expected ?? 0) + 1;
      return Promise.resolve(new Response("{}"));
    });
    await world.clock.runUntilSettled(() => queue.depth === 0, 10_000);
    expect(expected).toEqual([1, 2]);
  });
});

function orderOf(path: string): number {
  return Number(/\d+$/.exec(path)?.[0]);
}
