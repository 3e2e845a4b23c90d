/** What gets out of an agent thread whose node has no lease: nothing of its agents, until it is back. */
import { describe, expect, test } from "vitest";
import { decodeUtf8 } from "../../../../src/wire/cursor.ts";
import type { Message } from "../../../../src/wire/message.ts";
import { testSpec } from "../../../support/agent-specs.ts";
import { AgentThreadWorld, type Script } from "../../../support/agent-thread-world.ts";
import { testMessage } from "../../../support/messages.ts";

const to = (n: number, receiver: string, content: string): Message =>
  testMessage(n, { sender: "~alice@node-1", receiver, content });
const durable = { durability: "local" } as const;
/** Sends on what it gets, to an agent elsewhere. */
const teller: Script = { handle: (message, { send }) => void send("far", decodeUtf8(message.content)) };

/** The lease is lost at once; back in a new tenure, that the thread is told of. */
function lose(world: AgentThreadWorld): void {
  world.lease.writer.lose(0);
}
async function regain(world: AgentThreadWorld): Promise<void> {
  world.lease.writer.hold(1e15, 1);
  world.thread.receive({ kind: "lease", tenure: world.lease.writer.tenure });
  await world.settle();
}

describe("without the lease", () => {
  test("new mail is refused so that its sender tries elsewhere, and nobody handles anything", async () => {
    const world = new AgentThreadWorld({ agent: teller });
    await world.host(testSpec("agent"));
    lose(world);
    const tickets = world.deliver(to(1, "agent", "a"));
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["unreachable"]);
    expect(world.stats("agent")?.handled).toBe(0);
    await regain(world);
    const again = world.deliver(to(1, "agent", "a"));
    await world.settle();
    expect(world.outcomesOf(again)).toEqual(["accepted"]);
    expect(world.sentTexts()).toEqual(["agent>far a"]);
  });

  test("mail that waited stays in the inbox and is handled when it is back", async () => {
    const world = new AgentThreadWorld({ agent: teller });
    await world.host(testSpec("agent"), true);
    world.deliver(to(1, "agent", "a"), to(2, "agent", "b"));
    await world.settle();
    lose(world);
    await world.ask("resume", "agent");
    await world.advance(500);
    expect(world.sent).toEqual([]);
    expect(world.stats("agent")).toMatchObject({ handled: 0, inbox: 2 });
    await regain(world);
    expect(world.sentTexts()).toEqual(["agent>far a", "agent>far b"]);
  });

  test("what was handled while it was held, and committed after, gets out only when it is back", async () => {
    const world = new AgentThreadWorld({ agent: teller });
    await world.host(testSpec("agent", durable));
    const tickets = world.deliver(to(1, "agent", "a"));
    // Handled in this turn; its commit ends in a later one.
    lose(world);
    await world.advance(500);
    expect(world.outcomesOf(tickets)).toEqual([undefined]);
    expect(world.sent).toEqual([]);
    expect((await world.outbox()).map(({ receiver }) => receiver)).toEqual(["far"]);
    await regain(world);
    expect(world.outcomesOf(tickets)).toEqual(["accepted"]);
    expect(world.sentTexts()).toEqual(["agent>far a"]);
    expect(world.sent[0]?.inOutbox).toBe(true);
  });

  test("what a volatile agent did in the slice in which it was lost is held, in order with what follows", async () => {
    const handle: Script = {
      handle: (message, { send }) => {
        send("far", decodeUtf8(message.content));
        if (decodeUtf8(message.content) === "b") lose(world);
      },
    };
    const world: AgentThreadWorld = new AgentThreadWorld({ agent: handle });
    await world.host(testSpec("agent"));
    const tickets = world.deliver(to(1, "agent", "a"), to(2, "agent", "b"), to(3, "agent", "c"));
    await world.settle();
    expect(world.sent).toEqual([]);
    expect(world.outcomesOf(tickets)).toEqual([undefined, undefined, undefined]);
    await regain(world);
    expect(world.outcomesOf(tickets)).toEqual(["accepted", "accepted", "accepted"]);
    expect(world.sentTexts()).toEqual(["agent>far a", "agent>far b", "agent>far c"]);
  });

  test("what an agent left behind that was given away meanwhile never gets out", async () => {
    const world = new AgentThreadWorld({ agent: teller });
    await world.host(testSpec("agent", durable));
    const tickets = world.deliver(to(1, "agent", "a"));
    lose(world);
    await world.advance(500);
    expect(await world.stop("agent", true)).toBeNull();
    await regain(world);
    expect(world.sent).toEqual([]);
    expect(world.outcomesOf(tickets)).toEqual(["unreachable"]);
    expect(world.totals()?.outgoing).toBe(0);
  });

  test("a gap that the thread did not see counts all the same, until it is told of the new tenure", async () => {
    const world = new AgentThreadWorld({ agent: teller });
    await world.host(testSpec("agent"));
    lose(world);
    world.lease.writer.hold(1e15, 1);
    const tickets = world.deliver(to(1, "agent", "a"));
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["unreachable"]);
    await regain(world);
    const again = world.deliver(to(1, "agent", "a"));
    await world.settle();
    expect(world.outcomesOf(again)).toEqual(["accepted"]);
  });

  test("timers wait, too", async () => {
    const world = new AgentThreadWorld({
      agent: {
        handle: (_message, { host }) => void host.timerSet(1, 100),
        onTimer: (_id, { send }) => void send("far", "ring"),
      },
    });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "a"));
    await world.settle();
    lose(world);
    await world.advance(1_000);
    expect(world.sent).toEqual([]);
    await regain(world);
    expect(world.sentTexts()).toEqual(["agent>far ring"]);
  });
});

