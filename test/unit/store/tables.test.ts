import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { type MemoryDatabases, memoryDatabases } from "../../../src/platform/memory/database.ts";
import { listAgents } from "../../../src/store/agent-tables.ts";
import {
  addConversationMessages,
  listConversations,
  listMessages,
} from "../../../src/store/conversation-tables.ts";
import { addDeadLetters, listDeadLetters } from "../../../src/store/dead-letter-table.ts";
import { openEngine, type StoreEngine } from "../../../src/store/engine.ts";
import { deadLetterRetention, metaValueLimit_bytes, participantsLimit } from "../../../src/store/limits.ts";
import { getMeta, putMeta } from "../../../src/store/meta-table.ts";
import { getModule, listModules, putModule, removeModule } from "../../../src/store/module-table.ts";
import type { StoredAgent } from "../../../src/store/store.ts";
import { messageIdOf } from "../../../src/wire/message.ts";
import { encodedMessage, testMessageId } from "../../support/messages.ts";
import { everyPage } from "../../support/store-picture.ts";

let databases: MemoryDatabases = memoryDatabases();
let engine: StoreEngine = openEngine(databases, "store.db");

afterEach(() => {
  databases.dispose();
  databases = memoryDatabases();
  engine = openEngine(databases, "store.db");
});

function letter(n: number) {
  return { reason: "expired", detail: `letter ${n}`, at_ms: n, message: encodedMessage(n) };
}

function addLetters(count: number, retention = deadLetterRetention): void {
  const letters = Array.from({ length: count }, (_, n) => letter(n));
  engine.database.transaction(() => addDeadLetters(engine.database, letters, retention));
}

describe("dead letters", () => {
  test("pages give all of them once, newest first, while others come and go", () => {
    addLetters(10);
    const first = listDeadLetters(engine.database, 4, null);
    addLetters(3);
    engine.takeDeadLetters([2, 5]);
    const rest = everyPage((cursor) => listDeadLetters(engine.database, 2, cursor ?? first.next));
    expect([...first.items, ...rest].map(({ id }) => id)).toEqual([10, 9, 8, 7, 6, 4, 3, 1]);
  });

  test("the oldest beyond the limits are dropped and counted", () => {
    addLetters(10, { count: 6, bytes: 1e6 });
    expect(listDeadLetters(engine.database, 100, null).items.map(({ id }) => id)).toEqual([
      10, 9, 8, 7, 6, 5,
    ]);
    expect(engine.figures()).toMatchObject({ deadLetters: 6, deadLettersDropped: 4 });
    const size = encodedMessage(1).length;
    addLetters(1, { count: 6, bytes: 2 * size });
    expect(listDeadLetters(engine.database, 100, null).items.map(({ id }) => id)).toEqual([11, 10]);
    addLetters(1, { count: 6, bytes: 1 });
    expect(listDeadLetters(engine.database, 100, null).items.map(({ id }) => id)).toEqual([12]);
    expect(engine.figures()).toMatchObject({ deadLetters: 1, deadLettersDropped: 11 });
  });

  test("taking removes what it returns, and ids are never given twice", () => {
    addLetters(4);
    expect(engine.takeDeadLetters([3, 3, 99, 1]).map(({ id, detail }) => [id, detail])).toEqual([
      [1, "letter 0"],
      [3, "letter 2"],
    ]);
    expect(engine.takeDeadLetters("all").map(({ id }) => id)).toEqual([2, 4]);
    expect(engine.takeDeadLetters("all")).toEqual([]);
    expect(engine.figures()).toMatchObject({ deadLetters: 0 });
    addLetters(1);
    expect(listDeadLetters(engine.database, 1, null).items.map(({ id }) => id)).toEqual([5]);
  });

  test.each([
    "",
    "x",
    "!!!",
    btoa("messages:3"),
    btoa("dead-letters:-1"),
    btoa("dead-letters:3;DROP"),
    "A".repeat(500),
  ])("refuses the cursor %j", (cursor) => {
    expect(() => listDeadLetters(engine.database, 1, cursor)).toThrow(/is not one of this listing/);
  });

  test.each([0, -1, 1.5, Number.NaN])("refuses the limit %d", (limit) => {
    expect(() => listDeadLetters(engine.database, limit, null)).toThrow(/not a whole number/);
  });
});

