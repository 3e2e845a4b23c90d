import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { parseNodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import { openDatabases } from "../../../src/platform/node/database.ts";
import type { Databases } from "../../../src/ports/database.ts";
import { raftIdOf } from "../../../src/raft/configuration.ts";
import type { Entry } from "../../../src/raft/entry.ts";
import { openRaftLog, type RaftLog } from "../../../src/store/raft-log.ts";
import {
  configurationOfOne,
  type LogPicture,
  pictureOf,
  raftLogOwner,
  raftLogStep,
} from "../../support/raft-log-steps.ts";
import { ScriptProcesses } from "../../support/script-process.ts";
import { refusalOf } from "../../support/refusal.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { until } from "../../support/until.ts";

interface Subject {
  readonly databases: Databases;
  readonly path: string;
  readonly remove: () => void;
}

const subjects: Record<string, () => Subject> = {
  "on files": () => {
    const directory = temporaryDirectory("raft-log");
    return { databases: openDatabases(), path: join(directory.path, "raft.db"), remove: directory.remove };
  },
  "in memory": () => {
    const databases = memoryDatabases();
    return { databases, path: "raft.db", remove: () => databases.dispose() };
  },
};

function entry(index: number, term: number, bytes = 10): Entry {
  return { index, term, kind: "command", data: new Uint8Array(bytes).fill(index % 256) };
}

function append(log: RaftLog, ...entries: Entry[]): void {
  const term = Math.max(log.hardState.term, ...entries.map((each) => each.term));
  const hardState = { term, vote: null, commit: 0 };
  log.persist([{ hardState, reset: null, truncateFrom: null, entries }]);
}

describe.each(Object.entries(subjects))("a Raft log %s", (_, make) => {
  let made: Subject | undefined;
  let open: RaftLog[] = [];

  function reopen(boot = 1): RaftLog {
    for (const log of open) log.close();
    made ??= make();
    const log = openRaftLog(made.databases, made.path, raftLogOwner(boot));
    open = [log];
    return log;
  }

  afterEach(() => {
    for (const log of open) log.close();
    open = [];
    made?.remove();
    made = undefined;
  });

  test("is empty at first, and begins with the founding records", () => {
    const log = reopen(7);
    expect(log.isEmpty).toBe(true);
    expect(log.boots.self).toBe("node-1#7");
    expect(log.stored(0)).toEqual({
      hardState: { term: 0, vote: null, commit: 0 },
      base: { index: 0, term: 0 },
      last: { index: 0, term: 0 },
      configurations: [],
      applied: 0,
    });
  });

  test("keeps any history over closing, whatever was cut off or compacted", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.integer({ min: 1, max: 60 }), (seed, steps) => {
        made = make();
        let log = reopen();
        const model = new Map<number, readonly unknown[]>();
        for (let step = 0; step < steps; step++) {
          raftLogStep(log, seed, step);
          for (const row of pictureOf(log).entries) model.set(row[0], row);
        }
        const before = pictureOf(log);
        log = reopen(2);
        expect(pictureOf(log)).toEqual(before);
        expect(log.stored(log.base.index).configurations.length).toBe(
          before.entries.filter(([, , kind]) => kind === "configuration").length + (before.base > 0 ? 1 : 0),
        );
        for (const [index, term] of before.entries) expect(log.term(index)).toBe(term);
        log.close();
        made.remove();
        made = undefined;
        open = [];
      }),
      { numRuns: 12 },
    );
  });

  test("gives entries within a bound of bytes, one at least", () => {
    const log = reopen();
    append(log, entry(1, 1, 500), entry(2, 1, 500), entry(3, 1, 500));
    expect(log.entries(1, 3, 1).map(({ index }) => index)).toEqual([1]);
    expect(log.entries(1, 3, 1_100).map(({ index }) => index)).toEqual([1, 2]);
    expect(log.entries(2, 3, 1e6).map(({ index }) => index)).toEqual([2, 3]);
    expect(refusalOf(() => log.term(4))).toContain("data_corrupt");
  });

  test("reads entries anew when asked to, and says which one has been damaged meanwhile", () => {
    const log = reopen();
    for (let from = 1; from <= 2_000; from += 100)
      append(log, ...Array.from({ length: 100 }, (_, i) => entry(from + i, 1, 8)));
    log.check(1, 2_000);
    log.database.execute("UPDATE raft_log SET data = x'ff' WHERE position = 1500");
    log.check(1, 1_499);
    log.check(1_501, 2_000);
    for (const [first, last] of [
      [1_500, 1_500],
      [1, 1_500],
      [1_500, 2_000],
      [1_499, 1_501],
    ] as const)
      expect(refusalOf(() => log.check(first, last))).toMatch(/^data_corrupt: .*checksum of entry 1500/);
  });

  test("what was compacted and not removed yet is removed after the next opening", () => {
    const log = reopen();
    append(log, ...Array.from({ length: 9 }, (_, i) => entry(i + 1, 1)));
    log.compact({ index: 6, term: 1 }, configurationOfOne(1));
    const again = reopen(2);
    const rows = (): unknown => again.database.prepare("SELECT count(*) AS count FROM raft_log").get();
    expect(rows()).toEqual({ count: 9 });
    while (again.tidy());
    expect([rows(), again.base.index, again.last.index]).toEqual([{ count: 3 }, 6, 9]);
  });

  test("a reset puts an empty log at its base", () => {
    const log = reopen();
    append(log, entry(1, 1), entry(2, 1));
    const base = { index: 50, term: 4 };
    const configuration = configurationOfOne(3);
    log.persist([
      {
        hardState: { term: 5, vote: null, commit: 50 },
        reset: { base, configuration },
        truncateFrom: null,
        entries: [entry(51, 5)],
      },
    ]);
    const again = reopen(2);
    expect(again.base).toEqual(base);
    expect(again.last).toEqual({ index: 51, term: 5 });
    expect(again.term(50)).toBe(4);
    expect(again.stored(50).configurations).toEqual([{ index: 50, configuration }]);
  });

  test("an install that was begun is known until it is ended or given up", () => {
    let log = reopen();
    append(log, entry(1, 1), entry(2, 1));
    const mark = { index: 9, term: 1, configuration: configurationOfOne(1) };
    log.beginInstall(mark);
    log = reopen(2);
    expect(log.installing).toEqual(mark);
    expect(log.last.index).toBe(2);
    log.endInstall(null);
    expect(log.installing).toBe(null);
    log.beginInstall(mark);
    log.endInstall(mark);
    log = reopen(3);
    expect(log.installing).toBe(null);
    expect([log.base.index, log.last.index, log.hardState.commit]).toEqual([9, 9, 9]);
  });

  test("knows in which boot it was last opened, and the highest boot heard of others", () => {
    let log = reopen(10);
    expect([log.boots.self, log.boots.previous]).toEqual(["node-1#10", 0]);
    const other = raftIdOf(parseNodeId("node-2"), 4);
    log.boots.see(other, 30);
    log.boots.see(other, 20);
    log = reopen(11);
    expect([log.boots.self, log.boots.previous, log.boots.boot]).toEqual(["node-1#10", 10, 11]);
    expect(log.boots.seen(other)).toBe(30);
    log = reopen(11);
    expect(log.boots.previous).toBe(11);
  });

  test("of another node it is refused", () => {
    const log = reopen();
    log.close();
    open = [];
    const stranger = { node: parseNodeId("node-9"), boot: 2 };
    expect(refusalOf(() => openRaftLog(made?.databases as Databases, made?.path ?? "", stranger))).toMatch(
      /^conflict: Raft log .* belongs to node "node-1", not to "node-9"/,
    );
  });

  describe("damage is found, at the next open at the latest", () => {
    test.each([
      ["a flipped bit of data", "UPDATE raft_log SET data = x'ff' WHERE position = 5", "checksum of entry 5"],
      ["another term", "UPDATE raft_log SET term = 2 WHERE position = 5", "checksum of entry 5"],
      ["another kind", "UPDATE raft_log SET kind = 2 WHERE position = 5", "checksum of entry 5"],
      ["swapped entries", "UPDATE raft_log SET position = -position WHERE position IN (5)", "missing"],
      ["a hole", "DELETE FROM raft_log WHERE position = 5", "missing"],
      ["a lost tail", "DELETE FROM raft_log WHERE position > 8", "missing"],
      ["a tail too long", "UPDATE raft_log SET position = 11 WHERE position = 10", "missing"],
      ["another vote", "UPDATE raft_state SET vote = 'node-2#1'", "checksum of its hard state"],
      ["a lower term", "UPDATE raft_state SET term = 1", "checksum of its hard state"],
      ["a lost hard state", "DELETE FROM raft_state", "beyond its end"],
      ["another base", "UPDATE raft_base SET term = 9", "checksum of its base"],
      ["a lost base", "DELETE FROM raft_base", "missing"],
      ["another identity", "UPDATE raft_identity SET identity = 2", "checksum of whose log it is"],
      ["another boot", "UPDATE raft_identity SET boot = 0", "checksum of whose log it is"],
      ["another node", "UPDATE raft_identity SET node = 'node-3'", "checksum of whose log it is"],
      [
        "another boot of another node",
        "UPDATE raft_seen SET boot = 99",
        "checksum of a boot that was heard of",
      ],
      [
        "another node that was heard of",
        "UPDATE raft_seen SET participant = 'node-4#1'",
        "checksum of a boot that was heard of",
      ],
      // The addon ends the process where it meets text that is no UTF-8.
      [
        "a vote that is no text",
        "UPDATE raft_state SET vote = CAST(x'6eff' AS TEXT)",
        "raft_state.vote is no text",
      ],
      [
        "a node that is no text",
        "UPDATE raft_identity SET node = CAST(x'6eff' AS TEXT)",
        "raft_identity.node is no text",
      ],
      [
        "a node heard of that is no text",
        "UPDATE raft_seen SET participant = CAST(x'6eff' AS TEXT)",
        "raft_seen.participant is no text",
      ],
      [
        "a migration whose checksum is no text",
        "UPDATE migrations SET checksum = CAST(x'6eff' AS TEXT) WHERE version = 1",
        "migrations.checksum is no text",
      ],
      [
        "a migration whose name is no text",
        "UPDATE migrations SET name = CAST(x'6eff' AS TEXT) WHERE version = 1",
        "migrations.name is no text",
      ],
      ["a table of another shape", "ALTER TABLE raft_log RENAME COLUMN term TO tern", "tables are not those"],
      [
        "another table of another shape",
        "ALTER TABLE raft_install RENAME COLUMN term TO x",
        "tables are not those",
      ],
      [
        "a list of migrations of another shape",
        "ALTER TABLE migrations RENAME COLUMN name TO x",
        "tables are not those",
      ],
    ])("%s", (_name, sql, found) => {
      const log = reopen();
      append(log, ...Array.from({ length: 10 }, (_v, i) => entry(i + 1, 1)));
      log.persist([
        { hardState: { term: 3, vote: null, commit: 9 }, reset: null, truncateFrom: null, entries: [] },
      ]);
      log.compact({ index: 2, term: 1 }, configurationOfOne(1));
      while (log.tidy());
      log.boots.see(raftIdOf(parseNodeId("node-2"), 1), 7);
      log.database.execute(sql);
      if (found.includes("entry 5")) expect(refusalOf(() => log.entries(3, 8, 1e6))).toContain(found);
      expect(refusalOf(() => reopen(2))).toContain(found);
      open = [];
    });
  });
});

