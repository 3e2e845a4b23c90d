import { appendFileSync, copyFileSync, existsSync, mkdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { openDatabases } from "../../../src/platform/node/database.ts";
import { recoverAgent } from "../../../src/store/agent-tables.ts";
import { openEngine, type StoreEngine } from "../../../src/store/engine.ts";
import { journalBatch } from "../../support/journal-batch.ts";
import { modelOf, numberAgent, numberedBatch, numberIn } from "../../support/numbered-batches.ts";
import { ScriptProcesses } from "../../support/script-process.ts";
import { pictureOfTables } from "../../support/store-picture.ts";
import { testAgents } from "../../support/store-records.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { thorough } from "../../support/thorough.ts";
import { until } from "../../support/until.ts";

const databases = openDatabases();
const processes = new ScriptProcesses();
let directory = temporaryDirectory("crash");

afterEach(async () => {
  await processes.end();
  directory.remove();
  directory = temporaryDirectory("crash");
});

/** How many appends the store has; fails unless it holds exactly the first so many. */
function recoveredCount(engine: StoreEngine, seed: number): number {
  while (engine.applySlice());
  const count = numberIn(recoverAgent(engine.database, numberAgent).state);
  expect(pictureOfTables(engine, testAgents)).toEqual(modelOf(seed, count).picture(testAgents));
  return count;
}

describe("after kill -9", () => {
  // Another process that opens and closes the file must not take the log away from its writer,
  // which happens when the writer lost its lock by opening the file a second time itself.
  async function visit(path: string): Promise<void> {
    const visitor = processes.start("./store-visitor.ts", [path]);
    expect(await visitor.ended).toMatchObject({ code: 0 });
  }

  test("a store holds every acknowledged append and nothing half applied, again and again", async () => {
    const path = join(directory.path, "store.db");
    const prng = new Prng(11);
    for (let round = 0; round < (thorough ? 4 : 2); round++) {
      const writer = processes.start("./store-writer.ts", [path, "11"]);
      const wanted = prng.between(1, 100);
      await until(() => writer.lines().length > wanted / 2);
      if (round % 2 === 1) await visit(path);
      const visited = writer.lines().length;
      await until(() => writer.lines().length > visited + wanted / 2);
      writer.child.kill("SIGKILL");
      expect(await writer.ended).toMatchObject({ signal: "SIGKILL" });
      const acknowledged = writer.lines().map((line) => Number(line.split(" ")[1]));
      const engine = openEngine(databases, path);
      expect(recoveredCount(engine, 11)).toBeGreaterThanOrEqual(Math.max(...acknowledged.slice(1)));
      engine.close();
    }
  });
});

describe("a copy of the files at any moment", () => {
  /** The log is copied as it is, cut anywhere (a loss of power that took what was not synced), or with rubbish behind it. */
  function copyTo(name: string, damage: "none" | "cut" | "rubbish", prng: Prng): string {
    const target = join(directory.path, name);
    mkdirSync(target);
    for (const file of ["store.db", "store.db-wal"]) {
      if (existsSync(join(directory.path, file)))
        copyFileSync(join(directory.path, file), join(target, file));
    }
    const log = join(target, "store.db-wal");
    if (damage === "cut") truncateSync(log, prng.below(statSync(log).size + 1));
    if (damage === "rubbish")
      appendFileSync(
        log,
        Uint8Array.from({ length: 5_000 }, () => prng.below(256)),
      );
    return join(target, "store.db");
  }

  test("opens to a store with exactly the first so many appends", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        directory.remove();
        directory = temporaryDirectory("crash");
        const prng = new Prng(seed);
        const engine = openEngine(databases, join(directory.path, "store.db"));
        for (let number = 1; number <= 20; number++) {
          engine.append([journalBatch(numberedBatch(seed, number))]);
          if (prng.chance(0.3)) engine.applySlice();
          if (!prng.chance(0.15)) continue;
          const damage = prng.pick(["none", "cut", "rubbish"] as const) ?? "none";
          const copy = openEngine(databases, copyTo(`copy-${number}`, damage, prng));
          const count = recoveredCount(copy, seed);
          if (damage !== "cut") expect(count).toBe(number);
          copy.close();
        }
        expect(recoveredCount(engine, seed)).toBe(20);
        engine.close();
      }),
      { numRuns: thorough ? 6 : 3 },
    );
  });
});
