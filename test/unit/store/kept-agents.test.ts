import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { type MemoryDatabases, memoryDatabases } from "../../../src/platform/memory/database.ts";
import { listAgents, measureAgent, recoverAgent } from "../../../src/store/agent-tables.ts";
import { listDeadLetters } from "../../../src/store/dead-letter-table.ts";
import { openEngine, type StoreEngine } from "../../../src/store/engine.ts";
import { listKept, putIncoming } from "../../../src/store/kept-agents.ts";
import { encodeAgentJournal } from "../../../src/wire/agent-journal.ts";
import { readOutbox } from "../../../src/store/outbox-table.ts";
import { messageIdOf, senderOf } from "../../../src/wire/message.ts";
import { testSpec } from "../../support/agent-specs.ts";
import { journalBatch } from "../../support/journal-batch.ts";
import { encodedMessage } from "../../support/messages.ts";
import { randomRecords, testAgents } from "../../support/store-records.ts";

let databases: MemoryDatabases = memoryDatabases();
const [alice, bob] = testAgents as [(typeof testAgents)[number], (typeof testAgents)[number]];
const owner = "node-2" as NodeId;

afterEach(() => {
  databases.dispose();
  databases = memoryDatabases();
});

/** Alice and the others with random pasts, everything applied. */
function lived(seed: number): StoreEngine {
  const engine = openEngine(databases, "store.db");
  engine.append([journalBatch(randomRecords(new Prng(seed), 60))]);
  while (engine.applySlice());
  engine.saveAgent({ spec: testSpec(alice, { durability: "local", epoch: 4 }), suspended: true });
  return engine;
}

describe("mail of an agent that goes on from an old copy", () => {
  test("becomes dead letters, as far as it waits for the agent; all else stays", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        databases.dispose();
        databases = memoryDatabases();
        const engine = lived(seed);
        const [before, bobs] = [recoverAgent(engine.database, alice), recoverAgent(engine.database, bob)];
        const outbox = readOutbox(engine.database, 0).messages;
        const letters = listDeadLetters(engine.database, 1_000, null).items.length;
        engine.removeDoubtful(alice, 5);
        expect(recoverAgent(engine.database, alice)).toEqual({ ...before, inbox: [] });
        expect(recoverAgent(engine.database, bob)).toEqual(bobs);
        expect(readOutbox(engine.database, 0).messages).toEqual(outbox);
        const added = listDeadLetters(engine.database, 1_000, null).items.slice(0, -letters || undefined);
        expect(added.map(({ message }) => message).toReversed()).toEqual(before.inbox);
        expect(added.every(({ reason }) => reason === "old_copy")).toBe(true);
        engine.removeDoubtful(alice, 6);
        expect(listDeadLetters(engine.database, 1_000, null).items.length).toBe(letters + added.length);
      }),
      { numRuns: 12 },
    );
  });

  test("and so does what the outbox had, whoever sent it; what came into it since stays, and is counted", () => {
    const engine = lived(4);
    const before = readOutbox(engine.database, 0).messages;
    const letters = listDeadLetters(engine.database, 1_000, null).items.length;
    const mail = [alice, bob, "~carol.1@a"].map((sender, i) => encodedMessage(1_000 + i, { sender }));
    const later = encodedMessage(2_000, { sender: alice });
    engine.append([journalBatch([...mail, later].map((message) => ({ kind: "outbox", message })))]);
    while (engine.applySlice());
    engine.removeUnsent(mail.map(messageIdOf), 7);
    expect(readOutbox(engine.database, 0).messages).toEqual([...before, later]);
    expect(engine.figures().outbox).toBe(before.length + 1);
    const added = listDeadLetters(engine.database, 1_000, null).items.slice(0, -letters || undefined);
    expect(added.map(({ message }) => message).toReversed()).toEqual(mail);
    expect(new Set(added.map(({ reason, at_ms }) => `${reason} ${at_ms}`))).toEqual(new Set(["old_copy 7"]));
    engine.removeUnsent(mail.map(messageIdOf), 8);
    expect(listDeadLetters(engine.database, 1_000, null).items.length).toBe(letters + mail.length);
  });

  test("and all of it together is measured without being read", () => {
    const engine = lived(3);
    const { inbox, state, handled, timers, saved } = recoverAgent(engine.database, alice);
    const sum = (parts: readonly Uint8Array[]): number => parts.reduce((all, part) => all + part.length, 0);
    const expected =
      sum([...inbox, ...state.flat()]) + 16 * handled.length + 12 * timers.length + (saved?.length ?? 0);
    expect(expected).toBeGreaterThan(0);
    expect(measureAgent(engine.database, alice)).toBe(expected);
    expect(measureAgent(engine.database, "nobody" as typeof alice)).toBe(0);
  });
});

