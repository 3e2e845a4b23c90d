/** Sessions of clients beside their table: what is kept of them, and for how long. */
import { afterEach, expect, it } from "vitest";
import { sessionIdle_ms, sessionIdleUnderPressure_ms, sessions_max } from "../../../src/control/limits.ts";
import { createTable, Section } from "../../../src/control/section.ts";
import { sessionSection, Sessions } from "../../../src/control/sessions.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

function opened(): { readonly section: Section; readonly sessions: Sessions } {
  const databases = memoryDatabases();
  undo.push(() => databases.dispose());
  const database = databases.open("sessions.db");
  database.execute(createTable(sessionSection));
  const section = new Section(database, sessionSection);
  return { section, sessions: new Sessions(section) };
}

it("that was opened is kept, though nobody has used it yet", () => {
  const { section, sessions } = opened();
  sessions.open(7, 100);
  sessions.flush();
  const again = new Sessions(section);
  again.load();
  expect(again.get(7)).toEqual({ id: 7, used_ms: 100, floor: 0, outcomes: new Map() });
});

it("that the table does not have is forgotten when it is read anew, and is not written into it", () => {
  const { section, sessions } = opened();
  sessions.open(1, 100);
  sessions.flush();
  sessions.open(2, 100);
  sessions.load();
  expect([sessions.get(1)?.id, sessions.get(2), sessions.size]).toEqual([1, undefined, 1]);
  sessions.flush();
  expect(section.rows).toBe(1);
});

it("is gone when it was idle for longer than ten minutes, and its row with it", () => {
  const { section, sessions } = opened();
  sessions.open(1, 100);
  sessions.flush();
  sessions.sweep(100 + sessionIdle_ms);
  expect(sessions.size).toBe(1);
  sessions.sweep(101 + sessionIdle_ms);
  sessions.flush();
  expect([sessions.size, section.rows]).toEqual([0, 0]);
});

it("makes room sooner where all places are taken", () => {
  const { sessions } = opened();
  for (let id = 0; id < sessions_max; id++) sessions.open(id, id === 0 ? 0 : 1);
  expect(sessions.open(sessions_max, sessionIdleUnderPressure_ms)).toBe(false);
  expect(sessions.open(sessions_max, sessionIdleUnderPressure_ms + 1)).toBe(true);
  expect([sessions.size, sessions.get(0)]).toEqual([sessions_max, undefined]);
});

it("keeps what its client has not said to have, in the order in which it was done", () => {
  const { section, sessions } = opened();
  sessions.open(1, 0);
  const session = sessions.get(1);
  if (session === undefined) throw new Error("the session was not opened");
  for (const sequence of [3, 1, 2, 4])
    sessions.record(session, sequence, Uint8Array.of(sequence), 0, sequence);
  sessions.record(session, 5, Uint8Array.of(5), 3, 9);
  sessions.flush();
  const again = new Sessions(section);
  again.load();
  expect([...(again.get(1)?.outcomes ?? [])]).toEqual([3, 4, 5].map((each) => [each, Uint8Array.of(each)]));
  expect(again.get(1)).toMatchObject({ floor: 3, used_ms: 9 });
});
