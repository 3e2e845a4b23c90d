import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { openDatabases } from "../../../src/platform/node/database.ts";
import type { Database } from "../../../src/ports/database.ts";
import { openEngine } from "../../../src/store/engine.ts";
import { checkSchema, migrate, type Migration } from "../../../src/store/migrator.ts";
import { journalBatch } from "../../support/journal-batch.ts";
import { encodedMessage } from "../../support/messages.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const databases = openDatabases();
let directory = temporaryDirectory("migrator");
let opened: Database[] = [];

afterEach(() => {
  for (const database of opened) database.close();
  opened = [];
  directory.remove();
  directory = temporaryDirectory("migrator");
});

function open(): Database {
  const database = databases.open(join(directory.path, "a.db"));
  opened.push(database);
  return database;
}

function refusalOf(work: () => unknown): CaxtonError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof CaxtonError) return thrown;
  }
  throw new Error("not refused");
}

const first: Migration = { name: "0001-first", sql: "CREATE TABLE a (x) ; INSERT INTO a VALUES (1)" };
const second: Migration = { name: "0002-second", sql: "CREATE TABLE b (y); UPDATE a SET x = x + 1" };

describe("migrations", () => {
  test("each is applied once, also when one comes later", () => {
    const database = open();
    checkSchema(database, [first], "a.db");
    migrate(database, [first]);
    migrate(database, [first, second]);
    checkSchema(database, [first, second], "a.db");
    migrate(database, [first, second]);
    expect(database.prepare("SELECT x FROM a").all()).toEqual([{ x: 2 }]);
    expect(database.prepare("SELECT version, name FROM migrations").all()).toEqual([
      { version: 1, name: "0001-first" },
      { version: 2, name: "0002-second" },
    ]);
  });

  test("one that fails leaves nothing of itself, and those before it", () => {
    const database = open();
    const broken: Migration = {
      name: "0002-broken",
      sql: "CREATE TABLE c (z); INSERT INTO nowhere VALUES (1)",
    };
    expect(() => migrate(database, [first, broken])).toThrow(/nowhere/);
    expect(database.prepare("SELECT name FROM sqlite_schema WHERE name IN ('a', 'c')").all()).toEqual([
      { name: "a" },
    ]);
    migrate(database, [first, second]);
    expect(database.prepare("SELECT x FROM a").all()).toEqual([{ x: 2 }]);
  });

  test("a newer database is refused, with what to do", () => {
    const database = open();
    migrate(database, [first, second]);
    const refusal = refusalOf(() => checkSchema(database, [first], "a.db"));
    expect(refusal.code).toBe("version_mismatch");
    expect(refusal.message).toBe(
      'Database "a.db" has schema version 2, this program knows up to 1: start it with the newer version of caxton that wrote it',
    );
  });

  test("a changed text of an old migration is refused", () => {
    const database = open();
    migrate(database, [first]);
    const changed = { ...first, sql: `${first.sql} ` };
    expect(refusalOf(() => checkSchema(database, [changed, second], "a.db"))).toMatchObject({
      code: "version_mismatch",
    });
  });

  test("a database of another program is refused", () => {
    const database = open();
    database.execute("CREATE TABLE customers (name)");
    expect(refusalOf(() => checkSchema(database, [first], "a.db"))).toMatchObject({ code: "data_corrupt" });
  });
});

describe("opening the store", () => {
  const path = () => join(directory.path, "store.db");

  function makeStore(): void {
    const engine = openEngine(databases, path());
    for (let n = 0; n < 200; n++) {
      engine.append([
        journalBatch([{ kind: "outbox", message: encodedMessage(n, { content: "x".repeat(500) }) }]),
      ]);
      engine.applySlice();
    }
    engine.close();
  }

  test.each([
    ["in the head", 20],
    ["in the schema", 100],
    ["in the middle", 60_000],
  ])("a file damaged %s is refused with what to do, and left as it is", (_, at) => {
    makeStore();
    const bytes = readFileSync(path());
    bytes.fill(0xa5, at, at + 3_000);
    writeFileSync(path(), bytes);
    const refusal = refusalOf(() => openEngine(databases, path()));
    expect(refusal.code).toBe("data_corrupt");
    expect(refusal.message).toMatch(
      /Cannot open store .*left as it is.*Move the file away and restore a backup/s,
    );
    expect(readFileSync(path()).equals(bytes)).toBe(true);
  });

  test("a file that is no database is refused and left as it is", () => {
    writeFileSync(path(), "precious notes, not a database\n".repeat(10));
    expect(refusalOf(() => openEngine(databases, path()))).toMatchObject({ code: "data_corrupt" });
    expect(readFileSync(path(), "utf8")).toBe("precious notes, not a database\n".repeat(10));
  });

  test("a store of a newer program is refused and left as it is", () => {
    makeStore();
    const newer = databases.open(path());
    newer.execute("PRAGMA user_version=99");
    newer.close();
    const before = readFileSync(path());
    expect(refusalOf(() => openEngine(databases, path()))).toMatchObject({ code: "version_mismatch" });
    expect(readFileSync(path()).equals(before)).toBe(true);
  });
});
