import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { AgentName } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { type MemoryDatabases, memoryDatabases } from "../../../src/platform/memory/database.ts";
import { recoverAgent } from "../../../src/store/agent-tables.ts";
import { listDeadLetters } from "../../../src/store/dead-letter-table.ts";
import { openEngine, type StoreEngine } from "../../../src/store/engine.ts";
import { handledLimit, sliceLimit_records, sliceLimit_rows } from "../../../src/store/limits.ts";
import { encodedMessage, testMessageId } from "../../support/messages.ts";
import { journalBatch } from "../../support/journal-batch.ts";
import { StoreModel } from "../../support/store-model.ts";
import { pictureOfTables } from "../../support/store-picture.ts";
import { randomRecords, testAgents } from "../../support/store-records.ts";

const alice = "alice" as AgentName;
const noEffects = { state: [], sends: [], timers: [] } as const;
let databases: MemoryDatabases = memoryDatabases();

function open(): StoreEngine {
  return openEngine(databases, "store.db");
}

function applyAll(engine: StoreEngine): number {
  let slices = 0;
  while (engine.applySlice()) slices++;
  return slices;
}

afterEach(() => {
  databases.dispose();
  databases = memoryDatabases();
});

describe("the tables against the model", () => {
  test("any records, committed and applied in any portions, with the store opened again at any time", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        databases.dispose();
        const prng = new Prng(seed);
        const model = new StoreModel();
        let engine = open();
        for (let step = 0; step < 12; step++) {
          const batches = Array.from({ length: prng.between(1, 4) }, () =>
            randomRecords(prng, prng.between(1, 12)),
          );
          engine.append(batches.map(journalBatch));
          for (const record of batches.flat()) model.apply(record);
          if (prng.chance(0.4)) engine.applySlice();
          if (prng.chance(0.2)) {
            engine.close();
            engine = open();
          }
        }
        const expected = model.picture(testAgents);
        expect(engine.preview(() => pictureOfTables(engine, testAgents))).toEqual(expected);
        applyAll(engine);
        expect(pictureOfTables(engine, testAgents)).toEqual(expected);
        expect(engine.journal.backlog).toEqual({ records: 0, bytes: 0 });
        expect(engine.database.prepare("SELECT count(*) AS rows FROM journal").get()).toEqual({ rows: 0 });
      }),
      { numRuns: 25 },
    );
  });

  test("one large commit is applied in slices of bounded rows, and the rest survives opening again in between", () => {
    const prng = new Prng(7);
    const records = randomRecords(prng, sliceLimit_records + 500);
    let engine = open();
    engine.append([journalBatch(records)]);
    expect(engine.applySlice()).toBe(true);
    engine.close();
    engine = open();
    expect(engine.journal.backlog.records).toBeGreaterThan(0);
    expect(applyAll(engine)).toBeGreaterThanOrEqual(1);
    const model = new StoreModel();
    for (const record of records) model.apply(record);
    // Of the model's conversation and handled ids the store keeps as much as its limits say, here all.
    expect(pictureOfTables(engine, testAgents).agents).toEqual(model.picture(testAgents).agents);
  });

  test("mail that stays is applied in slices of so many rows, mail that came and was handled in one", () => {
    const engine = open();
    const mail = Array.from({ length: 2 * sliceLimit_rows }, (_, i) => encodedMessage(i));
    const accepted = mail.map((message) => ({ kind: "accepted", agent: alice, message }) as const);
    engine.append([journalBatch(accepted)]);
    expect(applyAll(engine)).toBe(3);
    const handled = (at: number) =>
      ({ ...noEffects, kind: "handled", agent: alice, message: testMessageId(at) }) as const;
    const later = mail.map((_, i) => encodedMessage(mail.length + i));
    const both = later.flatMap((message, i) => [
      { kind: "accepted", agent: alice, message } as const,
      handled(mail.length + i),
    ]);
    expect(both.length).toBe(sliceLimit_records);
    engine.append([journalBatch(both)]);
    expect(applyAll(engine)).toBe(1);
    expect(recoverAgent(engine.database, alice).inbox).toEqual(mail);
  });

  test("handled mail leaves the inbox however much waits there", () => {
    const engine = open();
    for (const waiting of [3, 40]) {
      const mail = Array.from({ length: waiting }, (_, i) => encodedMessage(i));
      engine.append([journalBatch(mail.map((message) => ({ kind: "accepted", agent: alice, message })))]);
      applyAll(engine);
      // Accepted once more meanwhile, as after a lost answer.
      const again = { kind: "accepted", agent: alice, message: encodedMessage(1) } as const;
      const ids = mail.map((_, i) => ({
        ...noEffects,
        kind: "handled",
        agent: alice,
        message: testMessageId(i),
      }));
      engine.append([journalBatch([again, ...ids.slice(1)] as never)]);
      expect(applyAll(engine)).toBe(1);
      expect(recoverAgent(engine.database, alice).inbox).toEqual([encodedMessage(0)]);
      engine.append([journalBatch([ids[0] as never])]);
      applyAll(engine);
    }
  });

  test("a failed commit changes nothing and the next one works", () => {
    const engine = open();
    const full = new Error("no room");
    databases.failCommits(full as never);
    expect(() => engine.append([journalBatch(randomRecords(new Prng(1), 3))])).toThrow(full);
    expect(engine.journal.last).toBe(0);
    databases.failCommits(undefined);
    const records = randomRecords(new Prng(2), 30);
    engine.append([journalBatch(records)]);
    databases.failCommits(full as never);
    expect(() => engine.applySlice()).toThrow(full);
    databases.failCommits(undefined);
    const model = new StoreModel();
    for (const record of records) model.apply(record);
    applyAll(engine);
    expect(pictureOfTables(engine, testAgents)).toEqual(model.picture(testAgents));
  });
});

