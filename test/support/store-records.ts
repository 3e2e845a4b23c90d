/** Random journal records over few agents and ids, so that they meet each other, from a seed. */
import type { AgentName } from "../../src/base/ids.ts";
import type { Prng } from "../../src/base/prng.ts";
import { encodeUtf8 } from "../../src/wire/cursor.ts";
import type { JournalRecord } from "../../src/wire/journal-record.ts";
import { encodedMessage, testMessageId } from "./messages.ts";

export const testAgents = ["alice", "bob", "carol"] as AgentName[];

export function randomRecord(prng: Prng): JournalRecord {
  const agent = prng.pick(testAgents) as AgentName;
  switch (prng.below(9)) {
    case 0:
    case 1:
      return { kind: "accepted", agent, message: randomMessage(prng, agent) };
    case 2:
    case 3:
      return randomHandled(prng, agent);
    case 4:
      return { kind: "outbox", message: randomMessage(prng, "far-away") };
    case 5:
      return { kind: "sent", message: randomId(prng) };
    case 6:
      return {
        kind: "dead",
        reason: "expired",
        detail: "too late",
        at_ms: prng.below(1_000),
        message: randomMessage(prng, agent),
      };
    case 7:
      return { kind: "conversation", message: randomMessage(prng, agent) };
    default:
      return { kind: "saved", agent, state: randomBytes(prng) };
  }
}

export function randomRecords(prng: Prng, count: number): readonly JournalRecord[] {
  return Array.from({ length: count }, () => randomRecord(prng));
}

function randomHandled(prng: Prng, agent: AgentName): JournalRecord {
  const list = <T>(make: () => T): T[] => Array.from({ length: prng.below(4) }, make);
  return {
    kind: "handled",
    agent,
    message: prng.chance(0.8) ? randomId(prng) : null,
    state: list(() => ({ key: randomKey(prng), value: prng.chance(0.3) ? null : randomBytes(prng) })),
    sends: list(() => {
      const local = prng.chance(0.5);
      const receiver = local ? (prng.pick(testAgents) as AgentName) : "far-away";
      return {
        local,
        message: randomMessage(prng, local && prng.chance(0.2) ? `${receiver}@node-1` : receiver),
      };
    }),
    timers: list(() => ({ id: prng.between(-2, 3), due_ms: prng.chance(0.3) ? null : prng.below(10_000) })),
  };
}

function randomMessage(prng: Prng, receiver: string): Uint8Array {
  const conversationId = prng.chance(0.2) ? "" : `conversation-${prng.below(3)}`;
  const protocol = prng.chance(0.5) ? "" : "fipa-request";
  return encodedMessage(prng.below(24), {
    receiver,
    sender: `sender-${prng.below(3)}`,
    conversationId,
    protocol,
    createdAt_ms: prng.below(1_000_000),
    content: "x".repeat(prng.between(1, 40)),
  });
}

function randomId(prng: Prng) {
  return testMessageId(prng.below(24));
}

function randomKey(prng: Prng): Uint8Array {
  return prng.chance(0.1) ? new Uint8Array([255, 0, prng.below(3)]) : encodeUtf8(`key-${prng.below(5)}`);
}

function randomBytes(prng: Prng): Uint8Array {
  return Uint8Array.from({ length: prng.below(30) }, () => prng.below(256));
}