describe("agents that go on when cut off", () => {
  const continues = { partition: "continue" } as const;

  test("take mail, handle it and send as ever", async () => {
    const world = new AgentThreadWorld({ agent: teller, other: teller });
    await world.host(testSpec("agent", continues));
    await world.host(testSpec("other"));
    lose(world);
    const tickets = world.deliver(to(1, "agent", "a"), to(2, "other", "b"));
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["accepted", "unreachable"]);
    expect(world.sentTexts()).toEqual(["agent>far a"]);
  });

  test("are no way out for what others of their thread did", async () => {
    const world = new AgentThreadWorld({
      other: { handle: (message, { send }) => void send("agent", decodeUtf8(message.content)) },
      agent: teller,
    });
    await world.host(testSpec("agent", continues));
    await world.host(testSpec("other", durable));
    world.deliver(to(1, "other", "b"));
    lose(world);
    await world.advance(500);
    expect(world.sent).toEqual([]);
    await regain(world);
    expect(world.sentTexts()).toEqual(["other>agent b"]);
  });
});

describe("a policy that lets only critical agents go on", () => {
  const continues = { partition: "continue" } as const;

  test("parks those that would go on otherwise, and wakes nobody who may not act at all", async () => {
    const world = new AgentThreadWorld({ plain: teller, vital: teller, parks: teller });
    await world.host(testSpec("plain", continues));
    await world.host(testSpec("vital", { ...continues, critical: true }));
    // Critical or not: the cluster may give it to another node.
    await world.host(testSpec("parks", { critical: true }));
    lose(world);
    world.thread.receive({ kind: "going-on", who: "critical" });
    const tickets = world.deliver(to(1, "plain", "a"), to(2, "vital", "b"), to(3, "parks", "c"));
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["unreachable", "accepted", "unreachable"]);
    expect(world.sentTexts()).toEqual(["vital>far b"]);
    world.thread.receive({ kind: "going-on", who: "all" });
    world.deliver(to(4, "plain", "d"), to(5, "parks", "e"));
    await world.settle();
    expect(world.sentTexts()).toEqual(["vital>far b", "plain>far d"]);
  });

  test("or parks them all, where the node is to stop", async () => {
    const world = new AgentThreadWorld({ plain: teller, vital: teller });
    await world.host(testSpec("plain", continues));
    await world.host(testSpec("vital", { ...continues, critical: true }));
    lose(world);
    world.thread.receive({ kind: "going-on", who: "none" });
    const tickets = world.deliver(to(1, "plain", "a"), to(2, "vital", "b"));
    await world.settle();
    expect([world.outcomesOf(tickets), world.sentTexts()]).toEqual([["unreachable", "unreachable"], []]);
  });
});
