/** What an agent thread promises for durable agents, through failing commits and crashes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { AgentTrap } from "../../../../src/wasm/trap.ts";
import { decodeUtf8 } from "../../../../src/wire/cursor.ts";
import type { Message } from "../../../../src/wire/message.ts";
import { testSpec } from "../../../support/agent-specs.ts";
import { AgentThreadWorld, type Script } from "../../../support/agent-thread-world.ts";
import { testMessage } from "../../../support/messages.ts";

const textOf = (message: Message): string => decodeUtf8(message.content);
const to = (n: number, receiver: string, content: string, fields = {}): Message =>
  testMessage(n, { sender: "~alice@node-1", receiver, content, ...fields });
const durable = { durability: "local" } as const;
const diskFull = new CaxtonError("disk_full", "No space left on device");

/** Counts in its durable state and tells somebody elsewhere. */
const counter: Script = {
  handle: (message, { get, set, send }) => {
    const count = Number(get("count") ?? "0") + 1;
    set("count", `${count}`);
    send("far", `${textOf(message)} ${count}`);
  },
};

describe("acknowledgement", () => {
  test("nothing is acknowledged and nothing leaves before it is on disk", async () => {
    const world = new AgentThreadWorld({ agent: counter });
    await world.host(testSpec("agent", durable));
    const tickets = world.deliver(to(1, "agent", "a"));
    while (world.turn());
    expect(world.outcomesOf(tickets)).toEqual([undefined]);
    expect(world.sent).toEqual([]);
    await world.settle();
    expect(world.outcomesOf(tickets)).toEqual(["accepted"]);
    expect(world.sentTexts()).toEqual(["agent>far a 1"]);
    expect(world.sent[0]?.inOutbox).toBe(true);
  });

  test("a commit that fails refuses the message, undoes the handling, and all of it can be tried again", async () => {
    const world = new AgentThreadWorld({ agent: counter });
    await world.host(testSpec("agent", durable));
    world.databases.failCommits(diskFull);
    const failed = world.deliver(to(1, "agent", "a"), to(2, "agent", "b"));
    await world.settle();
    expect(world.outcomesOf(failed)).toEqual(["storage_failed", "storage_failed"]);
    expect(world.sent).toEqual([]);
    expect(world.storage.at(-1)).toContain("No space left");
    world.databases.failCommits(undefined);
    await world.advance(10_000);
    const again = world.deliver(to(1, "agent", "a"), to(2, "agent", "b"));
    await world.settle();
    expect(world.outcomesOf(again)).toEqual(["accepted", "accepted"]);
    expect(world.sentTexts()).toEqual(["agent>far a 1", "agent>far b 2"]);
    expect(world.storage.at(-1)).toBeNull();
  });

  test("what was handled while the failing commit was under way is undone with it", async () => {
    const world = new AgentThreadWorld({ agent: counter });
    await world.host(testSpec("agent", durable));
    world.databases.failCommits(diskFull);
    const first = world.deliver(to(1, "agent", "a"));
    const second = world.deliver(to(2, "agent", "b"));
    expect(world.stats("agent")?.handled).toBe(2);
    while (!world.outcomes.has(first[0] ?? 0)) await world.store.turn();
    world.databases.failCommits(undefined);
    await world.advance(10_000);
    expect(world.outcomesOf([...first, ...second])).toEqual(["storage_failed", "storage_failed"]);
    expect(await world.stateOf("agent")).toEqual({});
    world.deliver(to(2, "agent", "b"));
    await world.settle();
    expect(world.sentTexts()).toEqual(["agent>far b 1"]);
  });

  test("mail accepted before the disk was full is handled, once, when there is room again", async () => {
    const world = new AgentThreadWorld({ agent: counter });
    await world.host(testSpec("agent", durable), true);
    world.deliver(to(1, "agent", "a"), to(2, "agent", "b"));
    await world.settle();
    world.databases.failCommits(diskFull);
    await world.ask("resume", "agent");
    await world.advance(3_000);
    expect(world.sent).toEqual([]);
    world.databases.failCommits(undefined);
    await world.advance(20_000);
    expect(world.sentTexts()).toEqual(["agent>far a 1", "agent>far b 2"]);
  });

  test("mail of an agent of this thread survives the receiver's failed commit", async () => {
    const seen: string[] = [];
    const world = new AgentThreadWorld({
      front: { handle: (message, { send }) => void send("back", textOf(message)) },
      back: { handle: (message) => void seen.push(textOf(message)) },
    });
    await world.host(testSpec("front"));
    await world.host(testSpec("back", durable));
    world.databases.failCommits(diskFull);
    world.deliver(to(1, "front", "a"));
    await world.settle();
    world.databases.failCommits(undefined);
    await world.advance(10_000);
    expect(world.stats("back")).toMatchObject({ inbox: 0, status: "running" });
    expect(new Set(seen)).toEqual(new Set(["a"]));
  });
});