test("a failed commit changes nothing, in memory neither", () => {
  const databases = memoryDatabases();
  const log = openRaftLog(databases, "raft.db", raftLogOwner(1));
  append(log, entry(1, 1), entry(2, 1), entry(3, 2));
  const before = pictureOf(log);
  databases.failCommits(new CaxtonError("storage_failed", "no"));
  const records = {
    hardState: { term: 9, vote: null, commit: 1 },
    reset: null,
    truncateFrom: 2,
    entries: [entry(2, 9)],
  };
  expect(refusalOf(() => log.persist([records]))).toBe("storage_failed: no");
  const reset = { base: { index: 50, term: 9 }, configuration: configurationOfOne(3) };
  const anew = { ...records, reset, truncateFrom: null, entries: [] };
  expect(refusalOf(() => log.persist([anew]))).toBe("storage_failed: no");
  expect(refusalOf(() => log.endInstall({ ...reset.base, configuration: reset.configuration }))).toMatch(
    "no",
  );
  databases.failCommits(undefined);
  expect([pictureOf(log), log.stored(0).configurations]).toEqual([before, []]);
  log.persist([records]);
  expect(log.last).toEqual({ index: 2, term: 9 });
  databases.dispose();
});

describe("on real files", () => {
  const processes = new ScriptProcesses();
  let directory = temporaryDirectory("raft-log");

  afterEach(async () => {
    await processes.end();
    directory.remove();
    directory = temporaryDirectory("raft-log");
  });

  /** What the log is after so many steps, made anew. */
  function pictureAfter(seed: number, steps: number): LogPicture {
    const databases = memoryDatabases();
    const log = openRaftLog(databases, "raft.db", raftLogOwner(1));
    for (let step = 0; step < steps; step++) raftLogStep(log, seed, step);
    const picture = pictureOf(log);
    databases.dispose();
    return picture;
  }

  test("after kill -9 everything that was told durable is there, and nothing half written", async () => {
    const path = join(directory.path, "raft.db");
    const prng = new Prng(3);
    for (let round = 1; round <= 4; round++) {
      const writer = processes.start("./raft-log-writer.ts", [path, "5", String(round)]);
      const wanted = prng.between(5, 150);
      await until(() => writer.lines().length > wanted);
      writer.child.kill("SIGKILL");
      expect(await writer.ended).toMatchObject({ signal: "SIGKILL" });
      const durable = Math.max(...writer.lines().map((line) => Number(line.split(" ")[1])));
      const log = openRaftLog(openDatabases(), path, raftLogOwner(round * 1_000));
      const steps = log.hardState.term;
      expect(steps).toBeGreaterThanOrEqual(durable);
      // The base may be an earlier one, what follows it is the same.
      const found = pictureOf(log);
      const expected = pictureAfter(5, steps);
      const from = Math.max(found.base, expected.base);
      const after = ({ entries }: LogPicture): unknown => entries.filter(([index]) => index > from);
      expect(after(found)).toEqual(after(expected));
      log.close();
    }
  });

  test("a flipped bit in what a killed process had not merged yet is found, and takes back nothing unnoticed", () => {
    const path = join(directory.path, "raft.db");
    const log = openRaftLog(openDatabases(), path, raftLogOwner(1));
    for (let index = 1; index <= 20; index++) append(log, entry(index, 1, 500));
    const [file, leftover] = [readFileSync(path), readFileSync(`${path}-wal`)];
    log.close();
    const prng = new Prng(11);
    for (let round = 0; round < 6; round++) {
      const copy = join(directory.path, `killed-${round}.db`);
      writeFileSync(copy, file);
      if (round > 0) {
        const at = prng.below(Math.floor(leftover.length * 0.9));
        leftover[at] = (leftover[at] ?? 0) ^ 4;
      }
      writeFileSync(`${copy}-wal`, leftover);
      const open = (): RaftLog => openRaftLog(openDatabases(), copy, raftLogOwner(2));
      if (round > 0) expect(refusalOf(open)).toMatch(/^data_corrupt: .* write-ahead log/);
      else expect(open().last.index).toBe(20);
    }
  });

  test("any damage of the file is found, or there is none in what is read", () => {
    const path = join(directory.path, "raft.db");
    const log = openRaftLog(openDatabases(), path, raftLogOwner(1));
    for (let step = 0; step < 60; step++) raftLogStep(log, 9, step);
    const sound = pictureOf(log);
    log.close();
    const bytes = readFileSync(path);
    const prng = new Prng(8);
    let found = 0;
    for (let round = 0; round < 40; round++) {
      const target = join(directory.path, `copy-${round}.db`);
      const damaged = Uint8Array.from(bytes);
      if (round % 4 === 0) writeFileSync(target, damaged.subarray(0, prng.below(statSync(path).size)));
      else {
        const at = prng.below(damaged.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << prng.below(8));
        writeFileSync(target, damaged);
      }
      try {
        const copy = openRaftLog(openDatabases(), target, raftLogOwner(2));
        // Cut to nothing it is a new log, which has no promise to break.
        if (!copy.isEmpty) expect(pictureOf(copy)).toEqual(sound);
        copy.close();
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(CaxtonError);
        found++;
      }
    }
    expect(found).toBeGreaterThan(10);
  });
});
