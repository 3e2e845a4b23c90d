import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { Router } from "../../../src/messaging/router.ts";
import type { SubmitOptions, Submitted } from "../../../src/messaging/router-options.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { Store } from "../../../src/store/store.ts";
import type { JournalRecord } from "../../../src/wire/journal-record.ts";
import { contentOf, messageIdOf, senderOf } from "../../../src/wire/message.ts";
import type { Outcome } from "../../../src/wire/outcome.ts";
import { decodeUtf8 } from "../../../src/wire/cursor.ts";
import { MembershipTable } from "../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { encodedMessage, testMessageId } from "../../support/messages.ts";

const a = "a" as NodeId;
const b = "b" as NodeId;

/** One node's messaging: its router, what its agents got, and what its store was told. */
class TestNode {
  readonly delivered: string[] = [];
  readonly records: JournalRecord[] = [];
  readonly deadLetters: string[] = [];
  readonly clients: string[] = [];
  readonly membership: MembershipTable;
  readonly router: Router;
  /** Nodes that a partition keeps from this one. */
  readonly cutOff = new Set<NodeId>();
  /** The store refuses what it is told. */
  diskFull = false;
  /** It has its lease: what its agents send may go. */
  acts = true;
  /** What local agents answer; `undefined` holds the answer back. */
  answer: (message: Uint8Array) => Outcome | undefined = () => "accepted";
  readonly held: (() => void)[] = [];
  /** Of its own agents. */
  readonly epochs = new Map<string, number>();
  /** Buffers that what was delivered lies in. */
  readonly buffers: ArrayBufferLike[] = [];

  /** `reachedAs`: what others believe that it is, where that is not so. */
  constructor(
    self: NodeId,
    others: readonly NodeId[],
    network: MemoryPeersNetwork,
    seed = 1,
    reachedAs: NodeId = self,
  ) {
    this.membership = new MembershipTable(self, others);
    const store = {
      append: (records: readonly JournalRecord[]) => {
        if (this.diskFull) return Promise.reject(new CaxtonError("disk_full", "no space left"));
        this.records.push(...records);
        return Promise.resolve();
      },
    } as Pick<Store, "append"> as Store;
    this.router = new Router({
      self,
      session: 1,
      clock: network.clock,
      prng: new Prng(seed),
      membership: this.membership,
      peers: network.join(reachedAs),
      store,
      local: { deliver: (message, done) => this.#deliver(message, done) },
      clients: { deliver: (address) => this.clients.push(address) },
      epochHere: (agent) => this.epochs.get(agent),
      acting: {
        holds: () => this.acts,
        frees: (message) => senderOf(message).startsWith("~"),
      },
      isCutOff: (node) => this.cutOff.has(node),
      deadLettered: (reason) => this.deadLetters.push(reason),
      failed: () => {},
    });
  }

  submit(message: Uint8Array, options: Partial<SubmitOptions> = {}): { outcome: Outcome | undefined } {
    const result: { outcome: Outcome | undefined } = { outcome: undefined };
    this.router.submit(message, {
      durable: false,
      retry_ms: 10_000,
      deadLetter: true,
      done: (outcome) => (result.outcome = outcome),
      ...options,
    });
    return result;
  }

  #deliver(message: Uint8Array, done: (outcome: Outcome) => void): void {
    this.buffers.push(message.buffer);
    const outcome = this.answer(message);
    if (outcome === "accepted" || outcome === undefined) this.delivered.push(decodeUtf8(contentOf(message)));
    if (outcome === undefined) this.held.push(() => done("accepted"));
    else done(outcome);
  }
}

function twoNodes(seed = 1): {
  clock: VirtualClock;
  network: MemoryPeersNetwork;
  from: TestNode;
  to: TestNode;
} {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  return {
    clock,
    network,
    from: new TestNode(a, [b], network, seed),
    to: new TestNode(b, [a], network, seed + 1),
  };
}

/** Lets promises settle between events of the virtual clock, until `condition` or `limit_ms`. */
async function run(
  clock: VirtualClock,
  limit_ms: number,
  condition: () => boolean = () => false,
): Promise<void> {
  const end_ms = clock.now_ms() + limit_ms;
  for (;;) {
    for (let i = 0; i < 5; i++) await Promise.resolve();
    if (condition() || (clock.next_ms() ?? Infinity) > end_ms) return;
    clock.step();
  }
}

