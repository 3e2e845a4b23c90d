/** A transaction that is left open over many calls: what was answered stays done whatever becomes of it. */
import { afterEach, expect, it } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { HeldEntries } from "../../../src/control/held-entries.ts";
import { heldEntries_bytes, heldEntries_max } from "../../../src/control/limits.ts";
import type { CommittedEntry } from "../../../src/control/replicated-state.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

function entry(index: number, size = 1): CommittedEntry {
  return { index, term: 1, kind: "command", data: new Uint8Array(size) };
}

/** Applying an entry writes its index into a table, and into memory until the next commit. */
class World {
  readonly databases = memoryDatabases();
  readonly database = this.databases.open("held.db");
  readonly held: HeldEntries;
  /** Indexes that were applied and not saved, and how often the memory was read anew. */
  unsaved: number[] = [];
  reloads = 0;

  constructor() {
    undo.push(() => this.databases.dispose());
    this.database.execute("CREATE TABLE done (position INTEGER NOT NULL) STRICT");
    this.held = new HeldEntries({
      database: this.database,
      save: () => void (this.unsaved = []),
      reload: () => {
        this.unsaved = [];
        this.reloads++;
      },
      apply: (entries) => this.#apply(entries),
    });
  }

  run(...entries: readonly CommittedEntry[]): readonly number[] {
    return this.held.run(entries, () => {
      this.#apply(entries);
      return entries.map(({ index }) => index);
    });
  }

  /** With all that is applied, or only with what other connections see: the database of the tests has one connection. */
  get done(): readonly number[] {
    this.held.restore();
    return this.committed;
  }

  get committed(): readonly number[] {
    return this.database
      .prepare("SELECT position FROM done ORDER BY position")
      .all()
      .map(({ position }) => Number(position));
  }

  #apply(entries: readonly CommittedEntry[]): void {
    const insert = this.database.prepare("INSERT INTO done (position) VALUES (?)");
    for (const { index } of entries) {
      insert.run(index);
      this.unsaved.push(index);
    }
  }
}

it("takes back a call that fails, and applies again what was answered before it", () => {
  const world = new World();
  world.run(entry(1), entry(2));
  const failed = new Error("stop");
  expect(() =>
    world.held.run([entry(3)], () => {
      world.database.execute("INSERT INTO done (position) VALUES (3)");
      throw failed;
    }),
  ).toThrow(failed);
  expect([world.committed, world.reloads]).toEqual([[], 1]);
  expect(world.held.lost).toEqual(entry(2));
  expect([world.done, world.unsaved]).toEqual([
    [1, 2],
    [1, 2],
  ]);
  expect(world.held.lost).toBeUndefined();
  world.held.commit();
  expect([world.committed, world.held.waiting]).toEqual([[1, 2], false]);
});

it("applies again what a failed commit has lost, once the disk takes it", () => {
  const world = new World();
  world.run(entry(1));
  world.databases.failCommits(new CaxtonError("disk_full", "no room"));
  expect(() => world.held.commit()).toThrow("no room");
  expect([world.committed, world.held.lost]).toEqual([[], entry(1)]);
  world.databases.failCommits(undefined);
  world.run(entry(2));
  world.held.commit();
  expect(world.committed).toEqual([1, 2]);
});

it("drops what is not committed for good, and goes on with a transaction of its own", () => {
  const world = new World();
  world.run(entry(1));
  world.held.commit();
  world.run(entry(2));
  world.held.drop();
  expect([world.held.waiting, world.held.lost, world.done]).toEqual([false, undefined, [1]]);
  world.run(entry(3));
  expect(world.held.waiting).toBe(true);
  world.held.commit();
  expect([world.committed, world.reloads]).toEqual([[1, 3], 0]);
});

it("commits by itself when so many bytes or entries are held, and counts anew after that", () => {
  const world = new World();
  const half = heldEntries_bytes / 2;
  world.run(entry(1, half));
  world.run(entry(2, half - 1));
  expect(world.held.waiting).toBe(true);
  world.run(entry(3, 1));
  expect(world.held.waiting).toBe(false);
  world.run(entry(4, half));
  expect(world.held.waiting).toBe(true);
  world.held.drop();
  world.run(entry(5, half));
  expect(world.held.waiting).toBe(true);
  world.held.commit();
  world.run(entry(6, half));
  expect(world.held.waiting).toBe(true);
  world.held.commit();
  const many = Array.from({ length: heldEntries_max - 1 }, (_, i) => entry(10 + i));
  world.run(...many);
  expect(world.held.waiting).toBe(true);
  world.run(entry(10_000));
  expect(world.held.waiting).toBe(false);
});

it("commits before a transaction of others", () => {
  const world = new World();
  world.run(entry(1));
  const failed = new Error("stop");
  expect(() =>
    world.held.between().transaction(() => {
      throw failed;
    }),
  ).toThrow(failed);
  expect([world.committed, world.held.waiting]).toEqual([[1], false]);
});
