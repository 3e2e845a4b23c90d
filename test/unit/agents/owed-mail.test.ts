/** Mail of the outbox stays ahead of what its senders say next, wherever they begin again (from main's side). */
import { describe, expect, test } from "vitest";
import type { AgentThreadPort } from "../../../src/agents/agent-thread-handle.ts";
import { AgentThreads } from "../../../src/agents/agent-threads.ts";
import { OwedMail, ToldMail } from "../../../src/agents/owed-mail.ts";
import type { FromAgentThread, ToAgentThread } from "../../../src/agents/thread/thread-protocol.ts";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import { BatchWriter, flagInOutbox } from "../../../src/messaging/message-batch.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { MessagePortLike } from "../../../src/ports/threads.ts";
import type { PreparedModule } from "../../../src/wasm/prepare.ts";
import type { Outcome } from "../../../src/wire/outcome.ts";
import { testSpec } from "../../support/agent-specs.ts";
import { heldLease } from "../../support/held-lease.ts";
import { encodedMessage } from "../../support/messages.ts";

/** A thread of which only its end of the channel exists: it says what the test has it say. */
class ThreadEnd implements AgentThreadPort {
  readonly heard: ToAgentThread[] = [];
  end: (error: Error | undefined) => void = () => undefined;
  #say: (message: FromAgentThread) => void = () => undefined;

  post(message: ToAgentThread): void {
    this.heard.push(message);
    if (message.kind === "init") queueMicrotask(() => this.say({ kind: "ready" }));
    if (message.kind !== "hosts" && message.kind !== "stop") return;
    const asked = message.kind === "hosts" ? message.hosts : [message];
    const answers = asked.map(({ request }) => ({ request, result: "done" }) as const);
    queueMicrotask(() => this.say({ kind: "answers", answers }));
  }

  receive(handler: (message: FromAgentThread) => void): void {
    this.#say = handler;
  }

  ended(handler: (error: Error | undefined) => void): void {
    this.end = handler;
  }

  close(): void {
    // Nothing is open.
  }

  terminate(): Promise<void> {
    return Promise.resolve();
  }

  say(message: FromAgentThread): void {
    this.#say(message);
  }

  /** One of its agents has sent that; `durable`: its commit holds it. */
  sends(message: Uint8Array, durable: boolean): void {
    const batch = new BatchWriter();
    batch.add(durable ? flagInOutbox : 0, 1, message);
    this.say({ kind: "send", batch: batch.take() });
  }

  /** In order: which agents began, and what was said of mail that is under way. */
  get story(): string[] {
    return this.heard.flatMap((message) => {
      if (message.kind === "hosts") return message.hosts.map(({ spec }) => `host ${spec.name}`);
      if (message.kind === "owed") return [`owed ${message.receivers.join(" ")}`];
      return message.kind === "settled" ? [`settled ${message.receiver}`] : [];
    });
  }
}

async function world(threads = 1) {
  const clock = new VirtualClock();
  const ends: ThreadEnd[] = [];
  const open: ((outcome: Outcome) => void)[] = [];
  const recovery = { lost: (): Promise<void> => Promise.resolve() };
  const agents = await AgentThreads.start({
    node: "node-1" as NodeId,
    threads,
    memory_bytes: 1024 ** 2,
    seed: 1,
    clock,
    lease: heldLease(),
    spawn: () => {
      const end = new ThreadEnd();
      ends.push(end);
      return end;
    },
    storePort: () => ({ postMessage: () => undefined }) satisfies MessagePortLike,
    module: () => Promise.resolve({} as PreparedModule),
    sent: (_message, _inOutbox, done) => void open.push(done),
    event: () => undefined,
    storage: () => undefined,
    lost: () => recovery.lost(),
  });
  return { clock, ends, open, recovery, agents };
}

/** All that is ready to go on has gone on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const mail = (n: number, sender: string, receiver: string): Uint8Array =>
  encodedMessage(n, { sender, receiver });

describe("a thread is told of older mail", () => {
  test("of the outbox of the last run, before its sender begins, and when the last of it has ended", async () => {
    const { agents, ends } = await world();
    const first = agents.carries(mail(1, "front", "back"));
    const second = agents.carries(mail(2, "front", "back"));
    const others = agents.carries(mail(3, "somebody", "else"));
    await agents.host(testSpec("front"), false);
    expect(ends[0]?.story).toEqual(["owed back", "host front"]);
    first();
    others();
    expect(ends[0]?.story).toEqual(["owed back", "host front"]);
    second();
    expect(ends[0]?.story).toEqual(["owed back", "host front", "settled back"]);
  });

  test("not of what is new, and of what two of its agents have under way until both are answered", async () => {
    const { agents, ends } = await world();
    const ofFront = agents.carries(mail(1, "front", "back"));
    const ofSide = agents.carries(mail(2, "side", "back"));
    await agents.host(testSpec("new"), false, true);
    await agents.host(testSpec("front"), false);
    await agents.host(testSpec("side"), false);
    ofFront();
    expect(ends[0]?.story).toEqual(["host new", "owed back", "host front", "host side"]);
    ofSide();
    expect(ends[0]?.story.at(-1)).toBe("settled back");
  });

  test("of what the thread before it had sent durably; its agents wait until main has the outbox", async () => {
    const { agents, ends, open, recovery, clock } = await world();
    await agents.host(testSpec("front"), false, true);
    ends[0]?.sends(mail(1, "front", "far"), true);
    ends[0]?.sends(mail(2, "front", "volatile"), false);
    const outbox = Promise.withResolvers<void>();
    recovery.lost = () => outbox.promise;
    ends[0]?.end(new Error("as the test asked"));
    clock.advance(60_000);
    await turn();
    expect(ends).toHaveLength(1);
    const ofOutbox = agents.carries(mail(3, "front", "back"));
    outbox.resolve();
    await turn();
    expect(ends[1]?.story).toEqual(["owed far back", "host front"]);
    for (const done of open) done("accepted");
    ofOutbox();
    expect(ends[1]?.story.slice(2)).toEqual(["settled far", "settled back"]);
  });

  test("also when its sender comes back to another thread than it left", async () => {
    const { agents, ends } = await world(2);
    await agents.host(testSpec("front"), false, true);
    ends[0]?.sends(mail(1, "front", "far"), true);
    await agents.stop("front" as AgentName, false);
    await agents.host(testSpec("first"), false, true);
    await agents.host(testSpec("front"), false);
    expect(ends[1]?.story).toEqual(["owed far", "host front"]);
  });
});

describe("accounts", () => {
  test("what was told is settled once, by the last of its senders", () => {
    const owed = new OwedMail();
    const told = new ToldMail();
    const ended = owed.carry(mail(1, "front", "back"));
    expect(told.tell("front", owed.receiversOf("front"))).toEqual(["back"]);
    expect(told.tell("front", owed.receiversOf("front"))).toEqual([]);
    const pair = ended();
    expect(pair).toEqual({ sender: "front", receiver: "back" });
    expect(owed.receiversOf("front")).toEqual([]);
    if (pair === undefined) return;
    expect(told.settle({ sender: "side", receiver: "back" })).toBe(false);
    expect(told.settle(pair)).toBe(true);
    expect(told.settle(pair)).toBe(false);
  });
});
