/** The store keeps what it acknowledged under Deno, on a real file through the native libSQL package. */
import { join } from "node:path";
import { openDatabases } from "../../src/platform/node/database.ts";
import { recoverAgent } from "../../src/store/agent-tables.ts";
import { openEngine } from "../../src/store/engine.ts";
import { journalBatch } from "../support/journal-batch.ts";
import { modelOf, numberAgent, numberedBatch, numberIn } from "../support/numbered-batches.ts";
import { pictureOfTables } from "../support/store-picture.ts";
import { testAgents } from "../support/store-records.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { same, smoke } from "./smoke.ts";

const seed = 3;
const appends = 12;

smoke("the store comes back with every append", () => {
  const directory = temporaryDirectory("deno");
  try {
    const path = join(directory.path, "store.db");
    const before = openEngine(openDatabases(), path);
    for (let number = 1; number <= appends; number++)
      before.append([journalBatch(numberedBatch(seed, number))]);
    before.close();
    const after = openEngine(openDatabases(), path);
    while (after.applySlice());
    same(numberIn(recoverAgent(after.database, numberAgent).state), appends);
    same(pictureOfTables(after, testAgents), modelOf(seed, appends).picture(testAgents));
    after.close();
  } finally {
    directory.remove();
  }
});