describe("recovery", () => {
  test("a new thread has the state, the unhandled mail, the timers and the memory of handled messages", async () => {
    const seen: string[] = [];
    const script: Script = {
      handle: (message, context) => {
        counter.handle?.(message, context);
        context.host.timerSet(7, 5_000);
      },
      onTimer: (id) => void seen.push(`timer ${id}`),
    };
    const before = new AgentThreadWorld({ agent: script });
    await before.host(testSpec("agent", durable));
    before.deliver(to(1, "agent", "a"));
    await before.settle();
    await before.ask("suspend", "agent");
    before.deliver(to(2, "agent", "b"));
    await before.settle();

    const after = new AgentThreadWorld({ agent: script }, before.databases);
    expect(await after.host(testSpec("agent", durable))).toBeNull();
    const again = after.deliver(to(1, "agent", "a"));
    await after.settle();
    expect(after.outcomesOf(again)).toEqual(["accepted"]);
    expect(after.sentTexts()).toEqual(["agent>far b 2"]);
    await after.advance(6_000);
    expect(seen).toEqual(["timer 7"]);
  });

  test("mail that still waits in the inbox at a restart is recognised when it is delivered again", async () => {
    const before = new AgentThreadWorld({ agent: counter });
    await before.host(testSpec("agent", durable), true);
    before.deliver(to(1, "agent", "a"));
    await before.settle();
    const after = new AgentThreadWorld({ agent: counter }, before.databases);
    await after.host(testSpec("agent", durable), true);
    const again = after.deliver(to(1, "agent", "a"));
    await after.settle();
    expect(after.outcomesOf(again)).toEqual(["accepted"]);
    expect(after.stats("agent")?.inbox).toBe(1);
    await after.ask("resume", "agent");
    expect(after.sentTexts()).toEqual(["agent>far a 1"]);
  });

  test("a timer that trapped does not go off again, neither at the agent's restart nor at the node's", async () => {
    const seen: number[] = [];
    const script: Script = {
      handle: (_message, { host }) => void host.timerSet(1, 100),
      onTimer: (id) => {
        seen.push(id);
        throw new AgentTrap("unreachable", "as the test asked");
      },
    };
    const before = new AgentThreadWorld({ agent: script });
    await before.host(testSpec("agent", durable));
    before.deliver(to(1, "agent", "go"));
    await before.advance(10_000);
    expect(before.stats("agent")).toMatchObject({ status: "running", traps: 1, restarts: 1 });
    const after = new AgentThreadWorld({ agent: script }, before.databases);
    await after.host(testSpec("agent", durable));
    await after.advance(1_000_000);
    expect(seen).toEqual([1]);
  });

  test("a timer that fell due while nothing ran goes off once, late", async () => {
    const seen: number[] = [];
    const script: Script = {
      handle: (_message, { host }) => void host.timerSet(1, 100),
      onTimer: (id) => void seen.push(id),
    };
    const before = new AgentThreadWorld({ agent: script });
    await before.host(testSpec("agent", durable));
    before.deliver(to(1, "agent", "go"));
    await before.settle();
    const after = new AgentThreadWorld({ agent: script }, before.databases);
    after.store.clock.advance(60_000);
    await after.host(testSpec("agent", durable));
    await after.advance(1_000);
    const later = new AgentThreadWorld({ agent: script }, before.databases);
    await later.host(testSpec("agent", durable));
    await later.advance(1_000_000);
    expect(seen).toEqual([1]);
  });

  test("an orderly stop keeps the memory of save for the next start, and only for that", async () => {
    const script: Script = {
      saves: true,
      handle: (message, { memory, send }) => {
        memory.set("n", `${Number(memory.get("n") ?? "0") + 1}`);
        send("far", `${textOf(message)} ${memory.get("n")}`);
      },
    };
    const first = new AgentThreadWorld({ agent: script });
    await first.host(testSpec("agent", durable));
    first.deliver(to(1, "agent", "a"));
    await first.settle();
    await first.shutdown();
    const second = new AgentThreadWorld({ agent: script }, first.databases);
    await second.host(testSpec("agent", durable));
    second.deliver(to(2, "agent", "b"));
    await second.settle();
    expect(second.sentTexts()).toEqual(["agent>far b 2"]);
    const crashed = new AgentThreadWorld({ agent: script }, first.databases);
    await crashed.host(testSpec("agent", durable));
    crashed.deliver(to(3, "agent", "c"));
    await crashed.settle();
    expect(crashed.sentTexts()).toEqual(["agent>far c 1"]);
  });

  test("a poison message is a dead letter for good: it does not come back with the next thread", async () => {
    const script: Script = {
      handle: (message, context) => {
        counter.handle?.(message, context);
        if (textOf(message) === "poison") throw new AgentTrap("unreachable", "as the test asked");
      },
    };
    const before = new AgentThreadWorld({ agent: script });
    await before.host(testSpec("agent", durable));
    before.deliver(to(1, "agent", "poison"), to(2, "agent", "a"));
    await before.settle();
    expect(before.sentTexts()).toEqual(["agent>far a 1"]);
    const told = { kind: "dead_letter", reason: "trap:unreachable", detail: "as the test asked" };
    expect(before.events).toContainEqual(expect.objectContaining(told));
    const after = new AgentThreadWorld({ agent: script }, before.databases);
    await after.host(testSpec("agent", durable));
    await after.settle();
    expect(after.stats("agent")).toMatchObject({ traps: 0, inbox: 0 });
    expect(await after.deadLetters()).toEqual([{ reason: "trap:unreachable", text: "poison" }]);
  });

  test("between durable agents of one thread the sender's commit is the receiver's acceptance", async () => {
    const seen: string[] = [];
    const scripts: Record<string, Script> = {
      front: { handle: (message, { send }) => void send("back", textOf(message)) },
      back: { handle: (message) => void seen.push(textOf(message)) },
    };
    const before = new AgentThreadWorld(scripts);
    await before.host(testSpec("front", durable));
    await before.host(testSpec("back", durable), true);
    before.deliver(to(1, "front", "a"));
    await before.settle();
    expect(await before.outbox()).toEqual([]);
    const after = new AgentThreadWorld(scripts, before.databases);
    await after.host(testSpec("back", durable));
    await after.settle();
    expect(seen).toEqual(["a"]);
  });
});

