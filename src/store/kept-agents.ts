/**
 * Journals that are here and are nobody's to go on with: those that ended because another node owns the agent, kept
 * for inspection, and those that another node handed over, until the assignment that says so arrives.
 */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote, type AgentName, type NodeId } from "../base/ids.ts";
import type { Database } from "../ports/database.ts";
import { type AgentJournal, decodeAgentJournal } from "../wire/agent-journal.ts";
import { senderOf } from "../wire/message.ts";
import { bytesOf, idBytes, removeAgent, saveAgent } from "./agent-tables.ts";
import { takeFromOutbox } from "./outbox-table.ts";
import { handledRow_ids, keptJournals_max } from "./limits.ts";
import type { KeptJournal, StoredAgent } from "./store.ts";

const tables = ["inbox", "agent_state", "timers", "handled", "saved_states"] as const;

export interface Aside {
  readonly name: AgentName;
  readonly owner: NodeId;
  readonly owner_epoch: number;
  readonly at_ms: number;
}

/**
 * Inside a transaction, with the whole journal applied. Gives what the agent had sent and nobody had taken: an owner
 * that is none any more says nothing, so it is no message any more.
 */
export function putAside(
  database: Database,
  { name, owner, owner_epoch, at_ms }: Aside,
): readonly Uint8Array[] {
  const row = database.prepare("SELECT spec FROM agents WHERE name = ?").get(name);
  if (row === undefined) return [];
  const spec = String(row["spec"]);
  const epoch = epochOf(name, spec);
  const id = `${name}~${epoch}`;
  removeKept(database, id);
  for (const table of tables) database.prepare(`UPDATE ${table} SET agent = ? WHERE agent = ?`).run(id, name);
  database
    .prepare(
      "INSERT INTO kept_agents (id, name, epoch, spec, owner, owner_epoch, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .run(id, name, epoch, spec, owner, owner_epoch, at_ms);
  database.prepare("DELETE FROM agents WHERE name = ?").run(name);
  const beyond = database
    .prepare("SELECT id FROM kept_agents ORDER BY at_ms DESC, id LIMIT -1 OFFSET ?")
    .all(keptJournals_max);
  for (const { id: oldest } of beyond) removeKept(database, String(oldest));
  return takeFromOutbox(database, (message) => senderOf(message) === name);
}

function removeKept(database: Database, id: string): void {
  for (const table of tables) database.prepare(`DELETE FROM ${table} WHERE agent = ?`).run(id);
  database.prepare("DELETE FROM kept_agents WHERE id = ?").run(id);
}

export function listKept(database: Database, name: AgentName): readonly KeptJournal[] {
  return database
    .prepare(
      `SELECT epoch, owner, owner_epoch, at_ms,
         (SELECT count(*) FROM inbox WHERE agent = id) AS inbox,
         (SELECT count(*) FROM agent_state WHERE agent = id) AS keys
       FROM kept_agents WHERE name = ? ORDER BY epoch DESC`,
    )
    .all(name)
    .map((row) => ({
      name,
      epoch: Number(row["epoch"]),
      owner: String(row["owner"]) as NodeId,
      owner_epoch: Number(row["owner_epoch"]),
      at_ms: Number(row["at_ms"]),
      inbox: Number(row["inbox"]),
      keys: Number(row["keys"]),
    }));
}

export function putIncoming(
  database: Database,
  incoming: {
    readonly name: AgentName;
    readonly transfer: number;
    readonly journal: Uint8Array;
    readonly at_ms: number;
  },
): void {
  const { name, transfer, journal, at_ms } = incoming;
  decoded(name, journal);
  database.transaction(() =>
    database
      .prepare("INSERT OR REPLACE INTO incoming_agents (name, transfer, at_ms, journal) VALUES (?, ?, ?, ?)")
      .run(name, transfer, at_ms, journal),
  );
}

/** Inside a transaction. */
export function takeIncoming(database: Database, agent: StoredAgent, transfer: number): boolean {
  const { name } = agent.spec;
  const row = database
    .prepare("SELECT journal FROM incoming_agents WHERE name = ? AND transfer = ?")
    .get(name, transfer);
  if (row === undefined) return false;
  const journal = decoded(name, bytesOf(row["journal"]));
  removeAgent(database, name);
  write(database, name, journal);
  saveAgent(database, agent);
  database.prepare("DELETE FROM incoming_agents WHERE name = ?").run(name);
  return true;
}

function write(database: Database, name: AgentName, journal: AgentJournal): void {
  const { inbox, state, timers, handled, saved } = journal;
  const enqueue = database.prepare("INSERT INTO inbox (agent, message_id, message) VALUES (?, ?, ?)");
  for (const message of inbox) enqueue.run(name, message.slice(8, 24), message);
  const put = database.prepare("INSERT INTO agent_state (agent, key, value) VALUES (?, ?, ?)");
  for (const [key, value] of state) put.run(name, key, value);
  const arm = database.prepare("INSERT INTO timers (agent, id, due_ms) VALUES (?, ?, ?)");
  for (const { id, due_ms } of timers) arm.run(name, id, due_ms);
  const remember = database.prepare("INSERT INTO handled (agent, first, ids) VALUES (?, ?, ?)");
  for (let first = 0; first < handled.length; first += handledRow_ids) {
    const ids = handled.slice(first, first + handledRow_ids);
    const row = new Uint8Array(ids.length * 16);
    for (const [index, id] of ids.entries()) row.set(idBytes(id), index * 16);
    remember.run(name, first, row);
  }
  if (saved === undefined) return;
  database.prepare("INSERT INTO saved_states (agent, state) VALUES (?, ?)").run(name, saved);
}

function decoded(name: AgentName, bytes: Uint8Array): AgentJournal {
  try {
    return decodeAgentJournal(bytes);
  } catch (thrown) {
    throw new CaxtonError(
      "data_corrupt",
      `What was handed over of agent ${quote(name)}: ${reasonOf(thrown)}`,
      {
        cause: thrown,
      },
    );
  }
}

function epochOf(name: AgentName, spec: string): number {
  const parsed = JSON.parse(spec) as { readonly epoch?: unknown };
  if (typeof parsed.epoch === "number" && Number.isSafeInteger(parsed.epoch)) return parsed.epoch;
  throw new CaxtonError("data_corrupt", `The stored specification of agent ${quote(name)} has no epoch`);
}
