/** Agents and what is theirs: specification, inbox, state, timers, handled ids, saved state. */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { AgentName, MessageId } from "../base/ids.ts";
import { quote } from "../base/ids.ts";
import type { Database, SqlValue } from "../ports/database.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import { readUuid, writeUuid } from "../wire/message.ts";
import type { AgentEffects } from "./journal-effects.ts";
import { handledLimit, handledRow_ids } from "./limits.ts";
import type { RecoveredAgent, StoredAgent } from "./store.ts";

const id_bytes = 16;
/** Rows of an inbox that are looked at as a whole. */
const waitingLook = 32;

export function saveAgent(database: Database, agent: StoredAgent): void {
  database
    .prepare(
      `INSERT INTO agents (name, spec, suspended) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, suspended = excluded.suspended`,
    )
    .run(agent.spec.name, JSON.stringify(agent.spec), agent.suspended ? 1 : 0);
}

export function listAgents(database: Database): readonly StoredAgent[] {
  return database
    .prepare("SELECT name, spec, suspended FROM agents ORDER BY name")
    .all()
    .map((row) => ({
      spec: parseSpec(String(row["name"]), String(row["spec"])),
      suspended: row["suspended"] === 1,
    }));
}

/** Removes everything of the agent and returns its unhandled mail, oldest first. */
export function removeAgent(database: Database, name: AgentName): readonly Uint8Array[] {
  const mail = readInbox(database, name);
  for (const table of ["inbox", "agent_state", "timers", "handled", "saved_states"] as const) {
    database.prepare(`DELETE FROM ${table} WHERE agent = ?`).run(name);
  }
  database.prepare("DELETE FROM agents WHERE name = ?").run(name);
  return mail;
}

/** Inside a transaction: what waits for the agent goes, oldest first. */
export function takeInbox(database: Database, name: AgentName): readonly Uint8Array[] {
  const mail = readInbox(database, name);
  database.prepare("DELETE FROM inbox WHERE agent = ?").run(name);
  return mail;
}

/** Bytes of what the agent has, without what stands around it; counted by the database, and not read. */
export function measureAgent(database: Database, name: AgentName): number {
  const sums = [
    "SELECT coalesce(sum(length(message)), 0) AS bytes FROM inbox WHERE agent = ?",
    "SELECT coalesce(sum(length(key) + length(value)), 0) AS bytes FROM agent_state WHERE agent = ?",
    "SELECT coalesce(sum(length(ids)), 0) AS bytes FROM handled WHERE agent = ?",
    "SELECT coalesce(sum(length(state)), 0) AS bytes FROM saved_states WHERE agent = ?",
    "SELECT 12 * count(*) AS bytes FROM timers WHERE agent = ?",
  ];
  return sums.reduce((sum, sql) => sum + Number(database.prepare(sql).get(name)?.["bytes"]), 0);
}

export function recoverAgent(database: Database, name: AgentName): RecoveredAgent {
  const state = database.prepare("SELECT key, value FROM agent_state WHERE agent = ? ORDER BY key").all(name);
  const timers = database
    .prepare("SELECT id, due_ms FROM timers WHERE agent = ? ORDER BY due_ms, id")
    .all(name);
  const saved = database.prepare("SELECT state FROM saved_states WHERE agent = ?").get(name);
  return {
    inbox: readInbox(database, name),
    state: state.map((row) => [bytesOf(row["key"]), bytesOf(row["value"])] as const),
    timers: timers.map((row) => ({ id: Number(row["id"]), due_ms: Number(row["due_ms"]) })),
    handled: readHandled(database, name),
    saved: saved === undefined ? undefined : bytesOf(saved["state"]),
  };
}