describe("agents", () => {
  test("only the newest ids of handled messages are kept, and no row of them grows without bound", () => {
    const engine = open();
    const total = handledLimit + 3_000;
    for (let done = 0; done < total;) {
      const count = Math.min(total - done, 1 + ((done * 7) % 700));
      const records = Array.from({ length: count }, (_, i) => ({
        kind: "handled" as const,
        agent: alice,
        message: testMessageId(done + i),
        state: [],
        sends: [],
        timers: [],
      }));
      engine.append([journalBatch(records)]);
      applyAll(engine);
      done += count;
    }
    const { handled } = recoverAgent(engine.database, alice);
    expect(handled).toEqual(
      Array.from({ length: handledLimit }, (_, i) => testMessageId(total - handledLimit + i)),
    );
    const rows = engine.database
      .prepare("SELECT count(*) AS rows, max(length(ids)) AS longest FROM handled")
      .get();
    expect(rows).toEqual({ rows: handledLimit / 128 + 1, longest: 128 * 16 });
  });

  test("a removed agent leaves nothing but its mail, as dead letters in its order", () => {
    const engine = open();
    const prng = new Prng(3);
    engine.append([journalBatch(randomRecords(prng, 200))]);
    applyAll(engine);
    const mail = recoverAgent(engine.database, alice).inbox;
    const bob = recoverAgent(engine.database, "bob" as AgentName);
    const before = listDeadLetters(engine.database, 1_000, null).items.length;
    expect(mail.length).toBeGreaterThan(2);
    engine.removeAgent(alice, 77);
    expect(recoverAgent(engine.database, alice)).toEqual({
      inbox: [],
      state: [],
      timers: [],
      handled: [],
      saved: undefined,
    });
    expect(recoverAgent(engine.database, "bob" as AgentName)).toEqual(bob);
    const letters = listDeadLetters(engine.database, 1_000, null).items;
    const added = letters.slice(0, letters.length - before).reverse();
    expect(added.map((letter) => letter.message)).toEqual(mail);
    expect(added[0]).toMatchObject({ reason: "agent_removed", at_ms: 77 });
    engine.removeAgent(alice, 78);
    expect(listDeadLetters(engine.database, 1_000, null).items).toEqual(letters);
  });

  test("state comes back in the order of its keys' bytes", () => {
    const engine = open();
    const keys = [[1], [255], [1, 0], [0], [128], []].map((bytes) => new Uint8Array(bytes));
    const state = keys.map((key) => ({ key, value: key }));
    engine.append([
      journalBatch([{ kind: "handled", agent: alice, message: null, state, sends: [], timers: [] }]),
    ]);
    applyAll(engine);
    const found = recoverAgent(engine.database, alice).state.map(([key]) => [...key]);
    expect(found).toEqual([[], [0], [1], [1, 0], [128], [255]]);
  });
});

describe("a damaged journal", () => {
  test("is reported with what to do, and nothing of it is applied but what came before", () => {
    const engine = open();
    engine.append([journalBatch([{ kind: "accepted", agent: alice, message: encodedMessage(1) }])]);
    engine.append([journalBatch([{ kind: "accepted", agent: alice, message: encodedMessage(2) }])]);
    engine.database.execute("UPDATE journal SET records = zeroblob(length(records)) WHERE sequence = 2");
    expect(() => applyAll(engine)).toThrow(/Journal entry 2 is damaged: its checksum.*restore a backup/);
    expect(recoverAgent(engine.database, alice).inbox).toEqual([encodedMessage(1)]);
    engine.database.execute("DELETE FROM journal WHERE sequence = 2");
    expect(() => applyAll(engine)).toThrow(/Journal entry 2 is damaged: it is missing/);
  });
});
