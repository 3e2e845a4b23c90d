/** The same picture as `StoreModel.picture`, taken from a real store: through its engine, or through its interface. */
import type { AgentName } from "../../src/base/ids.ts";
import { recoverAgent } from "../../src/store/agent-tables.ts";
import { listMessages } from "../../src/store/conversation-tables.ts";
import { listDeadLetters } from "../../src/store/dead-letter-table.ts";
import type { StoreEngine } from "../../src/store/engine.ts";
import { readOutbox } from "../../src/store/outbox-table.ts";
import type { Page, RecoveredAgent } from "../../src/store/store.ts";
import { hex, type StorePicture } from "./store-model.ts";

/** What the tables say now, whether the journal is applied or not. */
export function pictureOfTables(engine: StoreEngine, names: readonly AgentName[]): StorePicture {
  const { database } = engine;
  return {
    agents: Object.fromEntries(names.map((name) => [name, pictureOfAgent(recoverAgent(database, name))])),
    outbox: readOutbox(database, 0).messages.map(hex),
    dead: everyPage((cursor) => listDeadLetters(database, 100, cursor))
      .map((letter) => hex(letter.message))
      .reverse(),
    conversation: everyPage((cursor) => listMessages(database, null, 100, cursor))
      .map(hex)
      .reverse(),
  };
}

/** All items of a listing, page by page. */
export function everyPage<T>(list: (cursor: string | null) => Page<T>): T[] {
  const items: T[] = [];
  for (let cursor: string | null = null; ;) {
    const page: Page<T> = list(cursor);
    items.push(...page.items);
    if (page.next === null) return items;
    cursor = page.next;
  }
}

export function pictureOfAgent(agent: RecoveredAgent) {
  return {
    inbox: agent.inbox.map(hex),
    state: agent.state.map(([key, value]) => [hex(key), hex(value)]),
    timers: Object.fromEntries(agent.timers.map(({ id, due_ms }) => [id, due_ms])),
    handled: agent.handled,
    saved: agent.saved === undefined ? undefined : hex(agent.saved),
  };
}