describe("a journal that is put aside", () => {
  test("is listed and never recovered, and the others' stay", () => {
    const engine = lived(1);
    const [before, bobs] = [recoverAgent(engine.database, alice), recoverAgent(engine.database, bob)];
    engine.putAside({ name: alice, owner, owner_epoch: 9, at_ms: 5 });
    expect(listAgents(engine.database)).toEqual([]);
    expect(listKept(engine.database, alice)).toEqual([
      {
        name: alice,
        epoch: 4,
        owner,
        owner_epoch: 9,
        at_ms: 5,
        inbox: before.inbox.length,
        keys: before.state.length,
      },
    ]);
    const empty = { inbox: [], state: [], timers: [], handled: [], saved: undefined };
    expect(recoverAgent(engine.database, alice)).toEqual(empty);
    expect(recoverAgent(engine.database, bob)).toEqual(bobs);
    expect(listDeadLetters(engine.database, 100, null).items.map(({ reason }) => reason)).not.toContain(
      "agent_removed",
    );
  });

  test("stays beside what the agent has later here, and is there after the next one, too", () => {
    const engine = lived(2);
    engine.putAside({ name: alice, owner, owner_epoch: 9, at_ms: 5 });
    engine.saveAgent({ spec: testSpec(alice, { durability: "local", epoch: 12 }), suspended: false });
    engine.putAside({ name: alice, owner, owner_epoch: 15, at_ms: 8 });
    expect(listKept(engine.database, alice).map(({ epoch }) => epoch)).toEqual([12, 4]);
  });

  test("what it had sent and nobody had taken is sent no more, and is told of", () => {
    const engine = lived(4);
    const ids = { [alice]: 1, [bob]: 2 };
    for (const [sender, id] of Object.entries(ids)) {
      engine.append([journalBatch([{ kind: "outbox", message: encodedMessage(1_000 + id, { sender }) }])]);
    }
    while (engine.applySlice());
    const before = readOutbox(engine.database, 0).messages.length;
    engine.putAside({ name: alice, owner, owner_epoch: 9, at_ms: 5 });
    const left = readOutbox(engine.database, 0).messages.map((message) => senderOf(message));
    expect(left).toContain(bob);
    expect(left).not.toContain(alice);
    const fenced = listDeadLetters(engine.database, 100, null).items.filter(
      ({ reason }) => reason === "fenced",
    );
    expect(fenced.length).toBeGreaterThan(0);
    expect(left.length + fenced.length).toBe(before);
    expect(engine.figures().outbox).toBe(left.length);
  });

  test("nothing happens for an agent that is not here", () => {
    const engine = lived(3);
    engine.putAside({ name: bob, owner, owner_epoch: 9, at_ms: 5 });
    expect(listKept(engine.database, bob)).toEqual([]);
  });
});

describe("a journal that was handed over", () => {
  test("is the agent's, to the last message, timer and handled id, and is taken once", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        databases.dispose();
        const engine = lived(seed);
        const journal = recoverAgent(engine.database, alice);
        const spec = testSpec(bob, { durability: "local", epoch: 7 });
        const incoming = { name: bob, journal: encodeAgentJournal(journal), at_ms: 1 };
        putIncoming(engine.database, { ...incoming, transfer: 77 });
        expect(engine.takeIncoming({ spec, suspended: false }, 78)).toBe(false);
        expect(engine.takeIncoming({ spec, suspended: false }, 77)).toBe(true);
        expect(recoverAgent(engine.database, bob)).toEqual(journal);
        expect(listAgents(engine.database).map((agent) => agent.spec.epoch)).toContain(7);
        expect(engine.takeIncoming({ spec, suspended: false }, 77)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  test("takes the place of an earlier one; bytes that are none are refused and change nothing", () => {
    const engine = lived(5);
    const journal = encodeAgentJournal(recoverAgent(engine.database, alice));
    putIncoming(engine.database, { name: bob, transfer: 1, journal, at_ms: 1 });
    const broken = { name: bob, transfer: 2, journal: journal.subarray(0, journal.length - 1), at_ms: 1 };
    expect(() => putIncoming(engine.database, broken)).toThrow("handed over");
    putIncoming(engine.database, { name: bob, transfer: 3, journal, at_ms: 1 });
    const agent = { spec: testSpec(bob, { durability: "local" }), suspended: false };
    expect([1, 2, 3].map((transfer) => engine.takeIncoming(agent, transfer))).toEqual([false, false, true]);
  });

  test("what moved away leaves no dead letters behind", () => {
    const engine = lived(6);
    const letters = listDeadLetters(engine.database, 100, null).items.length;
    engine.removeMoved(alice);
    expect(listAgents(engine.database)).toEqual([]);
    expect(recoverAgent(engine.database, alice).inbox).toEqual([]);
    expect(listDeadLetters(engine.database, 100, null).items).toHaveLength(letters);
  });
});