describe("the router", () => {
  test("delivers to an agent of this node at once", () => {
    const { from } = twoNodes();
    from.membership.host("bob", a);
    expect(from.submit(encodedMessage(1)).outcome).toBe("accepted");
    expect(from.delivered).toEqual(["message 1"]);
  });

  test("delivers to an agent of another node and to an address that names the node", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    const first = from.submit(encodedMessage(1));
    const second = from.submit(encodedMessage(2, { receiver: "carol@b" }));
    await run(clock, 1_000);
    expect([first.outcome, second.outcome]).toEqual(["accepted", "accepted"]);
    expect(to.delivered).toEqual(["message 1", "message 2"]);
  });

  test("a reply to a client goes to the node that its address names", async () => {
    const { clock, from, to } = twoNodes();
    const reply = from.submit(encodedMessage(1, { receiver: "~admin.1@b" }));
    await run(clock, 1_000);
    expect(reply.outcome).toBe("accepted");
    expect(to.clients).toEqual(["~admin.1"]);
  });

  test("mail on disk for a node that is cut off outlives its time, and arrives once when the cut is over", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    from.membership.setStatus(b, "failed");
    from.cutOff.add(b);
    const kept = from.submit(encodedMessage(1), { retry_ms: 3_000, durable: true });
    const inMemory = from.submit(encodedMessage(2, { conversationId: "other" }), { retry_ms: 3_000 });
    await run(clock, 3_600_000);
    expect([kept.outcome, inMemory.outcome]).toEqual([undefined, "unreachable"]);
    // The cut ends before the node is seen alive again.
    from.cutOff.clear();
    await run(clock, 5_000);
    from.membership.setStatus(b, "alive");
    await run(clock, 5_000);
    expect([kept.outcome, to.delivered]).toEqual(["accepted", ["message 1"]]);
  });

  test("a cut is waited for a day at most; without one a node that is gone ends it in its time", async () => {
    const { clock, from } = twoNodes();
    from.membership.host("bob", b);
    from.membership.setStatus(b, "failed");
    const gone = from.submit(encodedMessage(1), { retry_ms: 3_000, durable: true });
    await run(clock, 3_001);
    expect(gone.outcome).toBe("unreachable");
    from.cutOff.add(b);
    const kept = from.submit(encodedMessage(2), { retry_ms: 3_000, durable: true });
    await run(clock, 23 * 3_600_000);
    expect(kept.outcome).toBeUndefined();
    await run(clock, 2 * 3_600_000);
    expect(kept.outcome).toBe("unreachable");
  });

  test("an agent nobody announces is tried until the time is up, then a dead letter with the reason", async () => {
    const { clock, from } = twoNodes();
    const sent = from.submit(encodedMessage(1), { retry_ms: 3_000 });
    await run(clock, 2_900);
    expect(sent.outcome).toBeUndefined();
    await run(clock, 1_000);
    expect(sent.outcome).toBe("unknown_agent");
    expect(from.deadLetters).toEqual(["unknown_agent"]);
    expect(from.records).toMatchObject([
      { kind: "dead", reason: "unknown_agent", detail: expect.stringContaining("no node announces it") },
    ]);
  });

  test("an agent announced meanwhile gets its mail without waiting for the next retry", async () => {
    const { clock, from } = twoNodes();
    const sent = from.submit(encodedMessage(1), { retry_ms: 60_000 });
    await run(clock, 30_000);
    from.membership.host("bob", a);
    expect(sent.outcome).toBe("accepted");
  });

  test("a message that could not be queued is never delivered, wherever it waits", async () => {
    const { clock, from } = twoNodes();
    from.membership.host("bob", a);
    from.answer = () => "storage_failed";
    from.diskFull = true;
    const submit = (n: number): Submitted =>
      from.router.submit(encodedMessage(n), {
        durable: false,
        retry_ms: 60_000,
        deadLetter: false,
        done: () => {},
      });
    const [first, , third] = [submit(1), submit(2), submit(3)];
    await expect(third?.queue(60_000)).rejects.toThrow("no space left");
    await expect(first?.queue(60_000)).rejects.toThrow("no space left");
    from.answer = () => "accepted";
    await run(clock, 60_000);
    expect(from.delivered).toEqual(["message 2"]);
    expect(from.router.pending).toBe(0);
  });

  test("a message that was accepted while it could not be queued counts as accepted", async () => {
    const { from } = twoNodes();
    from.membership.host("bob", a);
    from.answer = () => undefined;
    from.diskFull = true;
    const options = { durable: false, retry_ms: 60_000, deadLetter: false, done: () => {} };
    const queued = from.router.submit(encodedMessage(1), options).queue(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    for (const answer of from.held) answer();
    expect(await queued).toBe("accepted");
  });

  test("a client's messages in one conversation keep their order, though each has its own return address", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    from.membership.setStatus(b, "failed");
    for (let n = 1; n <= 12; n++) {
      from.submit(encodedMessage(n, { sender: `~alice.${n}@a`, conversationId: "c" }), { retry_ms: 60_000 });
      await run(clock, 100);
    }
    from.membership.setStatus(b, "alive");
    await run(clock, 30_000);
    expect(to.delivered).toEqual(Array.from({ length: 12 }, (_, n) => `message ${n + 1}`));
  });

  test("mail that waits for its agent goes before newer mail of others", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    to.answer = () => "unknown_agent";
    from.submit(encodedMessage(1, { conversationId: "older" }), { retry_ms: 60_000 });
    await run(clock, 20_000);
    to.answer = () => "accepted";
    from.submit(encodedMessage(2, { conversationId: "newer" }));
    await run(clock, 100);
    expect(to.delivered).toEqual(["message 1", "message 2"]);
  });

  test("new mail does not overtake older mail whose node was not ready for it", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    to.answer = () => "unreachable";
    from.submit(encodedMessage(1, { conversationId: "older" }), { retry_ms: 60_000 });
    await run(clock, 20_000);
    to.answer = () => "accepted";
    from.submit(encodedMessage(2, { conversationId: "newer" }));
    await run(clock, 100);
    expect(to.delivered).toEqual(["message 1", "message 2"]);
  });

  test("mail whose node was not ready goes when the agent is announced again", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    to.answer = () => "unreachable";
    from.submit(encodedMessage(1), { retry_ms: 60_000 });
    await run(clock, 20_000);
    to.answer = () => "accepted";
    from.membership.host("bob", b);
    await run(clock, 10);
    expect(to.delivered).toEqual(["message 1"]);
  });

  test("mail for a failed node waits, and goes when the node is back", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    from.membership.setStatus(b, "failed");
    const sent = from.submit(encodedMessage(1), { retry_ms: 60_000, durable: true });
    await run(clock, 20_000);
    expect(sent.outcome).toBeUndefined();
    from.membership.setStatus(b, "alive");
    await run(clock, 100);
    expect(sent.outcome).toBe("accepted");
    expect(to.delivered).toEqual(["message 1"]);
    expect(from.records).toEqual([{ kind: "sent", message: testMessageId(1) }]);
  });

  test("mail for a node that stays away becomes a dead letter and leaves the outbox", async () => {
    const { clock, from } = twoNodes();
    from.membership.host("bob", b);
    from.membership.setStatus(b, "failed");
    const sent = from.submit(encodedMessage(1), { retry_ms: 5_000, durable: true });
    await run(clock, 10_000);
    expect(sent.outcome).toBe("unreachable");
    expect(from.records.map(({ kind }) => kind)).toEqual(["dead", "sent"]);
  });

  test("knows which mail of the outbox is under way, so that it is not submitted twice", async () => {
    const { clock, from } = twoNodes();
    from.submit(encodedMessage(1), { durable: true, retry_ms: 60_000 });
    await run(clock, 1_000);
    expect(from.router.carries(testMessageId(1))).toBe(true);
    expect(from.router.carries(testMessageId(2))).toBe(false);
    from.membership.host("bob", a);
    expect(from.router.carries(testMessageId(1))).toBe(false);
  });

  test("a message past its reply-by is not delivered", () => {
    const { clock, from } = twoNodes();
    from.membership.host("bob", a);
    const sent = from.submit(encodedMessage(1, { replyBy_ms: clock.wall_ms() - 1 }));
    expect(sent.outcome).toBe("expired");
    expect(from.delivered).toEqual([]);
  });

  test("a client's message that is queued meanwhile is delivered and leaves the outbox", async () => {
    const { clock, from } = twoNodes();
    let ended: Outcome | undefined;
    const submitted = from.router.submit(encodedMessage(1), {
      durable: false,
      retry_ms: 60_000,
      deadLetter: false,
      done: (outcome) => (ended = outcome),
    });
    await run(clock, 1_000);
    expect(await submitted.queue(60_000)).toBeUndefined();
    from.membership.host("bob", a);
    expect(ended).toBe("accepted");
    expect(from.records.map(({ kind }) => kind)).toEqual(["outbox", "sent"]);
  });

  test("what ends while it is being queued leaves the outbox: it does not come back at the next start", async () => {
    const { clock, from } = twoNodes();
    from.membership.host("bob", a);
    from.answer = () => undefined;
    const options = { durable: false, retry_ms: 60_000, deadLetter: false, done: () => undefined };
    const submitted = from.router.submit(encodedMessage(1), options);
    const queued = submitted.queue(60_000);
    from.held.pop()?.();
    expect(await queued).toBe("accepted");
    await run(clock, 10);
    expect(from.records.map(({ kind }) => kind)).toEqual(["outbox", "sent"]);
  });

  test("what a node has not answered when it fails is not waited for", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    to.answer = () => undefined;
    const sent = from.submit(encodedMessage(1), { retry_ms: 500 });
    await run(clock, 1_000);
    expect([to.delivered, sent.outcome]).toEqual([["message 1"], undefined]);
    from.membership.setStatus(b, "failed");
    await run(clock, 1_000);
    expect(sent.outcome).toBe("unreachable");
  });

  test("new mail does not make mail for a full inbox knock again", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    let knocks = 0;
    to.answer = () => {
      knocks++;
      return "queue_full";
    };
    from.submit(encodedMessage(1, { conversationId: "older" }), { retry_ms: 60_000 });
    await run(clock, 20_000);
    knocks = 0;
    // Each is refused in its turn; the older one has its own time, which comes once in these 100 ms at most.
    for (let n = 2; n < 12; n++) {
      from.submit(encodedMessage(n, { conversationId: `${n}` }), { retry_ms: 0 });
      await run(clock, 10);
    }
    expect(knocks).toBeLessThanOrEqual(11);
  });

  test("a message from another node is a copy: the bytes of its frame are used again", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    const message = encodedMessage(1);
    from.submit(message);
    await run(clock, 1_000);
    expect(to.buffers.map(({ byteLength }) => byteLength)).toEqual([message.length]);
  });

  test("an owner that was followed by another takes no mail that is meant for it; its sender tries on", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    to.epochs.set("bob", 0);
    const sent = from.submit(encodedMessage(1));
    await run(clock, 200);
    expect([sent.outcome, to.delivered.length]).toEqual([undefined, 0]);
    expect(to.router.counters.staleEpochs).toBeGreaterThan(0);
    to.epochs.set("bob", 7);
    await run(clock, 5_000);
    expect([sent.outcome, to.delivered]).toEqual(["accepted", ["message 1"]]);
  });

  test("a message from another node is never passed on", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    to.membership.host("bob", a);
    to.answer = () => "unknown_agent";
    const sent = from.submit(encodedMessage(1), { retry_ms: 500 });
    await run(clock, 2_000);
    expect(sent.outcome).toBe("unknown_agent");
    expect(to.router.counters.remote).toBe(0);
  });

  test("a message that names another node is not taken by a namesake here", async () => {
    const clock = new VirtualClock();
    const network = new MemoryPeersNetwork(clock);
    const from = new TestNode(a, [b], network);
    const to = new TestNode("c" as NodeId, [a], network, 2, b);
    const sent = from.submit(encodedMessage(1, { receiver: "bob@b" }), { retry_ms: 500 });
    await run(clock, 2_000);
    expect([sent.outcome, to.delivered]).toEqual(["unknown_agent", []]);
  });

  test("what waits when the router is closed is not sent any more, whatever wakes it", async () => {
    const { clock, from } = twoNodes();
    from.acts = false;
    from.membership.host("bob", b);
    from.submit(encodedMessage(1, { sender: "alice" }), { retry_ms: 60_000 });
    await run(clock, 100);
    const before = { ...from.router.counters };
    from.router.close();
    from.acts = true;
    from.router.actsAgain();
    await run(clock, 5_000);
    expect(from.router.counters).toEqual(before);
  });

  test("order within a conversation holds through refusals, broken links and failures; nothing is lost or doubled", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const { clock, network, from, to } = twoNodes(seed);
        const chaos = new Prng(seed);
        from.membership.host("bob", b);
        to.answer = () => (chaos.chance(0.2) ? "queue_full" : "accepted");
        const sent: { outcome: Outcome | undefined }[] = [];
        for (let n = 0; n < 60; n++) {
          const conversationId = `c${n % 3}`;
          sent.push(
            from.submit(encodedMessage(n, { conversationId, content: `${n}` }), { retry_ms: 600_000 }),
          );
          await run(clock, chaos.below(4));
          if (chaos.chance(0.1)) network.break(a, b);
        }
        to.answer = () => "accepted";
        await run(clock, 600_000, () => sent.every(({ outcome }) => outcome !== undefined));
        expect(sent.filter(({ outcome }) => outcome !== "accepted")).toEqual([]);
        for (let c = 0; c < 3; c++) {
          const got = to.delivered.map(Number).filter((n) => n % 3 === c);
          expect(got).toEqual(Array.from({ length: 20 }, (_, i) => 3 * i + c));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("one slow conversation does not hold up another", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    to.answer = (message) => (messageIdOf(message) === testMessageId(1) ? undefined : "accepted");
    const slow = from.submit(encodedMessage(1, { conversationId: "slow" }));
    const behind = from.submit(encodedMessage(2, { conversationId: "slow" }));
    const other = from.submit(encodedMessage(3, { conversationId: "other" }));
    await run(clock, 100);
    expect([slow.outcome, behind.outcome, other.outcome]).toEqual([undefined, undefined, "accepted"]);
    for (const release of to.held) release();
    await run(clock, 100);
    expect([slow.outcome, behind.outcome]).toEqual(["accepted", "accepted"]);
  });
});