describe("conversations", () => {
  function record(messages: readonly Uint8Array[], retention?: { count: number; bytes: number }): void {
    engine.database.transaction(() => addConversationMessages(engine.database, messages, retention));
  }

  function message(n: number, conversationId: string, sender = "alice", protocol = ""): Uint8Array {
    return encodedMessage(n, { conversationId, sender, protocol, createdAt_ms: 1_000 + n });
  }

  test("a summary says who takes part, the protocol, how many and from when to when", () => {
    record([
      message(5, "a"),
      message(3, "a", "carol", "fipa-query"),
      message(9, "a", "dave", "fipa-request"),
      message(4, "b"),
    ]);
    record([message(9, "a")]);
    expect(listConversations(engine.database, 10, null)).toEqual({
      items: [
        {
          id: "b",
          messages: 1,
          participants: ["alice", "bob"],
          protocol: "",
          firstAt_ms: 1_004,
          lastAt_ms: 1_004,
        },
        {
          id: "a",
          messages: 3,
          participants: ["alice", "bob", "carol", "dave"],
          protocol: "fipa-query",
          firstAt_ms: 1_005,
          lastAt_ms: 1_009,
        },
      ],
      next: null,
    });
  });

  test("messages of one are in order, of all newest first; a message without one is only among all", () => {
    record([message(1, "a"), message(2, "b"), message(3, ""), message(4, "a")]);
    const ids = (conversation: string | null) =>
      everyPage((cursor) => listMessages(engine.database, conversation, 1, cursor)).map(messageIdOf);
    expect(ids("a")).toEqual([testMessageId(1), testMessageId(4)]);
    expect(ids("none")).toEqual([]);
    expect(ids("not a\0token")).toEqual([]);
    expect(ids(null)).toEqual([4, 3, 2, 1].map(testMessageId));
  });

  test("the oldest messages go first, and a conversation with its last message", () => {
    record([1, 2, 3, 4, 5, 6].map((n) => message(n, n < 3 ? "old" : "new")));
    record([message(7, "new")], { count: 3, bytes: 1e6 });
    expect(listMessages(engine.database, null, 10, null).items.map(messageIdOf)).toEqual(
      [7, 6, 5].map(testMessageId),
    );
    expect(listConversations(engine.database, 10, null).items).toMatchObject([{ id: "new", messages: 3 }]);
    record([message(8, "old")], { count: 100, bytes: message(8, "old").length });
    expect(listConversations(engine.database, 10, null).items).toMatchObject([
      { id: "old", messages: 1, firstAt_ms: 1_008 },
    ]);
  });

  test("the names shown of one conversation are bounded", () => {
    record(Array.from({ length: participantsLimit + 20 }, (_, n) => message(n, "a", `sender-${n}`)));
    expect(listConversations(engine.database, 1, null).items[0]?.participants).toHaveLength(
      participantsLimit,
    );
  });

  test("any pages of any listing are the whole listing", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 9 }), (seed, limit) => {
        const prng = new Prng(seed);
        record(Array.from({ length: 30 }, () => message(prng.below(1e9), `c-${prng.below(6)}`)));
        const { database } = engine;
        expect(everyPage((cursor) => listConversations(database, limit, cursor))).toEqual(
          listConversations(database, 1_000, null).items,
        );
        expect(everyPage((cursor) => listMessages(database, "c-1", limit, cursor))).toEqual(
          listMessages(database, "c-1", 1_000, null).items,
        );
        expect(everyPage((cursor) => listMessages(database, null, limit, cursor)).length).toBe(
          Number(database.prepare("SELECT count(*) AS n FROM conversation_messages").get()?.["n"]),
        );
      }),
      { numRuns: 10 },
    );
  });
});

