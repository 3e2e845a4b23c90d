import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConversationTable } from "../../../src/fipa/conversation-table.ts";
import type { Said } from "../../../src/fipa/conversation.ts";
import { performatives } from "../../../src/wire/message.ts";
import { testMessage, testMessageId } from "../../support/messages.ts";

const now_ms = 1_700_000_000_000;
const ids = { next: 1 };

function said(fields: Partial<Said>): Said {
  return { ...testMessage(ids.next++), protocol: "fipa-request", conversationId: "c-1", ...fields };
}

const request = said({ performative: "request" });
const agree = said({ performative: "agree", sender: "bob", receiver: "alice" });
const inform = said({ performative: "inform", sender: "bob", receiver: "alice" });

/** Each as a message of its own. */
function verdicts(table: ConversationTable, messages: readonly Said[]): string[] {
  return messages.map(
    (message) => table.advance({ ...message, messageId: testMessageId(ids.next++) }, now_ms).kind,
  );
}

describe("ConversationTable", () => {
  test("follows a conversation, and says why a message is out of protocol", () => {
    const table = new ConversationTable();
    expect(verdicts(table, [request, agree, inform])).toEqual(["ok", "ok", "ok"]);
    expect(table.advance(agree, now_ms)).toEqual({
      kind: "out_of_protocol",
      reason: "agree is out of fipa-request: expected request: the conversation has ended",
    });
  });

  test("leaves messages without an enforced protocol or a conversation alone", () => {
    const table = new ConversationTable();
    for (const fields of [
      { protocol: "" },
      { protocol: "fipa-iterated-contract-net" },
      { conversationId: "" },
    ]) {
      expect(table.advance(said({ performative: "agree", ...fields }), now_ms).kind).toBe("free");
    }
    expect(table.size).toBe(0);
  });

  test("keeps apart the participants of one call for proposals", () => {
    const table = new ConversationTable();
    const net = { protocol: "fipa-contract-net" };
    const bidders = ["bob", "carol", "dave"];
    for (const bidder of bidders) {
      expect(table.advance(said({ ...net, performative: "cfp", receiver: bidder }), now_ms).kind).toBe("ok");
    }
    const from = (sender: string, performative: Said["performative"]): string =>
      table.advance(said({ ...net, performative, sender, receiver: "alice" }), now_ms).kind;
    expect([from("bob", "propose"), from("carol", "refuse"), from("dave", "propose")]).toEqual([
      "ok",
      "ok",
      "ok",
    ]);
    expect(from("carol", "propose")).toBe("out_of_protocol");
    expect(
      table.advance(said({ ...net, performative: "accept-proposal", receiver: "bob" }), now_ms).kind,
    ).toBe("ok");
    expect(from("dave", "inform")).toBe("out_of_protocol");
    expect(from("bob", "inform")).toBe("ok");
  });

  test("a client of the API is one party over several requests", () => {
    const table = new ConversationTable();
    const net = { protocol: "fipa-contract-net" };
    const steps = [
      said({ ...net, performative: "cfp", sender: "~ann.1@node-1" }),
      said({ ...net, performative: "propose", sender: "bob", receiver: "~ann.1@node-1" }),
      said({ ...net, performative: "accept-proposal", sender: "~ann.2@node-2" }),
      said({ ...net, performative: "reject-proposal", sender: "~eve.1@node-2" }),
    ];
    expect(verdicts(table, steps)).toEqual(["ok", "ok", "ok", "out_of_protocol"]);
  });

  test("answers go where reply_to says; whoever is named there takes them", () => {
    const asked = said({ performative: "request", replyTo: "carol@node-2" });
    const answer = said({
      performative: "inform",
      sender: "bob",
      receiver: "carol@node-2",
      inReplyTo: "tag",
    });
    expect(verdicts(new ConversationTable(), [asked, answer, answer])).toEqual([
      "ok",
      "ok",
      "out_of_protocol",
    ]);
    expect(verdicts(new ConversationTable(), [answer])).toEqual(["free"]);
    expect(verdicts(new ConversationTable(), [{ ...answer, inReplyTo: "" }])).toEqual(["out_of_protocol"]);
  });

  test("an agent that writes to itself sees each message twice, sent and received", () => {
    const table = new ConversationTable();
    const self = { sender: "alice", receiver: "alice@node-1" };
    for (const performative of ["request", "agree", "inform"] as const) {
      const message = said({ performative, ...self });
      expect([table.advance(message, now_ms).kind, table.advance(message, now_ms).kind]).toEqual([
        "ok",
        "ok",
      ]);
    }
    expect(verdicts(table, [said({ performative: "inform", ...self })])).toEqual(["out_of_protocol"]);
  });

  test("takes back what a trapped call had sent", () => {
    const table = new ConversationTable();
    verdicts(table, [request]);
    table.commit();
    expect(verdicts(table, [agree, inform])).toEqual(["ok", "ok"]);
    table.undo();
    expect(verdicts(table, [agree, inform])).toEqual(["ok", "ok"]);
    table.commit();
    table.undo();
    expect(verdicts(table, [inform])).toEqual(["out_of_protocol"]);
  });

  test("is bounded, and lenient about what it may have forgotten", () => {
    const table = new ConversationTable(3);
    for (let i = 0; i < 3; i++) table.advance({ ...request, conversationId: `c-${i}` }, now_ms);
    expect(table.advance({ ...agree, conversationId: "unknown" }, now_ms).kind).toBe("out_of_protocol");
    table.advance({ ...request, conversationId: "c-3" }, now_ms);
    expect(table.size).toBe(3);
    expect(table.advance({ ...agree, conversationId: "c-0" }, now_ms).kind).toBe("free");
    expect(table.advance({ ...agree, conversationId: "c-3" }, now_ms).kind).toBe("ok");
  });

  test("after a restart, conversations from before it are free", () => {
    const table = new ConversationTable();
    expect(verdicts(table, [agree])).toEqual(["out_of_protocol"]);
    table.forgive();
    expect(verdicts(table, [agree])).toEqual(["free"]);
    expect(verdicts(table, [request, request])).toEqual(["ok", "out_of_protocol"]);
  });

  test("undo brings back exactly what was there at the commit", () => {
    const message = fc.record({
      performative: fc.constantFrom(...performatives),
      sender: fc.constantFrom("alice", "bob"),
      receiver: fc.constantFrom("alice", "bob", "carol"),
      conversationId: fc.constantFrom("c-1", "c-2"),
      replyTo: fc.constantFrom("", "carol"),
    });
    const messages = fc.array(message.map(said), { maxLength: 8 });
    fc.assert(
      fc.property(messages, messages, messages, (kept, taken, probe) => {
        const [undone, never] = [new ConversationTable(), new ConversationTable()];
        verdicts(undone, kept);
        verdicts(never, kept);
        undone.commit();
        verdicts(undone, taken);
        undone.undo();
        expect(undone.size).toBe(never.size);
        expect(verdicts(undone, probe)).toEqual(verdicts(never, probe));
      }),
    );
  });
});
