import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { encodeMessage, type Message } from "../../../src/wire/message.ts";
import { AgentTestHost, testMessage, textOf } from "../../support/agent-test-host.ts";

function hosted(name: string, as = name): AgentTestHost {
  const path = fileURLToPath(new URL(`../../../wasm-agents/${name}.wasm`, import.meta.url));
  return new AgentTestHost(readFileSync(path), as);
}

function importsOf(host: AgentTestHost): string[] {
  return WebAssembly.Module.imports(host.module).map(({ module, name }) => `${module}.${name}`);
}

describe.each(["echo", "echo-c", "echo-rust"])("%s", (name) => {
  test("answers with inform, the same content, to the sender, in the same conversation", () => {
    const sends = hosted(name).deliver({
      content: "hello",
      protocol: "fipa-request",
      language: "en",
      ontology: "greetings",
      priority: "high",
    });
    expect(sends).toHaveLength(1);
    expect(sends[0]).toMatchObject({
      performative: "inform",
      receiver: "~client.1@node-1",
      conversationId: "c-1",
      inReplyTo: "tag-1",
      replyWith: "",
      protocol: "fipa-request",
      language: "en",
      ontology: "greetings",
      priority: "high",
      delivery: "at_least_once",
    });
    expect(textOf(sends[0])).toBe("hello");
  });

  test("answers to reply-to where it is set, and names the message's id where reply-with is not", () => {
    const [reply] = hosted(name).deliver({ replyTo: "other@node-2", replyWith: "" });
    expect(reply).toMatchObject({
      receiver: "other@node-2",
      inReplyTo: "01890000-0000-7000-8000-0000000000ab",
    });
  });

  test("leaves replies unanswered, so that two echoes fall silent", () => {
    expect(hosted(name).deliver({ performative: "inform", inReplyTo: "tag-0" })).toEqual([]);
  });

  test("gives any bytes back, of any length", () => {
    const host = hosted(name);
    for (const length of [0, 1, 255, 65_536, 1_000_003]) {
      const content = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
      const [reply] = host.deliver({ content });
      expect(Buffer.from((reply as Message).content).equals(Buffer.from(content))).toBe(true);
    }
  });

  test("does not ask again for exactly-once, and keeps at-most-once", () => {
    const host = hosted(name);
    expect(host.deliver({ delivery: "exactly_once" })[0]?.delivery).toBe("at_least_once");
    expect(host.deliver({ delivery: "at_most_once" })[0]?.delivery).toBe("at_most_once");
  });

  test("keeps its memory small over many messages", () => {
    const host = hosted(name);
    for (let i = 0; i < 20_000; i++) host.deliver({ content: "x".repeat(200) });
    expect(host.memory_bytes).toBeLessThanOrEqual(2 * 65_536);
  });

  test("imports nothing but send", () => {
    expect(importsOf(hosted(name))).toEqual(["caxton.send"]);
  });
});

describe("counter", () => {
  test("answers each request with the new count, which survives a restart", () => {
    const host = hosted("counter");
    const count = (): string => textOf(host.deliver({})[0]);
    expect([count(), count(), count()]).toEqual(["1", "2", "3"]);
    host.restart();
    expect(count()).toBe("4");
    expect(host.state).toEqual(new Map([["count", "4"]]));
  });

  test("counts requests only", () => {
    const host = hosted("counter");
    expect(host.deliver({ performative: "inform" })).toEqual([]);
    expect(host.state.size).toBe(0);
  });
});

test("tally counts in memory, and save and load carry the count to another instance", () => {
  const old = hosted("tally");
  for (let i = 0; i < 3; i++) old.deliver({});
  const saved = old.save();
  expect(new TextDecoder().decode(saved)).toBe("3");
  const next = hosted("tally");
  expect(textOf(next.deliver({})[0])).toBe("1");
  next.load(saved);
  expect(textOf(next.deliver({})[0])).toBe("4");
});

