import { afterEach, describe, expect, it } from "vitest";
import { Section, type SectionDefinition, createIndexes, createTable } from "../../../src/control/section.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import type { Database } from "../../../src/ports/database.ts";

const words: SectionDefinition = {
  name: "words",
  since: 1,
  key: { name: "word", type: "text" },
  columns: [
    { name: "count", type: "integer" },
    { name: "text", type: "bytes", large: true },
  ],
  indexed: ["count"],
};
const text = new Uint8Array([1, 2, 3]);

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

function opened(): { readonly database: Database; readonly section: Section } {
  const databases = memoryDatabases();
  undo.push(() => databases.dispose());
  const database = databases.open("words.db");
  database.execute(`${createTable(words)}\n${createIndexes(words)}`);
  return { database, section: new Section(database, words) };
}

function put(section: Section, word: string, count: number): void {
  section.put(section.peek(word), [word, count, text]);
}

function written(database: Database): readonly string[] {
  return database
    .prepare("SELECT word, count FROM words ORDER BY word")
    .all()
    .map(({ word, count }) => `${String(word)}=${Number(count)}`);
}

describe("a row that is not written yet", () => {
  it("is seen by every look into the table", () => {
    const looks: readonly ((section: Section) => unknown)[] = [
      (section) => Number(section.get("b")?.["count"]),
      (section) => Number(section.peek("b")?.["count"]),
      (section) => Number(section.walk("a", 1)[0]?.["count"]),
      (section) => Number(section.walk("a", 1, true)[0]?.["count"]),
      (section) => Number(section.walkWithin("a", 1, 1_000)[0]?.["count"]),
      (section) => Number(section.above("count", 1, 10)[0]?.["count"]),
    ];
    for (const look of looks) {
      const { section } = opened();
      put(section, "a", 1);
      put(section, "b", 2);
      expect(look(section)).toBe(2);
    }
    const { section } = opened();
    put(section, "a", 1);
    expect(section.upTo("count", 1, 10)).toEqual(["a"]);
  });

  it("is deleted like any other, and does not come back", () => {
    const { database, section } = opened();
    put(section, "a", 1);
    const before = section.peek("a");
    if (before === undefined) throw new Error("it was put");
    section.delete(before, "a");
    section.flush();
    expect(written(database)).toEqual([]);
    expect(section.rows).toBe(0);
  });

  it("is written once, as it was last, with all of its neighbours", () => {
    const { database, section } = opened();
    for (let i = 0; i < 50; i++) put(section, `word-${i % 25}`, i);
    expect(written(database)).toEqual([]);
    section.flush();
    const last = Array.from({ length: 25 }, (_, i) => `word-${i}=${i + 25}`);
    expect(written(database).toSorted()).toEqual(last.toSorted());
    expect(section.rows).toBe(25);
  });

  it("is forgotten when its transaction is taken back", () => {
    const { database, section } = opened();
    put(section, "a", 1);
    section.restore({ rows: 0, bytes: 0, digest: new Uint8Array(16) });
    section.flush();
    expect(written(database)).toEqual([]);
    expect(section.get("a")).toBeUndefined();
  });

  it("stays when writing fails, and is written by the next try", () => {
    const { database, section } = opened();
    for (let i = 0; i < 20; i++) put(section, `word-${i}`, i);
    database.execute("ALTER TABLE words RENAME TO away");
    expect(() => section.flush()).toThrow();
    database.execute("ALTER TABLE away RENAME TO words");
    section.flush();
    expect(written(database)).toHaveLength(20);
  });
});

it("not more rows wait than the bound", () => {
  const { database, section } = opened();
  for (let i = 0; i < 600; i++) put(section, `word-${i}`, i);
  expect(written(database).length).toBeGreaterThanOrEqual(500);
});

describe("a row that was read before", () => {
  it("is not looked up again, and is as it was last written", () => {
    const { database, section } = opened();
    put(section, "a", 1);
    expect(section.get("a")?.["count"]).toBe(1);
    database.execute("UPDATE words SET count = 7");
    expect(section.get("a")?.["count"]).toBe(1);
    put(section, "a", 2);
    expect(section.get("a")?.["count"]).toBe(2);
    const before = section.peek("a");
    if (before === undefined) throw new Error("it was put");
    section.delete(before, "a");
    expect(section.get("a")).toBeUndefined();
  });

  it("is forgotten when its transaction is taken back", () => {
    const { database, section } = opened();
    put(section, "a", 1);
    section.flush();
    expect(section.get("a")?.["count"]).toBe(1);
    database.execute("DELETE FROM words");
    section.restore({ rows: 0, bytes: 0, digest: new Uint8Array(16) });
    expect(section.get("a")).toBeUndefined();
  });

  it("is read anew each time where it is large", () => {
    const { database, section } = opened();
    section.put(undefined, ["a", 1, new Uint8Array(16 * 1_024)]);
    expect(section.get("a")?.["count"]).toBe(1);
    database.execute("UPDATE words SET count = 7");
    expect(section.get("a")?.["count"]).toBe(7);
  });
});

describe("a table whose keys are out of order", () => {
  it("is refused by who walks it, for a walk from page to page would never end", () => {
    const { database, section } = opened();
    for (const word of ["a", "b", "d"]) put(section, word, 1);
    section.flush();
    // As a flipped bit leaves it: the engine believes the order that it once wrote.
    database.execute("PRAGMA writable_schema = ON");
    database.execute(
      "UPDATE sqlite_schema SET sql = replace(sql, 'PRIMARY KEY (word)', 'PRIMARY KEY (word DESC)')",
    );
    database.execute("PRAGMA writable_schema = RESET");
    expect(() => section.walk(null, 10)).toThrow("The keys of words in the control state do not ascend");
  });
});
