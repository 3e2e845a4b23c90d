/** What an agent thread does with volatile agents: delivery, bounds, order, restarts, timers, protocols, fairness. */
import { describe, expect, test } from "vitest";
import { windowLimit_messages } from "../../../../src/messaging/outgoing-window.ts";
import { AgentTrap } from "../../../../src/wasm/trap.ts";
import { decodeUtf8 } from "../../../../src/wire/cursor.ts";
import type { Message } from "../../../../src/wire/message.ts";
import { testSpec } from "../../../support/agent-specs.ts";
import { AgentThreadWorld, type Script } from "../../../support/agent-thread-world.ts";
import { testMessage } from "../../../support/messages.ts";

const textOf = (message: Message): string => decodeUtf8(message.content);
const to = (n: number, receiver: string, content: string, fields = {}): Message =>
  testMessage(n, { sender: "~alice@node-1", receiver, content, ...fields });

/** Writes what it handled into a list. */
function recorder(seen: string[]): Script {
  return { handle: (message) => void seen.push(textOf(message)) };
}

describe("delivery", () => {
  test("a message is handled and its reply leaves with the host's own sender, id and time", async () => {
    const world = new AgentThreadWorld({
      echo: {
        handle: (message, { send }) =>
          void send(message.sender, `re ${textOf(message)}`, { sender: "mallory" }),
      },
    });
    await world.host(testSpec("echo"));
    const tickets = world.deliver(to(1, "echo", "hello"));
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["accepted"]);
    expect(world.sentTexts()).toEqual(["echo>~alice@node-1 re hello"]);
    const [reply] = world.sent;
    expect(reply?.message.messageId).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(reply?.message.createdAt_ms).toBe(world.store.clock.wall_ms());
  });

  test("agents of one thread reach each other by name and by name@node without leaving it", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({
      front: {
        handle: (message, { send }) => {
          send("back", `${textOf(message)} plainly`);
          send("back@node-1", `${textOf(message)} with its node`);
        },
      },
      back: { handle: (message) => void seen.push(`${message.sender}: ${textOf(message)}`) },
    });
    await world.host(testSpec("front"));
    await world.host(testSpec("back"));
    world.deliver(to(1, "front", "hello"));
    await world.settle();
    expect(seen).toEqual(["front: hello plainly", "front: hello with its node"]);
    expect(world.sent).toEqual([]);
  });

  test("each refusal has its own outcome", async () => {
    const world = new AgentThreadWorld({ agent: {}, broken: { init: () => trap("unreachable") } });
    await world.host(testSpec("agent"));
    expect(await world.host(testSpec("broken", { restart: { policy: "fail", maxRestarts: 0 } }))).toBe(
      "agent_failed",
    );
    const tickets = world.deliver(
      to(1, "nobody", "x"),
      to(2, "broken", "x"),
      to(3, "agent", "x", { replyBy_ms: 1_000 }),
      to(4, "agent", "x", { delivery: "exactly_once" }),
      to(5, "agent", "x", { conversationId: "two words" }),
      to(6, "agent", ""),
    );
    expect(world.outcomesOf(tickets)).toEqual([
      "unknown_agent",
      "agent_failed",
      "expired",
      "invalid_message",
      "invalid_message",
      "invalid_message",
    ]);
  });

  test("a message delivered twice is handled once", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({ agent: recorder(seen) });
    await world.host(testSpec("agent"));
    const tickets = [...world.deliver(to(1, "agent", "once")), ...world.deliver(to(1, "agent", "once"))];
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["accepted", "accepted"]);
    expect(seen).toEqual(["once"]);
  });

  test("a suspended agent keeps its mail up to its bounds, and handles it when resumed", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({ agent: recorder(seen) });
    await world.host(testSpec("agent", { limits: { inbox_messages: 2 } }));
    await world.ask("suspend", "agent");
    const tickets = world.deliver(to(1, "agent", "a"), to(2, "agent", "b"), to(3, "agent", "c"));
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["accepted", "accepted", "queue_full"]);
    expect(seen).toEqual([]);
    await world.ask("resume", "agent");
    expect(seen).toEqual(["a", "b"]);
  });

  test("an inbox is bounded in bytes too", async () => {
    const world = new AgentThreadWorld({ agent: {} });
    await world.host(testSpec("agent", { limits: { inbox_bytes: 1_000 } }), true);
    const tickets = world.deliver(to(1, "agent", "x".repeat(600)), to(2, "agent", "x".repeat(600)));
    expect(world.outcomesOf(tickets)).toEqual(["accepted", "queue_full"]);
  });
});