describe("modules", () => {
  const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
  const hash = createHash("sha256").update(bytes).digest("hex") as ModuleHash;

  test("are stored once, listed and removed", () => {
    expect(getModule(engine.database, hash)).toBeUndefined();
    putModule(engine.database, hash, bytes);
    putModule(engine.database, hash, bytes);
    expect(getModule(engine.database, hash)).toEqual(bytes);
    expect(listModules(engine.database)).toEqual([{ hash, size_bytes: 8 }]);
    removeModule(engine.database, hash);
    expect(listModules(engine.database)).toEqual([]);
  });

  test("are refused under another hash", () => {
    expect(() => putModule(engine.database, "0".repeat(64) as ModuleHash, bytes)).toThrow(
      /does not match its bytes/,
    );
    expect(listModules(engine.database)).toEqual([]);
  });

  test("a damaged one is reported, never given, and mended by the next that brings it", () => {
    putModule(engine.database, hash, bytes);
    engine.database.execute("UPDATE modules SET bytes = x'0061736d01000001'");
    expect(() => getModule(engine.database, hash)).toThrow(/is damaged in the store: deploy it again/);
    putModule(engine.database, hash, bytes);
    expect(getModule(engine.database, hash)).toEqual(bytes);
  });
});

describe("agents and small values", () => {
  const agent: StoredAgent = {
    suspended: true,
    spec: {
      name: "echo" as AgentName,
      module: "1".repeat(64) as ModuleHash,
      revision: 3,
      epoch: 4,
      durability: "local",
      priority: "normal",
      capabilities: ["log", "send"],
      limits: { memory_bytes: 1, fuel: 2, inbox_messages: 3, inbox_bytes: 4 },
      restart: { policy: "restart", maxRestarts: 5 },
      placement: {
        strategy: "round_robin",
        preferNodes: ["node-1" as NodeId],
        targetNode: null,
        services: [],
        region: null,
        zone: null,
      },
      onNodeLoss: "restart",
      partition: "park",
      critical: false,
      deployedAt_ms: 6,
      deployedBy: 'someone "odd" \0 é',
    },
  };

  test("an agent comes back as it was saved last", () => {
    engine.saveAgent({ ...agent, suspended: false });
    engine.saveAgent(agent);
    expect(listAgents(engine.database)).toEqual([agent]);
    engine.removeAgent(agent.spec.name, 1);
    expect(listAgents(engine.database)).toEqual([]);
  });

  test("a damaged specification is reported by name", () => {
    engine.saveAgent(agent);
    engine.database.execute("UPDATE agents SET spec = '{'");
    expect(() => listAgents(engine.database)).toThrow(/Stored agent "echo" cannot be read/);
    engine.saveAgent({ ...agent, spec: { ...agent.spec, name: "other" as AgentName } });
    engine.database.execute("UPDATE agents SET spec = '{}'");
    expect(() => listAgents(engine.database)).toThrow(/is not a specification of it/);
  });

  test("small values are kept by name, within limits", () => {
    expect(getMeta(engine.database, "cluster.uuid")).toBeUndefined();
    putMeta(engine.database, "cluster.uuid", new Uint8Array([1]));
    putMeta(engine.database, "cluster.uuid", new Uint8Array([2]));
    expect(getMeta(engine.database, "cluster.uuid")).toEqual(new Uint8Array([2]));
    for (const key of ["", "a b", "a\0", "x".repeat(300)]) {
      expect(() => putMeta(engine.database, key, new Uint8Array(1))).toThrow(/beyond the limits/);
    }
    expect(() => putMeta(engine.database, "key", new Uint8Array(metaValueLimit_bytes + 1))).toThrow(
      /beyond the limits/,
    );
  });
});