/** Hands messages between hosts until all are silent; returns those for nobody here. */
function settle(
  hosts: readonly AgentTestHost[],
  first: readonly Message[],
): { out: Message[]; delivered: number } {
  const out: Message[] = [];
  const queue = [...first];
  let delivered = 0;
  for (let message = queue.shift(); message; message = queue.shift()) {
    const to = hosts.find((host) => host.name === message?.receiver);
    if (to) {
      queue.push(...to.deliver(message));
      delivered++;
    } else out.push(message);
  }
  return { out, delivered };
}

describe("ping and pong", () => {
  test("play as many rounds as asked, then report to the requester", () => {
    const hosts = [hosted("ping"), hosted("pong")];
    const { out, delivered } = settle(hosts, [testMessage({ receiver: "ping", content: "50" })]);
    expect(out).toHaveLength(1);
    expect(out[0]).toMatchObject({
      performative: "inform",
      receiver: "~client.1@node-1",
      conversationId: "c-1",
      inReplyTo: "tag-1",
    });
    expect(textOf(out[0])).toBe("50 rounds with pong");
    expect(delivered).toBe(1 + 2 * 50);
    expect(hosts[0]?.state.size).toBe(0);
  });

  test("play several games at once, also across a restart, with a named opponent", () => {
    const hosts = [hosted("ping"), hosted("pong", "rival")];
    const ids = ["a", "b"].map(
      (digit) => `01890000-0000-7000-8000-00000000000${digit}` as Message["messageId"],
    );
    const first = ids.flatMap(
      (messageId) => hosts[0]?.deliver({ messageId, content: "3 rival", replyWith: messageId }) ?? [],
    );
    hosts[0]?.restart();
    const { out } = settle(hosts, first);
    expect(out.map((message) => [textOf(message), message.inReplyTo])).toEqual(
      ids.map((id) => ["3 rounds with rival", id]),
    );
  });

  test("ping says what it does not understand, and reports an opponent's failure", () => {
    const ping = hosted("ping");
    for (const content of ["", "0", "7".repeat(201), "-1", "many", "1000001", "1 a b", "1.5"]) {
      expect(ping.deliver({ content })[0]?.performative).toBe("not-understood");
    }
    const [serve] = ping.deliver({ content: "5" });
    const answer = ping.deliver({
      performative: "failure",
      conversationId: (serve as Message).conversationId,
      inReplyTo: "1",
      content: "no such agent",
    });
    expect(answer.map((message) => [message.performative, textOf(message)])).toEqual([
      ["failure", "pong answered failure"],
    ]);
    expect(ping.state.size).toBe(0);
    expect(ping.deliver({ performative: "inform", conversationId: "unknown", inReplyTo: "1" })).toEqual([]);
  });

  test("ping forgets a game that it can neither go on with nor report", () => {
    const ping = hosted("ping");
    const [serve] = ping.deliver({ content: "5" });
    ping.sendResult = -2;
    expect(
      ping.deliver({
        performative: "inform",
        conversationId: (serve as Message).conversationId,
        inReplyTo: "1",
      }),
    ).toEqual([]);
    expect(ping.state.size).toBe(0);
  });
});