describe("sending", () => {
  test("send answers -2 when the receiver's inbox on this thread is full, and nothing is lost", async () => {
    const answers: number[] = [];
    const world = new AgentThreadWorld({
      sender: {
        handle: (_message, { send }) =>
          void answers.push(send("sink", "a"), send("sink", "b"), send("sink", "c")),
      },
    });
    await world.host(testSpec("sender"));
    await world.host(testSpec("sink", { limits: { inbox_messages: 2 } }), true);
    world.deliver(to(1, "sender", "go"));
    await world.settle();
    expect(answers).toEqual([0, 0, -2]);
    expect(world.stats("sink")?.inbox).toBe(2);
  });

  test("send answers -2 when too much is on its way elsewhere, until outcomes come back; others still send", async () => {
    const answers: number[] = [];
    const neighbour: number[] = [];
    const world = new AgentThreadWorld({
      sender: {
        handle: (_message, { send }) =>
          void answers.push(...Array.from({ length: 900 }, (_, i) => send("far", `${i}`))),
      },
      neighbour: { handle: (_message, { send }) => void neighbour.push(send("~client.1@node-1", "reply")) },
    });
    await world.host(testSpec("sender"));
    await world.host(testSpec("neighbour"));
    for (let n = 0; n < 20; n++) world.deliver(to(n, "sender", "go"));
    await world.settle();
    const share = windowLimit_messages / 2;
    expect(answers.filter((answer) => answer === 0)).toHaveLength(share);
    expect(answers.filter((answer) => answer === -2)).toHaveLength(20 * 900 - share);
    world.deliver(to(50, "neighbour", "go"));
    await world.settle();
    expect(neighbour).toEqual([0]);
    world.answerSent();
    world.deliver(to(100, "sender", "go"));
    await world.settle();
    expect(answers.at(-1)).toBe(0);
  });

  test("malformed messages and too many of them are refused with the ABI's numbers, and logged", async () => {
    const answers: number[] = [];
    const world = new AgentThreadWorld({
      sender: {
        handle: (_message, { host, send }) => {
          answers.push(host.send(new Uint8Array(10)), send("", "x"), send("a b", "x"), send("sink", ""));
          for (let i = 0; i < 1_001; i++) answers.push(send("sink", "x"));
        },
      },
      sink: {},
    });
    await world.host(testSpec("sender"));
    await world.host(testSpec("sink", { limits: { inbox_messages: 5_000 } }));
    world.deliver(to(1, "sender", "go"));
    await world.settle();
    expect(answers.slice(0, 4)).toEqual([-1, -1, -1, -1]);
    expect(answers.slice(4).filter((answer) => answer === 0)).toHaveLength(1_000);
    expect(answers.at(-1)).toBe(-4);
    expect(world.events.filter((event) => event.kind === "log")).toHaveLength(4);
  });

  test("while something is on its way to a receiver elsewhere, later messages to it take the same way", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({
      sender: { handle: (message, { send }) => void send("late", textOf(message)) },
      late: recorder(seen),
    });
    await world.host(testSpec("sender"));
    world.deliver(to(1, "sender", "first"));
    await world.settle();
    await world.host(testSpec("late"));
    world.deliver(to(2, "sender", "second"));
    await world.settle();
    expect(world.sentTexts()).toEqual(["sender>late first", "sender>late second"]);
    world.answerSent();
    world.deliver(to(3, "sender", "third"));
    await world.settle();
    expect(seen).toEqual(["third"]);
  });
});