/** Inside the transaction of a slice. */
export function applyToAgent(database: Database, name: AgentName, effects: AgentEffects): void {
  dequeue(database, name, effects.inbox.removed);
  const enqueue = database.prepare(
    "INSERT INTO inbox (agent, message_id, message) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  );
  for (const [id, message] of effects.inbox.added) enqueue.run(name, idBytes(id), message);
  const erase = database.prepare("DELETE FROM agent_state WHERE agent = ? AND key = ?");
  const write = database.prepare(
    `INSERT INTO agent_state (agent, key, value) VALUES (?, ?, ?)
     ON CONFLICT (agent, key) DO UPDATE SET value = excluded.value`,
  );
  for (const { key, value } of effects.state.values()) {
    if (value === null) erase.run(name, key);
    else write.run(name, key, value);
  }
  const cancel = database.prepare("DELETE FROM timers WHERE agent = ? AND id = ?");
  const arm = database.prepare(
    `INSERT INTO timers (agent, id, due_ms) VALUES (?, ?, ?)
     ON CONFLICT (agent, id) DO UPDATE SET due_ms = excluded.due_ms`,
  );
  for (const [id, due_ms] of effects.timers) {
    if (due_ms === null) cancel.run(name, id);
    else arm.run(name, id, due_ms);
  }
  addHandled(database, name, effects.handled);
  if (effects.saved !== undefined) {
    database
      .prepare(
        "INSERT INTO saved_states (agent, state) VALUES (?, ?) ON CONFLICT (agent) DO UPDATE SET state = excluded.state",
      )
      .run(name, effects.saved);
  }
}

/** Most of what many records remove came with them and is in no row: a look at the few that wait tells which. */
function dequeue(database: Database, name: AgentName, removed: ReadonlySet<MessageId>): void {
  const remove = database.prepare("DELETE FROM inbox WHERE agent = ? AND message_id = ?");
  if (removed.size > 2) {
    const waiting = database
      .prepare(`SELECT message_id FROM inbox WHERE agent = ? LIMIT ${waitingLook + 1}`)
      .all(name);
    if (waiting.length <= waitingLook) {
      for (const row of waiting) {
        const id = bytesOf(row["message_id"]);
        if (removed.has(readUuid(id, 0) as MessageId)) remove.run(name, id);
      }
      return;
    }
  }
  for (const id of removed) remove.run(name, idBytes(id));
}

/** Fills the last row up before it begins another, then drops rows that lie wholly before the newest `handledLimit`. */
function addHandled(database: Database, name: AgentName, ids: readonly MessageId[]): void {
  if (ids.length === 0) return;
  const last = database
    .prepare("SELECT first, ids FROM handled WHERE agent = ? ORDER BY first DESC LIMIT 1")
    .get(name);
  const begun = Number(last?.["first"] ?? 0);
  let first = begun;
  let row: Uint8Array = last === undefined ? new Uint8Array(0) : bytesOf(last["ids"]);
  const put = database.prepare(
    "INSERT INTO handled (agent, first, ids) VALUES (?, ?, ?) ON CONFLICT (agent, first) DO UPDATE SET ids = excluded.ids",
  );
  for (let done = 0; done < ids.length;) {
    const kept = row.length / id_bytes;
    if (kept >= handledRow_ids) {
      first += kept;
      row = new Uint8Array(0);
      continue;
    }
    const added = ids.slice(done, done + handledRow_ids - kept);
    const whole = new Uint8Array(row.length + added.length * id_bytes);
    whole.set(row);
    for (const [index, id] of added.entries()) writeUuid(whole, row.length + index * id_bytes, id);
    put.run(name, first, whole);
    row = whole;
    done += added.length;
  }
  if (first === begun) return;
  const total = first + row.length / id_bytes;
  database
    .prepare(`DELETE FROM handled WHERE agent = ? AND first + length(ids) / ${id_bytes} <= ?`)
    .run(name, total - handledLimit);
}

function readHandled(database: Database, name: AgentName): readonly MessageId[] {
  const ids: MessageId[] = [];
  for (const row of database.prepare("SELECT ids FROM handled WHERE agent = ? ORDER BY first").all(name)) {
    const bytes = bytesOf(row["ids"]);
    for (let at = 0; at < bytes.length; at += id_bytes) ids.push(readUuid(bytes, at) as MessageId);
  }
  return ids.slice(-handledLimit);
}

function readInbox(database: Database, name: AgentName): readonly Uint8Array[] {
  const rows = database.prepare("SELECT message FROM inbox WHERE agent = ? ORDER BY sequence").all(name);
  return rows.map((row) => bytesOf(row["message"]));
}

/** The 16 bytes of an id. */
export function idBytes(id: MessageId): Uint8Array {
  const bytes = new Uint8Array(id_bytes);
  writeUuid(bytes, 0, id);
  return bytes;
}

/** A column that the schema says is a BLOB. */
export function bytesOf(value: SqlValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new CaxtonError("data_corrupt", "A column of bytes in the store holds something else");
}

/** What came later than the first version of specifications. */
const laterFields = { onNodeLoss: "restart", partition: "park" } as const;
type StoredSpec = Omit<AgentSpec, keyof typeof laterFields> & Partial<AgentSpec>;

function parseSpec(name: string, text: string): AgentSpec {
  try {
    const spec: unknown = JSON.parse(text);
    if (typeof spec === "object" && spec !== null && "name" in spec && spec.name === name)
      return { ...laterFields, ...(spec as StoredSpec) };
  } catch (thrown) {
    throw new CaxtonError("data_corrupt", `Stored agent ${quote(name)} cannot be read: ${reasonOf(thrown)}`);
  }
  throw new CaxtonError("data_corrupt", `Stored agent ${quote(name)} is not a specification of it`);
}