describe("properties", () => {
  const relay: Record<string, Script> = {
    front: {
      handle: (message, { send }) =>
        void send("back", textOf(message), { conversationId: message.conversationId }),
    },
    back: {
      handle: (message, { get, set, send, memory }) => {
        const key = message.conversationId;
        set("total", `${Number(get("total") ?? "0") + 1}`);
        send("far", textOf(message), { conversationId: key });
        memory.set("n", `${Number(memory.get("n") ?? "0") + 1}`);
        if (memory.get("n") === "7") throw new AgentTrap("unreachable", "as the test asked, sometimes");
      },
    },
  };

  /**
   * What main does: a lane for each sender, one message at a time, the same again until it is accepted; and a
   * lane for what leaves the thread for an agent that is here again.
   */
  class Lanes {
    readonly lanes: Message[][] = [[], [], [], []];
    readonly #open = new Map<number, number>();
    readonly #counts = [0, 0, 0];
    #id = 0;
    #seen = 0;
    /** Of what the last thread had sent to `back`. */
    #owed = 0;

    add(sender: number, count: number): void {
      for (let i = 0; i < count; i++) {
        const n = this.#counts[sender] ?? 0;
        this.#counts[sender] = n + 1;
        const receiver = sender === 0 ? "front" : "back";
        this.lanes[sender]?.push(to(++this.#id, receiver, `${n}`, { conversationId: `c${sender}` }));
      }
    }

    async pump(world: AgentThreadWorld): Promise<void> {
      for (; this.#seen < world.sent.length; this.#seen++) {
        const message = world.sent[this.#seen]?.message;
        if (message?.receiver === "back") this.lanes[3]?.push(message);
      }
      for (const [lane, messages] of this.lanes.entries()) {
        const ticket = this.#open.get(lane);
        const outcome = ticket === undefined ? undefined : world.outcomes.get(ticket);
        if (ticket !== undefined && outcome === undefined) continue;
        if (outcome === "accepted") await this.#accepted(world, lane, messages.shift());
        const [message] = messages;
        const [next] = message === undefined ? [] : world.deliver(message);
        if (next === undefined) this.#open.delete(lane);
        else this.#open.set(lane, next);
      }
    }

    /**
     * The thread ended: nobody knows what became of what was open; what was to leave is in the outbox, which is sent
     * again. The next thread is told before its agents begin.
     */
    async crashed(before: AgentThreadWorld): Promise<AgentThreadWorld> {
      this.#open.clear();
      this.#seen = 0;
      const world = relayWorld(before);
      this.lanes[3] = (await world.outbox()).filter(({ receiver }) => receiver === "back");
      this.#owed = this.lanes[3].length;
      if (this.#owed > 0) world.thread.receive({ kind: "owed", receivers: ["back"] });
      return await startRelay(world);
    }

    get done(): boolean {
      return this.lanes.every((messages) => messages.length === 0);
    }

    expected(sender: number): string[] {
      return Array.from({ length: this.#counts[sender] ?? 0 }, (_, n) => `${n}`);
    }

    async #accepted(world: AgentThreadWorld, lane: number, message: Message | undefined): Promise<void> {
      if (lane !== 3 || message === undefined) return;
      const out = world.sent.find((sent) => sent.message.messageId === message.messageId);
      if (out !== undefined) world.answer(out.ticket);
      else if (--this.#owed === 0) world.thread.receive({ kind: "settled", receiver: "back" });
      world.databases.failCommits(undefined);
      const removed = world.store.client().append([{ kind: "sent", message: message.messageId }]);
      await world.settle();
      await removed;
    }
  }

  const kinds = [
    "pump",
    "pump",
    "pump",
    "thread",
    "store",
    "store",
    "full",
    "full",
    "room",
    "time",
    "crash",
  ] as const;
  const step = fc.oneof(
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("send" as const), sender: fc.nat(2), count: fc.nat(6) }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom(...kinds) }) },
  );

  test("through crashes, traps and full disks all mail is handled once in effect, in each sender's order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        let world = await startRelay(relayWorld(undefined));
        const lanes = new Lanes();
        for (const sender of [0, 1, 2]) lanes.add(sender, 4);
        for (const each of steps) {
          switch (each.kind) {
            case "send":
              lanes.add(each.sender, each.count);
              break;
            case "thread":
              world.turn();
              break;
            case "store":
              await world.store.turn();
              break;
            case "pump":
              await lanes.pump(world);
              break;
            case "full":
              world.databases.failCommits(diskFull);
              break;
            case "room":
              world.databases.failCommits(undefined);
              break;
            case "time":
              await world.advance(200);
              break;
            case "crash":
              world.databases.failCommits(undefined);
              world = await lanes.crashed(world);
              break;
          }
        }
        world.databases.failCommits(undefined);
        for (let i = 0; i < 1_000 && !lanes.done; i++) {
          await lanes.pump(world);
          await world.advance(100);
        }
        await world.advance(20_000);
        const dead = (await world.deadLetters()).map(({ text }) => text);
        const left = (await world.outbox()).filter(({ receiver }) => receiver === "far");
        for (const sender of [0, 1, 2]) {
          const handled = left.filter(({ conversationId }) => conversationId === `c${sender}`).map(textOf);
          const trapped = lanes.expected(sender).filter((n) => !handled.includes(n));
          expect(handled).toEqual(lanes.expected(sender).filter((n) => !trapped.includes(n)));
          for (const n of trapped) expect(dead).toContain(n);
        }
        const all = [0, 1, 2].flatMap((sender) => lanes.expected(sender)).length;
        expect(left.length + dead.length).toBe(all);
        expect(await world.stateOf("back")).toEqual(left.length === 0 ? {} : { total: `${left.length}` });
      }),
      { numRuns: 40 },
    );
  });

  function relayWorld(before: AgentThreadWorld | undefined): AgentThreadWorld {
    return new AgentThreadWorld(relay, before?.databases, (before?.seed ?? 0) + 1);
  }

  async function startRelay(world: AgentThreadWorld): Promise<AgentThreadWorld> {
    await world.host(testSpec("front", durable));
    await world.host(testSpec("back", { ...durable, restart: { policy: "restart", maxRestarts: 1_000 } }));
    return world;
  }
});