describe("traps", () => {
  const fragile: Script = {
    init: ({ memory }) => void memory.set("handled", "0"),
    handle: (message, { send, set, get, memory }) => {
      set("count", `${Number(get("count") ?? "0") + 1}`);
      memory.set("handled", `${Number(memory.get("handled")) + 1}`);
      send("far", `${textOf(message)} count ${get("count")} handled ${memory.get("handled")}`);
      if (textOf(message) === "poison") trap("unreachable");
    },
  };

  test("everything of a trapped call is undone, its message becomes a dead letter, the rest is handled anew", async () => {
    const world = new AgentThreadWorld({ agent: fragile });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "a"), to(2, "agent", "poison"), to(3, "agent", "b"));
    await world.settle();
    expect(world.sentTexts()).toEqual(["agent>far a count 1 handled 1", "agent>far b count 2 handled 1"]);
    expect(await world.deadLetters()).toEqual([{ reason: "trap:unreachable", text: "poison" }]);
    expect(world.stats("agent")).toMatchObject({ status: "running", traps: 1, restarts: 1, handled: 2 });
    expect(world.totals()?.trapsByKind).toEqual({ unreachable: 1 });
  });

  test("after too many restarts in a minute it fails and keeps its mail; resume brings it back", async () => {
    const world = new AgentThreadWorld({ agent: fragile });
    await world.host(testSpec("agent", { restart: { policy: "restart", maxRestarts: 2 } }));
    world.deliver(...[1, 2, 3].map((n) => to(n, "agent", "poison")), to(4, "agent", "good"));
    await world.settle();
    expect(world.stats("agent")).toMatchObject({ status: "failed", traps: 3, restarts: 2, inbox: 1 });
    expect(world.outcomesOf(world.deliver(to(5, "agent", "x")))).toEqual(["agent_failed"]);
    expect(await world.ask("resume", "agent")).toBeNull();
    expect(world.sentTexts()).toEqual(["agent>far good count 1 handled 1"]);
  });

  test("restarts are counted by the minute", async () => {
    const world = new AgentThreadWorld({ agent: fragile });
    await world.host(testSpec("agent", { restart: { policy: "restart", maxRestarts: 1 } }));
    world.deliver(to(1, "agent", "poison"));
    await world.advance(61_000);
    world.deliver(to(2, "agent", "poison"));
    await world.settle();
    expect(world.stats("agent")?.status).toBe("running");
  });

  test("a timer that traps has gone off all the same", async () => {
    const world = new AgentThreadWorld({
      agent: { handle: (_message, { host }) => void host.timerSet(1, 10), onTimer: () => trap("fuel") },
    });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "go"));
    await world.advance(100);
    expect(world.stats("agent")).toMatchObject({ status: "running", traps: 1 });
  });
});

describe("lifecycle", () => {
  const counting: Script = {
    saves: true,
    handle: (message, { memory, send }) => {
      memory.set("n", `${Number(memory.get("n") ?? "0") + 1}`);
      send("far", `${textOf(message)} ${memory.get("n")}`);
    },
  };

  test("a new revision has the old one's memory by save and load, and its inbox", async () => {
    const world = new AgentThreadWorld({ agent: counting });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "a"));
    await world.settle();
    await world.ask("suspend", "agent");
    world.deliver(to(2, "agent", "b"));
    expect(await world.host(testSpec("agent", { revision: 2 }))).toBeNull();
    expect(world.sentTexts()).toEqual(["agent>far a 1", "agent>far b 2"]);
  });

  test("a new revision that traps when it starts is refused and the old one goes on", async () => {
    let broken = false;
    const script: Script = { ...counting, init: () => void (broken && trap("memory")) };
    const world = new AgentThreadWorld({ agent: script });
    await world.host(testSpec("agent"));
    broken = true;
    expect(await world.host(testSpec("agent", { revision: 2 }))).toBe("invalid_module");
    world.deliver(to(1, "agent", "a"));
    await world.settle();
    expect(world.sentTexts()).toEqual(["agent>far a 1"]);
  });

  test("durability cannot be changed in place", async () => {
    const world = new AgentThreadWorld({ agent: counting });
    await world.host(testSpec("agent"));
    expect(await world.host(testSpec("agent", { revision: 2, durability: "local" }))).toBe("conflict");
    expect(world.stats("agent")?.status).toBe("running");
  });

  test("mail of a volatile agent becomes dead letters when it is removed, and when the node stops", async () => {
    const world = new AgentThreadWorld({});
    await world.host(testSpec("removed"), true);
    await world.host(testSpec("stopped"), true);
    world.deliver(to(1, "removed", "a"), to(2, "stopped", "b"));
    await world.stop("removed", true);
    await world.shutdown();
    expect(world.stopped).toBe(true);
    expect(await world.deadLetters()).toEqual(
      expect.arrayContaining([
        { reason: "agent_removed", text: "a" },
        { reason: "node_stopped", text: "b" },
      ]),
    );
  });

  test("mail that expires in the inbox becomes a dead letter", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({ agent: recorder(seen) });
    await world.host(testSpec("agent"), true);
    world.deliver(
      to(1, "agent", "late", { replyBy_ms: world.store.clock.wall_ms() + 50 }),
      to(2, "agent", "fine"),
    );
    await world.advance(100);
    await world.ask("resume", "agent");
    expect(seen).toEqual(["fine"]);
    expect(await world.deadLetters()).toEqual([{ reason: "expired", text: "late" }]);
  });
});

