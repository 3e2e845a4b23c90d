/**
 * Flips one bit after the other in the files of a store and of a control state, opens each as a node does and uses
 * all of it, and opens it again past the look through the whole file, which large ones do not get. Prints what it
 * found of each. A process of its own: what this is about would end it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CaxtonError } from "../../src/base/errors.ts";
import type { AgentName, NodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { openControlState } from "../../src/control/control-state.ts";
import { openDatabases } from "../../src/platform/node/database.ts";
import type { Database } from "../../src/ports/database.ts";
import { listAgents } from "../../src/store/agent-tables.ts";
import { listConversations } from "../../src/store/conversation-tables.ts";
import { openEngine } from "../../src/store/engine.ts";
import { listKept } from "../../src/store/kept-agents.ts";
import { listQueuedWrites, putQueuedWrite } from "../../src/store/queued-writes-table.ts";
import { testSpec } from "./agent-specs.ts";
import { journalBatch } from "./journal-batch.ts";
import { putCommand } from "./kv-commands.ts";
import { numberAgent, numberedBatch } from "./numbered-batches.ts";
import { everyPage, pictureOfTables } from "./store-picture.ts";
import { testAgents } from "./store-records.ts";

const [folder, seedText, roundsText] = process.argv.slice(2) as [string, string, string];
const databases = openDatabases();
const [prng, seed, rounds] = [new Prng(Number(seedText)), Number(seedText), Number(roundsText)];
const names = [numberAgent, ...testAgents];

function makeStore(path: string): void {
  const engine = openEngine(databases, path);
  for (const name of testAgents) engine.saveAgent({ spec: testSpec(name), suspended: false });
  for (let number = 1; number <= 60; number++) engine.append([journalBatch(numberedBatch(seed, number))]);
  while (engine.applySlice());
  engine.putAside({ name: "carol" as AgentName, owner: "far" as NodeId, owner_epoch: 2, at_ms: 1 });
  const write = { principal: "me", idempotencyKey: "key", subject: "/api/v1/kv/x", at_ms: 1, head: "{}" };
  putQueuedWrite(engine.database, { ...write, id: "one", body: new Uint8Array(9) }, 10);
  engine.close();
}

function useStore(path: string): void {
  const engine = openEngine(databases, path);
  try {
    const { database } = engine;
    listAgents(database);
    listKept(database, "carol" as AgentName);
    pictureOfTables(engine, names);
    everyPage((cursor) => listConversations(database, 100, cursor));
    listQueuedWrites(database, { limit: 100, cursor: null, since_ms: 0, after: 0 });
    engine.append([journalBatch(numberedBatch(seed, 61))]);
    while (engine.applySlice());
    engine.removeAgent("alice" as AgentName, 2);
    engine.takeDeadLetters([1, 2, 3]);
    engine.takeDeadLetters("all");
  } finally {
    engine.close();
  }
}

function makeControl(path: string): void {
  const state = openControlState(databases, path);
  for (let index = 1; index <= 40; index++) useIndex(state, index);
  state.settle();
  state.close();
}

function useIndex(state: ReturnType<typeof openControlState>, index: number): void {
  const command = putCommand(`key-${index % 30}`, `value ${index}`);
  const data = state.stamp(command, { elapsed_ms: index, wall_ms: index });
  state.apply([{ index, term: 1, kind: "command", data }]);
}

function useControl(path: string): void {
  const state = openControlState(databases, path);
  try {
    for (let index = state.applied.index + 1; index <= 60; index++) useIndex(state, index);
    const snapshot = state.exportSnapshot();
    for (let chunk = 0; !snapshot.chunk(chunk).last; chunk++);
    snapshot.close();
    state.settle();
  } finally {
    state.close();
  }
}

/** What there is in it, table by table. */
function readAll(path: string): void {
  const database = databases.open(path);
  try {
    const tables = database.prepare("SELECT name, type FROM sqlite_schema").all();
    for (const { name, type } of tables) if (type === "table") readTable(database, String(name));
  } finally {
    database.close();
  }
}

function readTable(database: Database, name: string): void {
  tried(() => database.prepare(`SELECT * FROM "${name.replaceAll('"', '""')}"`).all());
}

function tried(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (thrown) {
    // Nothing else may come of damage than a refusal in words.
    if (!(thrown instanceof CaxtonError)) throw thrown;
    return false;
  }
}

/** Not where a page is empty, as most of it is. */
function somewhere(bytes: Uint8Array, random: Prng): number {
  for (;;) {
    const at = random.below(bytes.length);
    if (bytes[at] !== 0) return at;
  }
}

/** Within what looks like text, which with its highest bit is none. */
function inText(bytes: Uint8Array, random: Prng): number {
  for (;;) {
    const at = random.below(bytes.length - 4);
    if (bytes.subarray(at, at + 4).every((byte) => byte >= 0x2d && byte <= 0x7a)) return at;
  }
}

for (const [name, make, use] of [
  ["store.db", makeStore, useStore],
  ["control.db", makeControl, useControl],
] as const) {
  const path = join(folder, name);
  make(path);
  const sound = readFileSync(path);
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const damaged = Uint8Array.from(sound);
    const at = round % 2 === 0 ? somewhere(sound, prng) : inText(sound, prng);
    damaged[at] = (damaged[at] ?? 0) ^ (round % 2 === 0 ? 1 << prng.below(8) : 0x80);
    const copy = join(folder, `${round}-${name}`);
    writeFileSync(copy, damaged);
    // Read by whoever finds that this process ended at it.
    console.log(`${name} ${at}`);
    tried(() => readAll(copy));
    if (!tried(() => use(copy))) refused++;
  }
  console.log(`refused ${refused}`);
}
