/** What a trapped call asked for beyond its agent's memory: nothing of it happens. */
import { expect, test } from "vitest";
import { AgentTrap } from "../../../../src/wasm/trap.ts";
import { decodeUtf8 } from "../../../../src/wire/cursor.ts";
import type { Message } from "../../../../src/wire/message.ts";
import { testSpec } from "../../../support/agent-specs.ts";
import { AgentThreadWorld, type Script } from "../../../support/agent-thread-world.ts";
import { testMessage } from "../../../support/messages.ts";

const textOf = (message: Message): string => decodeUtf8(message.content);
const to = (n: number, content: string): Message =>
  testMessage(n, { sender: "~alice@node-1", receiver: "agent", content });

/** Sets timer 1, or cancels it, and traps where it is told to. */
const setter: Script = {
  handle: (message, { host, set }) => {
    const text = textOf(message);
    // So that the call leaves something: what an earlier one left undone would go with it.
    set("last", text);
    if (text.startsWith("set")) host.timerSet(1, 100);
    if (text.startsWith("cancel")) host.timerCancel(1);
    if (text.endsWith("and trap")) throw new AgentTrap("unreachable", "as the test asked");
  },
  onTimer: (id, { send }) => void send("far", `timer ${id}`),
};

test.each([{ durability: "volatile" }, { durability: "local" }] as const)(
  "a timer set by a call that trapped never goes off ($durability)",
  async (fields) => {
    const world = new AgentThreadWorld({ agent: setter });
    await world.host(testSpec("agent", fields));
    world.deliver(to(1, "set and trap"));
    await world.settle();
    // A later call that succeeds must not carry it out either.
    world.deliver(to(2, "nothing"));
    await world.advance(1_000);
    expect(world.stats("agent")).toMatchObject({ traps: 1, handled: 1 });
    expect(world.sentTexts()).toEqual([]);
  },
);

test.each([{ durability: "volatile" }, { durability: "local" }] as const)(
  "a timer cancelled by a call that trapped goes off ($durability)",
  async (fields) => {
    const world = new AgentThreadWorld({ agent: setter });
    await world.host(testSpec("agent", fields));
    world.deliver(to(1, "set"), to(2, "cancel and trap"), to(3, "nothing"));
    await world.advance(1_000);
    expect(world.sentTexts()).toEqual(["agent>far timer 1"]);
  },
);