describe("while this node has no lease", () => {
  test("what its agents sent waits, clients' messages go, and all goes when it is back", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    from.acts = false;
    const agents = from.submit(encodedMessage(1, { sender: "alice" }));
    const clients = from.submit(encodedMessage(2, { sender: "~carol.1@a" }));
    await run(clock, 5_000);
    expect([agents.outcome, clients.outcome]).toEqual([undefined, "accepted"]);
    expect(to.delivered).toEqual(["message 2"]);
    from.acts = true;
    from.router.actsAgain();
    await run(clock, 10);
    expect(agents.outcome).toBe("accepted");
    expect(to.delivered).toEqual(["message 2", "message 1"]);
  });

  test("what broke on its way is not sent again until it is back", async () => {
    const { clock, network, from, to } = twoNodes();
    from.membership.host("bob", b);
    network.cut(a, b);
    const sent = from.submit(encodedMessage(1, { sender: "alice" }));
    await run(clock, 50);
    from.acts = false;
    network.heal(a, b);
    // Beyond the moment when a link without answers sends again.
    await run(clock, 4_000);
    expect(to.delivered).toEqual([]);
    from.acts = true;
    from.router.actsAgain();
    await run(clock, 5_000);
    expect(sent.outcome).toBe("accepted");
    expect(to.delivered).toEqual(["message 1"]);
  });

  test("what an agent sent that was given away meanwhile never leaves, and makes no dead letter here", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    from.acts = false;
    const sent = [1, 2].map((id) => from.submit(encodedMessage(id, { sender: "alice" })));
    const others = from.submit(encodedMessage(3, { sender: "alice-2" }));
    await run(clock, 100);
    from.router.fence("alice" as AgentName);
    from.acts = true;
    from.router.actsAgain();
    await run(clock, 5_000);
    expect(to.delivered).toEqual(["message 3"]);
    expect(others.outcome).toBe("accepted");
    expect(sent.every(({ outcome }) => outcome !== undefined && outcome !== "accepted")).toBe(true);
    expect([from.router.counters.fenced, from.router.counters.deadLetters, from.router.pending]).toEqual([
      2, 0, 0,
    ]);
  });

  test("a node that may not act keeps what is on disk of its agents for as long as that lasts, a day at most", async () => {
    const { clock, from, to } = twoNodes();
    from.membership.host("bob", b);
    from.acts = false;
    const kept = from.submit(encodedMessage(1, { sender: "alice" }), { retry_ms: 3_000, durable: true });
    const inMemory = from.submit(encodedMessage(2, { sender: "dave" }), { retry_ms: 3_000 });
    await run(clock, 3_600_000);
    expect([kept.outcome, inMemory.outcome]).toEqual([undefined, "unreachable"]);
    from.acts = true;
    from.router.actsAgain();
    await run(clock, 5_000);
    expect([kept.outcome, to.delivered]).toEqual(["accepted", ["message 1"]]);
  });

  test("a reply of its agent to a client here waits, too", async () => {
    const { clock, from } = twoNodes();
    from.acts = false;
    from.submit(encodedMessage(1, { sender: "alice", receiver: "~carol.1@a" }));
    await run(clock, 1_000);
    expect(from.clients).toEqual([]);
    from.acts = true;
    from.router.actsAgain();
    await run(clock, 10);
    expect(from.clients).toEqual(["~carol.1"]);
  });
});
