import { expect, test } from "vitest";
import { ConversationRecords } from "../../../src/node/conversation-records.ts";
import type { JournalRecord } from "../../../src/wire/journal-record.ts";

function records() {
  const written: string[] = [];
  const append = (entries: readonly JournalRecord[]): Promise<void> => {
    for (const entry of entries)
      if (entry.kind === "conversation") written.push(new TextDecoder().decode(entry.message));
    return Promise.resolve();
  };
  return { written, records: new ConversationRecords({ append }, () => {}) };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a reply that is quicker than its request's acceptance stands after the request", () => {
  const { written, records: kept } = records();
  const request = kept.begin("~alice.1");
  kept.add("~alice.1", bytes("reply"));
  kept.add("~bob.2", bytes("to another"));
  expect(written).toEqual(["to another"]);
  request.accepted(bytes("request"));
  kept.add("~alice.1", bytes("later"));
  expect(written).toEqual(["to another", "request", "reply", "later"]);
});

test("a refused request is not written down, what came for its client is", () => {
  const { written, records: kept } = records();
  const request = kept.begin("~alice.1");
  kept.add("~alice.1", bytes("reply"));
  request.refused();
  expect(written).toEqual(["reply"]);
});

test("two requests of one client do not take each other's replies", () => {
  const { written, records: kept } = records();
  const first = kept.begin("~alice.1");
  const second = kept.begin("~alice.1");
  kept.add("~alice.1", bytes("reply"));
  second.accepted(bytes("again"));
  first.accepted(bytes("request"));
  expect(written).toEqual(["again", "request", "reply"]);
});

test("replies held for one request are bounded", () => {
  const { written, records: kept } = records();
  kept.begin("~alice.1");
  for (let count = 0; count < 150; count++) kept.add("~alice.1", bytes("reply"));
  expect(written).toHaveLength(50);
});
