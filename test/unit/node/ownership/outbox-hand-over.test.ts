import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import { OutboxHandOver } from "../../../../src/node/ownership/outbox-hand-over.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { JournalRecord } from "../../../../src/wire/journal-record.ts";
import { messageIdOf } from "../../../../src/wire/message.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { encodedMessage } from "../../../support/messages.ts";

const [a, b] = ["a", "b"] as [NodeId, NodeId];

/** One node's outbox: what it holds, and what it is told. */
function nodeOf(id: NodeId, other: NodeId, network: MemoryPeersNetwork, outbox: readonly Uint8Array[] = []) {
  const records: JournalRecord[] = [];
  const submitted: Uint8Array[] = [];
  const peers = network.join(id);
  const membership = new MembershipTable(id, [other]);
  const refuses = { disk: false };
  const handOver = new OutboxHandOver({
    peers,
    membership,
    store: {
      recoverOutbox: () => Promise.resolve(outbox),
      append: (more) => {
        if (refuses.disk) return Promise.reject(new CaxtonError("disk_full", "no space left"));
        records.push(...more);
        return Promise.resolve();
      },
    },
    router: {
      carries: (message) => submitted.some((each) => messageIdOf(each) === message),
      submit: (message) => {
        submitted.push(message);
        return { queue: () => Promise.resolve(undefined), forget: () => undefined };
      },
    },
    retry_ms: 60_000,
    failed: () => undefined,
  });
  return { handOver, records, submitted, peers, membership, refuses };
}

describe("what a node that leaves could not deliver", () => {
  test("is on another node's disk before it leaves this one's, in its order, once", async () => {
    const network = new MemoryPeersNetwork(new VirtualClock());
    const messages = Array.from({ length: 1_200 }, (_, n) => encodedMessage(n));
    const leaving = nodeOf(a, b, network, messages);
    const other = nodeOf(b, a, network);
    expect(await leaving.handOver.giveAway()).toBe(0);
    expect(other.submitted.map(messageIdOf)).toEqual(messages.map(messageIdOf));
    expect(other.records.every(({ kind }) => kind === "outbox")).toBe(true);
    expect(leaving.records).toHaveLength(1_200);
    expect(leaving.records.every(({ kind }) => kind === "sent")).toBe(true);
    await leaving.handOver.giveAway();
    expect(other.submitted).toHaveLength(1_200);
  });

  test("stays where nobody can take it, and is counted", async () => {
    const network = new MemoryPeersNetwork(new VirtualClock());
    const leaving = nodeOf(a, b, network, [encodedMessage(1), encodedMessage(2)]);
    const other = nodeOf(b, a, network);
    other.refuses.disk = true;
    expect(await leaving.handOver.giveAway()).toBe(2);
    leaving.membership.setStatus(b, "failed");
    expect(await leaving.handOver.giveAway()).toBe(2);
    expect([leaving.records, other.submitted]).toEqual([[], []]);
  });

  test("bytes that are no messages are refused and change nothing", async () => {
    const network = new MemoryPeersNetwork(new VirtualClock());
    const other = nodeOf(b, a, network);
    const { peers } = nodeOf(a, b, network);
    for (const body of [
      new Uint8Array(),
      new Uint8Array([1]),
      new Uint8Array([1, 2, 3, 4]),
      new Uint8Array(200).fill(7),
    ]) {
      const asked = peers.request(b, "messages.adopt", body);
      await expect(asked).rejects.toMatchObject({ code: "invalid_body" });
    }
    expect([other.records, other.submitted]).toEqual([[], []]);
  });
});