describe("notebook", () => {
  const say = (host: AgentTestHost, content: string): string => textOf(host.deliver({ content })[0]);

  test("lists notes in the order of their names, by prefix, also after a restart", () => {
    const host = hosted("notebook");
    for (const name of ["milk", "b", "mild", "a", "ä"])
      expect(say(host, `set ${name} note of ${name}`)).toBe("done");
    host.restart();
    expect(say(host, "list")).toBe(
      ["a", "b", "mild", "milk", "ä"].map((name) => `${name}: note of ${name}`).join("\n"),
    );
    expect(say(host, "list mil")).toBe("mild: note of mild\nmilk: note of milk");
    expect(say(host, "list milk")).toBe("milk: note of milk");
    expect(say(host, "remove milk")).toBe("done");
    expect(say(host, "list mil")).toBe("mild: note of mild");
    expect(say(host, "list z")).toBe("nothing");
  });

  test("keeps a value longer than its first guess", () => {
    const host = hosted("notebook");
    say(host, `set long ${"x".repeat(5_000)}`);
    expect(say(host, "list long")).toBe(`long: ${"x".repeat(5_000)}`);
  });

  test("reminds the requester when its timer is due, once", () => {
    const host = hosted("notebook");
    expect(say(host, "remind 1500 drink tea")).toBe("done");
    expect(host.timers).toEqual(new Map([[42, 6_500]]));
    expect(host.logs).toEqual([{ level: 1, text: "reminder 42 at 6500.0" }]);
    host.restart();
    const sends = host.fireTimer(42);
    expect(
      sends.map((message) => [message.receiver, message.conversationId, message.inReplyTo, textOf(message)]),
    ).toEqual([["~client.1@node-1", "c-1", "tag-1", "drink tea"]]);
    expect(host.fireTimer(42)).toEqual([]);
  });

  test("refuses a key that is too long, and what it does not understand", () => {
    const host = hosted("notebook");
    expect(say(host, `set ${"k".repeat(600)} v`)).toBe("refused: -6");
    expect(say(host, "remind soon x")).toBe("refused: -1");
    expect(host.deliver({ content: "sing" })[0]?.performative).toBe("not-understood");
    expect(host.deliver({ content: "set a ".padEnd(70_000, "b") })[0]?.performative).toBe("refuse");
    expect(host.state.size).toBe(0);
  });
});

describe("misbehaving agents behave until they are told to go", () => {
  test.each(["endless-loop", "endless-recursion", "memory-bomb", "huge-fill", "bad-pointer", "table-bomb"])(
    "%s",
    (limit) => {
      const host = hosted(`misbehaving-${limit}`);
      const sends = host.deliver({ content: "fine" });
      expect(sends).toHaveLength(1);
      expect(sends[0]).toMatchObject({
        performative: "inform",
        receiver: "~client.1@node-1",
        conversationId: "c-1",
        inReplyTo: "tag-1",
      });
      expect(textOf(sends[0])).toBe("fine");
    },
  );

  test("bad-pointer hands over a range outside of its memory", () => {
    const host = hosted("misbehaving-bad-pointer");
    expect(() => host.deliver({ content: "go" })).toThrow("abi: 2147418112+2147418112 is outside of memory");
    host.restart();
    expect(textOf(host.deliver({ content: "again" })[0])).toBe("again");
  });

  test("endless-recursion ends in the engine's own stack limit where nothing counts depth", () => {
    expect(() => hosted("misbehaving-endless-recursion").deliver({ content: "go" })).toThrow(/stack/i);
  });

  test.each(["huge-fill", "memory-bomb", "table-bomb", "huge-table"])(
    "%s has the instruction that it is for",
    (limit) => {
      const path = fileURLToPath(new URL(`../../../wasm-agents/misbehaving-${limit}.wasm`, import.meta.url));
      const bytes = Buffer.from(readFileSync(path));
      const instruction: Readonly<Record<string, Buffer>> = {
        "huge-fill": Buffer.from([0xfc, 0x0b, 0x00]),
        "memory-bomb": Buffer.from([0x41, 0x10, 0x40, 0x00]),
        "table-bomb": Buffer.from([0xfc, 0x0f, 0x00]),
        "huge-table": Buffer.from([0x70, 0x00, 0x80, 0xad, 0xe2, 0x04]),
      };
      expect(bytes.includes(instruction[limit] as Buffer)).toBe(true);
    },
  );
});

test("the test host reads messages as the wire format does", () => {
  expect(() => encodeMessage(testMessage({ sender: "\n" }))).toThrow("printable ASCII");
});