describe("timers, logs, protocols", () => {
  test("timers go off once, in order, and can be set again, moved and cancelled", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({
      agent: {
        handle: (_message, { host }) => {
          host.timerSet(1, 300);
          host.timerSet(2, 100);
          host.timerSet(3, 50);
          host.timerSet(4, 60);
          host.timerCancel(4);
          host.timerSet(3, 200);
        },
        onTimer: (id, { host }) => {
          seen.push(`${id} at ${host.now() - start_ms}`);
          if (id === 2 && seen.length === 1) host.timerSet(2, 150);
        },
      },
    });
    const start_ms = world.store.clock.wall_ms();
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "go"));
    await world.advance(1_000);
    expect(seen).toEqual(["2 at 100", "3 at 200", "2 at 250", "1 at 300"]);
  });

  test("an agent that goes on with calls that are refused is stopped after a thousand in one handling", async () => {
    const answers: number[] = [];
    const world = new AgentThreadWorld({
      agent: {
        handle: (message, { host }) => {
          const times = Number(textOf(message));
          for (let i = 0; i < times; i++) answers.push(host.send(new Uint8Array(3)));
        },
      },
    });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "1000"), to(2, "agent", "1000"));
    await world.settle();
    expect([answers.length, new Set(answers)]).toEqual([2_000, new Set([-1])]);
    expect(world.stats("agent")?.traps).toBe(0);
    world.deliver(to(3, "agent", "1001"));
    await world.settle();
    expect(answers.length).toBe(3_000);
    expect(world.events.filter(({ kind }) => kind === "trap")).toMatchObject([{ trap: "refused_calls" }]);
  });

  test("nothing is made of a log text beyond the limit", async () => {
    const world = new AgentThreadWorld({
      agent: {
        handle: (_message, { host }) => {
          for (let i = 0; i < 200; i++) host.log(1, new Uint8Array([0x61]));
          // What is no bytes at all could not be decoded.
          for (let i = 0; i < 1_000; i++) host.log(1, null as never);
        },
      },
    });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "go"));
    await world.settle();
    expect(world.stats("agent")).toMatchObject({ handled: 1, traps: 0 });
    expect(world.events.filter(({ kind }) => kind === "log")).toHaveLength(200);
  });

  test("an agent has at most 64 timers", async () => {
    const answers: number[] = [];
    const world = new AgentThreadWorld({
      agent: {
        handle: (_message, { host }) =>
          void Array.from({ length: 65 }, (_, id) => answers.push(host.timerSet(id, 1e9))),
      },
    });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "go"));
    await world.settle();
    expect(answers.filter((answer) => answer === 0)).toHaveLength(64);
    expect(answers.at(-1)).toBe(-5);
  });

  test("an agent that logs too much is cut to 200 lines a second, and told so", async () => {
    const line = new TextEncoder().encode("again");
    const world = new AgentThreadWorld({
      agent: { handle: (_message, { host }) => void Array.from({ length: 300 }, () => host.log(1, line)) },
    });
    await world.host(testSpec("agent"));
    world.deliver(to(1, "agent", "go"));
    await world.advance(1_000);
    world.deliver(to(2, "agent", "go"));
    await world.settle();
    const lines = world.events.flatMap((event) => (event.kind === "log" ? [event.text] : []));
    expect(lines.filter((text) => text === "again")).toHaveLength(400);
    expect(lines.find((text) => text !== "again")).toContain("100 lines left out");
  });

  test("a message out of protocol is answered with not-understood and never reaches the agent", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({ agent: recorder(seen) });
    await world.host(testSpec("agent"));
    const fields = { conversationId: "c-1", protocol: "fipa-request" } as const;
    world.deliver(to(1, "agent", "odd", { ...fields, performative: "agree", replyWith: "t-1" }));
    world.deliver(to(2, "agent", "odd too", { ...fields, performative: "not-understood" }));
    world.deliver(to(3, "agent", "fine", { ...fields, performative: "request" }));
    await world.settle();
    expect(seen).toEqual(["fine"]);
    expect(
      world.sent.map(({ message }) => [message.performative, message.receiver, message.inReplyTo]),
    ).toEqual([["not-understood", "~alice@node-1", "t-1"]]);
  });

  test("an agent's own message out of protocol is refused with -1; a trap takes back what it said", async () => {
    const answers: number[] = [];
    const fields = { conversationId: "c-1", protocol: "fipa-request" } as const;
    const world = new AgentThreadWorld({
      agent: {
        handle: (message, { send }) => {
          if (textOf(message) === "odd")
            answers.push(send("far", "x", { ...fields, performative: "inform" }));
          else answers.push(send("far", "x", { ...fields, performative: "request" }));
          if (textOf(message) === "poison") trap("unreachable");
        },
      },
    });
    await world.host(testSpec("agent"));
    world.deliver(
      to(1, "agent", "odd"),
      to(2, "agent", "poison"),
      to(3, "agent", "request"),
      to(4, "agent", "twice"),
    );
    await world.settle();
    expect(answers).toEqual([-1, 0, 0, -1]);
    expect(world.sent).toHaveLength(1);
  });
});

