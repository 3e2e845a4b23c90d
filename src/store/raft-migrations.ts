/** The schema of the Raft log, oldest first. A migration that was released never changes: a new one is added. */
import raftLog from "./raft-migrations/0001-raft-log.sql" with { type: "text" };
import checkedBoots from "./raft-migrations/0002-checked-boots.sql" with { type: "text" };
import type { Migration } from "./migrator.ts";

export const raftMigrations: readonly Migration[] = [
  { name: "0001-raft-log", sql: raftLog },
  { name: "0002-checked-boots", sql: checkedBoots },
];
