import { afterEach, expect, test } from "vitest";
import { parseNodeId, type NodeId } from "../../../../src/base/ids.ts";
import { Greetings } from "../../../../src/cluster/consensus/greetings.ts";
import { memoryDatabases } from "../../../../src/platform/memory/database.ts";
import { openRaftLog } from "../../../../src/store/raft-log.ts";
import { decodeGreeting, encodeGreeting, type RaftGreeting } from "../../../../src/wire/raft-greeting.ts";

const own = parseNodeId("node-1");
const other = parseNodeId("node-2");
const identity = 100;
const databases = memoryDatabases();
afterEach(() => databases.dispose());

function greeting(boot: number, previousBoot: number): Uint8Array {
  return encodeGreeting({ kind: "greeting", identity, boot, previousBoot });
}

/** With a link that does not take what is sent until it is up. */
function greetings(registered: number): {
  readonly subject: Greetings;
  readonly link: { up: boolean };
  readonly sent: readonly RaftGreeting[];
} {
  const { boots } = openRaftLog(databases, "raft.db", { node: own, boot: 7 });
  const link = { up: false };
  const sent: RaftGreeting[] = [];
  const subject = new Greetings({
    boots,
    heard: new Map(),
    registered: () => registered,
    send: (_: NodeId, bytes) => void (link.up && sent.push(decodeGreeting(bytes))),
    greeted: () => undefined,
    outdated: () => undefined,
  });
  return { subject, link, sent };
}

test("who is on an old disk is told so when the link to it comes up, if it was not when it greeted", () => {
  const { subject, link, sent } = greetings(150);
  subject.receive(other, greeting(160, 120), false);
  expect(subject.bootOf(other)).toBe(null);
  link.up = true;
  subject.greet(other);
  expect(sent).toMatchObject([{ kind: "greeting" }, { kind: "outdated", identity, seenBoot: 150 }]);
});

test("nobody is told so any more who greets with a log that is not old", () => {
  const { subject, link, sent } = greetings(150);
  subject.receive(other, greeting(160, 120), false);
  subject.receive(other, greeting(170, 150), false);
  expect(subject.bootOf(other)).toBe(170);
  link.up = true;
  subject.greet(other);
  expect(sent).toMatchObject([{ kind: "greeting" }]);
});