describe("fairness", () => {
  test("an agent that floods itself does not keep a thousand messages of another waiting", async () => {
    const counts = { flood: 0, quiet: 0 };
    const world = new AgentThreadWorld({
      flood: {
        handle: (_message, { send }) => {
          counts.flood++;
          send("flood", "again");
          send("flood", "again");
        },
      },
      quiet: { handle: () => void counts.quiet++ },
    });
    await world.host(testSpec("flood", { limits: { inbox_messages: 10_000 } }));
    await world.host(testSpec("quiet"));
    world.deliver(to(1, "flood", "go"));
    for (let i = 0; i < 10; i++) world.turn();
    world.deliver(...Array.from({ length: 1_000 }, (_, n) => to(10 + n, "quiet", "x")));
    const before = counts.flood;
    while (counts.quiet < 1_000 && world.turn());
    expect(counts.quiet).toBe(1_000);
    expect(counts.flood - before).toBeLessThan(1_500);
  });

  test("an expensive agent gets fuel, not turns: cheap ones handle more", async () => {
    const counts = { heavy: 0, light: 0 };
    const world = new AgentThreadWorld({
      heavy: {
        fuel: 1_000_000,
        handle: (_message, { send }) => void (counts.heavy++, send("heavy", "again")),
      },
      light: { fuel: 1_000, handle: (_message, { send }) => void (counts.light++, send("light", "again")) },
    });
    await world.host(testSpec("heavy"));
    await world.host(testSpec("light"));
    world.deliver(to(1, "heavy", "go"), to(2, "light", "go"));
    for (let i = 0; i < 50; i++) world.turn();
    expect(counts.heavy).toBeGreaterThan(5);
    expect(counts.light / counts.heavy).toBeGreaterThan(200);
  });

  test("the thread returns to its events between slices, however much there is to do", async () => {
    let handled = 0;
    const world = new AgentThreadWorld({
      busy: { fuel: 10_000, handle: (_message, { send }) => void (handled++, send("busy", "again")) },
    });
    await world.host(testSpec("busy"));
    world.deliver(to(1, "busy", "go"));
    const first = handled;
    world.turn();
    expect(first).toBeLessThan(400);
    expect(handled - first).toBeLessThan(400);
  });
});

function trap(kind: "unreachable" | "fuel" | "memory"): never {
  throw new AgentTrap(kind, "as the test asked");
}
