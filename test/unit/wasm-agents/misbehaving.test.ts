/** The misbehaving examples under the real limits: each is stopped for its own reason, and a neighbour goes on. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { TrapKind } from "../../../src/wasm/trap.ts";
import { contentOf, decodeMessage, encodeMessage } from "../../../src/wire/message.ts";
import { testMessage, textOf } from "../../support/agent-test-host.ts";
import { RecordingHost, startAgent, trapOf } from "../../support/wasm-agents.ts";

function moduleOf(name: string): Buffer {
  return readFileSync(fileURLToPath(new URL(`../../../wasm-agents/${name}.wasm`, import.meta.url)));
}

const hello = encodeMessage(testMessage({ content: "hello" }));
const go = encodeMessage(testMessage({ content: "go" }));

describe("misbehaving agents", () => {
  test.each<[string, TrapKind]>([
    ["endless-loop", "fuel"],
    ["endless-recursion", "call_depth"],
    ["memory-bomb", "memory"],
    ["huge-fill", "fuel"],
    ["bad-pointer", "abi"],
  ])("%s answers until it is told to go, then is stopped: %s", (name, kind) => {
    const [host, besideHost] = [new RecordingHost(), new RecordingHost()];
    const agent = startAgent(moduleOf(`misbehaving-${name}`), { host });
    const beside = startAgent(moduleOf("echo"), { host: besideHost });
    agent.init();
    agent.handle(hello);
    expect(host.sent.map((bytes) => textOf(decodeMessage(bytes)))).toEqual(["hello"]);
    expect(trapOf(() => agent.handle(go)).kind).toBe(kind);
    beside.handle(hello);
    expect(besideHost.sent.map((bytes) => Buffer.from(contentOf(bytes)).toString())).toEqual(["hello"]);
  });

  test("one that loops in init is stopped there", () => {
    const agent = startAgent(moduleOf("misbehaving-init-loop"));
    expect(trapOf(() => agent.init()).kind).toBe("fuel");
  });

  test.each([
    ["table-bomb", "table.grow"],
    ["huge-table", "its tables have 10000000 entries and 65536 are allowed"],
  ])("%s is refused when it is deployed: %s", (name, reason) => {
    expect(() => startAgent(moduleOf(`misbehaving-${name}`))).toThrow(reason);
  });
});

test.each(["echo", "echo-c", "echo-rust", "counter", "ping", "pong", "notebook", "tally"])(
  "%s runs under the real host with fuel to spare",
  (name) => {
    const host = new RecordingHost();
    const agent = startAgent(moduleOf(name), { host });
    agent.init();
    agent.handle(hello);
    expect(host.sent).toHaveLength(1);
    expect(agent.fuelUsed).toBeLessThan(20_000);
    agent.handle(encodeMessage(testMessage({ content: "x".repeat(1_000_000) })));
    expect(agent.fuelUsed).toBeLessThan(25_000_000);
  },
);
