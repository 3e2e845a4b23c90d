/** A view of a database on disk: what it holds on to, and for how long. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDatabases } from "../../../src/platform/node/database.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("a view that was closed holds nothing back: the log is emptied when its writer closes", () => {
  const directory = temporaryDirectory("view");
  const path = join(directory.path, "state.db");
  const databases = openDatabases();
  const writer = databases.open(path);
  writer.execute("CREATE TABLE entries (value INTEGER)");
  const view = databases.view(path);
  // Kept, as a prepared statement is: it must not keep what the view saw.
  const statement = view.prepare("SELECT count(*) AS count FROM entries");
  expect(statement.get()).toEqual({ count: 0 });
  writer.transaction(() => writer.prepare("INSERT INTO entries VALUES (?)").run(1));
  expect(statement.get()).toEqual({ count: 0 });
  view.close();
  view.close();
  writer.close();
  expect(statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
  directory.remove();
});

/** How often this thread has gone to sleep so far: in synchronous code only for a lock, or a disk. */
function sleeps(): number {
  return Number(
    /^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync("/proc/thread-self/status", "utf8"))?.[1],
  );
}

test.skipIf(process.platform !== "linux")(
  "a view waits for nothing when it closes, not for a transaction of its writer either",
  () => {
    const directory = temporaryDirectory("view");
    const path = join(directory.path, "state.db");
    const databases = openDatabases();
    const writer = databases.open(path);
    writer.execute("CREATE TABLE entries (value INTEGER)");
    const view = databases.view(path);
    const held = writer.begin();
    writer.prepare("INSERT INTO entries VALUES (?)").run(1);
    const before = sleeps();
    view.close();
    // One that waits for the writer looks again some ten times a second, for seconds.
    expect(sleeps() - before).toBeLessThan(10);
    held.commit();
    writer.close();
    directory.remove();
  },
);
