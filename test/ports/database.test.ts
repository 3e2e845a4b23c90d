/** One suite for every implementation of the database port. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { AssertionError } from "../../src/base/assert.ts";
import { memoryDatabases } from "../../src/platform/memory/database.ts";
import { openDatabases } from "../../src/platform/node/database.ts";
import type { Database, Databases, SqlValue } from "../../src/ports/database.ts";
import { codeOf } from "../support/refusal.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface Subject {
  readonly databases: Databases;
  readonly path: string;
  readonly remove: () => void;
}

const subjects: Record<string, () => Subject> = {
  "libSQL on files": () => {
    const directory = temporaryDirectory("database");
    return {
      databases: openDatabases(),
      path: join(directory.path, "odd ?#% name.db"),
      remove: directory.remove,
    };
  },
  "libSQL in memory": () => {
    const databases = memoryDatabases();
    return { databases, path: "a.db", remove: () => databases.dispose() };
  },
};

describe.each(Object.entries(subjects))("%s", (_, make) => {
  let made: Subject;
  let opened: Database[] = [];

  function fresh(options?: Parameters<Databases["open"]>[1]): Database {
    made = make();
    return reopen(options);
  }

  function reopen(options?: Parameters<Databases["open"]>[1]): Database {
    const database = made.databases.open(made.path, options);
    opened.push(database);
    return database;
  }

  function withTable(options?: Parameters<Databases["open"]>[1]): Database {
    const database = fresh(options);
    database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b ANY) STRICT");
    return database;
  }

  function count(database: Database): SqlValue | undefined {
    return database.prepare("SELECT count(*) AS n FROM t").get()?.["n"];
  }

  afterEach(() => {
    for (const database of opened) database.close();
    opened = [];
    made.remove();
  });

  test("every kind of value comes back as it was bound", () => {
    const database = withTable();
    const whole = Uint8Array.from({ length: 20 }, (__, i) => i);
    const values: SqlValue[] = [
      null,
      0,
      -1,
      2 ** 53 - 1,
      1.5,
      "",
      "text with ' and é",
      new Uint8Array(0),
      whole.subarray(5, 9),
    ];
    const insert = database.prepare("INSERT INTO t (a, b) VALUES (?, ?)");
    for (const [index, value] of values.entries()) insert.run(index, value);
    const rows = database.prepare("SELECT a, b FROM t ORDER BY a").all();
    expect(rows.map((row) => row["b"])).toEqual(values);
    expect(Object.keys(rows[0] ?? {})).toEqual(["a", "b"]);
    expect(database.prepare("SELECT a, b FROM t WHERE a = ?").get(4)).toEqual({ a: 4, b: 1.5 });
  });

  test("a view shows what was committed when it was made, and takes no writes", () => {
    const database = withTable();
    const insert = database.prepare("INSERT INTO t (a, b) VALUES (?, ?)");
    insert.run(1, "first");
    const view = made.databases.view(made.path);
    opened.push(view);
    database.transaction(() => insert.run(2, "second"));
    expect(count(view)).toBe(1);
    expect(count(database)).toBe(2);
    expect(codeOf(() => view.execute("DELETE FROM t"))).toBe("storage_failed");
    view.close();
    insert.run(3, "third");
    expect(count(database)).toBe(3);
    expect(codeOf(() => made.databases.view(`${made.path}.none`))).toBe("storage_failed");
  });

  test("whole numbers are integers to the engine", () => {
    const database = withTable();
    expect(database.prepare("SELECT typeof(?) AS kind").get(7)).toEqual({ kind: "integer" });
  });

  test("a value that would end the process in the addon is an assertion instead", () => {
    const database = withTable();
    const insert = database.prepare("INSERT INTO t (b) VALUES (?)");
    for (const value of [true, {}, [1], undefined, "cut\0here", new ArrayBuffer(3)]) {
      expect(() => insert.run(value as SqlValue)).toThrow(AssertionError);
    }
    // What is reckoned from a damaged row may be none: the file's fault, not the program's.
    expect(codeOf(() => insert.run(Number.NaN))).toBe("data_corrupt");
    expect(() => insert.run()).toThrow(AssertionError);
    expect(() => insert.run(1, 2)).toThrow(AssertionError);
    expect(count(database)).toBe(0);
  });

  test("a transaction is there as a whole or not at all", () => {
    const database = withTable();
    const insert = database.prepare("INSERT INTO t (b) VALUES (?)");
    expect(database.transaction(() => insert.run(1).changes)).toBe(1);
    const failed = new Error("stop");
    expect(() =>
      database.transaction(() => {
        insert.run(2);
        throw failed;
      }),
    ).toThrow(failed);
    expect(count(database)).toBe(1);
    database.transaction(() => insert.run(3), "relaxed");
    expect(count(database)).toBe(2);
  });

  test("a constraint that fails is an error of ours, and its transaction is taken back", () => {
    const database = withTable();
    const insert = database.prepare("INSERT INTO t (a, b) VALUES (?, ?)");
    const twice = () =>
      database.transaction(() => {
        insert.run(1, "first");
        insert.run(1, "second");
      });
    expect(codeOf(twice)).toBe("storage_failed");
    expect(count(database)).toBe(0);
  });

  test("a preview shows what would be and leaves nothing", () => {
    const database = withTable();
    const insert = database.prepare("INSERT INTO t (b) VALUES (?)");
    const seen = database.transaction(() => {
      for (let i = 0; i < 100; i++) insert.run(new Uint8Array(10_000));
      return count(database);
    }, "preview");
    expect(seen).toBe(100);
    expect(count(database)).toBe(0);
  });

  test("what was committed is there after it is closed and opened again", () => {
    const database = withTable();
    database.transaction(() => database.prepare("INSERT INTO t (b) VALUES (?)").run("kept"));
    database.close();
    database.close();
    expect(codeOf(() => count(database))).toBe("storage_failed");
    expect(made.databases.exists(made.path)).toBe(true);
    expect(reopen().prepare("SELECT b FROM t").all()).toEqual([{ b: "kept" }]);
  });

  test("a statement of a closed database does not write", () => {
    const database = withTable();
    const insert = database.prepare("INSERT INTO t (b) VALUES (?)");
    database.close();
    expect(codeOf(() => insert.run(1))).toBe("storage_failed");
    expect(count(reopen())).toBe(0);
  });

  test("read only: reads, and refuses to write or to make a file", () => {
    const database = withTable();
    database.close();
    const readonly = reopen({ readonly: true });
    expect(count(readonly)).toBe(0);
    expect(codeOf(() => readonly.execute("INSERT INTO t (b) VALUES (1)"))).toBe("storage_failed");
    readonly.close();
    expect(codeOf(() => made.databases.open(`${made.path}.none`, { readonly: true }))).toBe("storage_failed");
    expect(made.databases.exists(`${made.path}.none`)).toBe(false);
  });

  test("at its largest size a write is disk_full, what was there stays, and room helps", () => {
    const database = withTable({ maximum_bytes: 200_000 });
    const insert = database.prepare("INSERT INTO t (b) VALUES (?)");
    const fill = () => database.transaction(() => insert.run(new Uint8Array(20_000)));
    let written = 0;
    const fillUp = () => {
      for (; written < 100; written++) fill();
    };
    expect(codeOf(fillUp)).toBe("disk_full");
    expect(written).toBeGreaterThan(2);
    expect(count(database)).toBe(written);
    const preview = database.transaction(() => {
      for (let i = 0; i < 5; i++) insert.run(new Uint8Array(20_000));
      return count(database);
    }, "preview");
    expect(preview).toBe(written + 5);
    expect(codeOf(fill)).toBe("disk_full");
    database.transaction(() => database.prepare("DELETE FROM t WHERE a <= 2").run());
    fill();
    expect(count(database)).toBe(written - 1);
  });
});

describe("files that are no database", () => {
  const databases = openDatabases();

  test.each([
    [
      "text",
      "This is a text and certainly longer than the head of a database file, which has 100 bytes. ".repeat(3),
      "data_corrupt",
    ],
    ["a damaged head", `SQLite format 3\0${"\u0007".repeat(4_080)}`, "data_corrupt"],
  ])("%s", (_, content, code) => {
    const directory = temporaryDirectory("database");
    const path = join(directory.path, "a.db");
    writeFileSync(path, content);
    expect(codeOf(() => databases.open(path))).toBe(code);
    directory.remove();
  });

  test("a directory, and one that does not exist", () => {
    const directory = temporaryDirectory("database");
    expect(codeOf(() => databases.open(directory.path))).toBe("storage_failed");
    expect(codeOf(() => databases.open(join(directory.path, "none", "a.db")))).toBe("storage_failed");
    directory.remove();
  });
});
