/** The schema of the store, oldest first. A migration that was released never changes: a new one is added. */
import nodeStore from "./migrations/0001-node-store.sql" with { type: "text" };
import keptAgents from "./migrations/0002-kept-agents.sql" with { type: "text" };
import queuedWrites from "./migrations/0003-queued-writes.sql" with { type: "text" };
import type { Migration } from "./migrator.ts";

export const storeMigrations: readonly Migration[] = [
  { name: "0001-node-store", sql: nodeStore },
  { name: "0002-kept-agents", sql: keptAgents },
  { name: "0003-queued-writes", sql: queuedWrites },
];
