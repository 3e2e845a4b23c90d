/** Every way an agent can misuse its thread ends in a trap of the right kind, and hurts nobody else. */
import { describe, expect, test } from "vitest";
import { RecordingHost, startAgent, trapOf } from "../../support/wasm-agents.ts";
import { agentBuilder, code, t } from "../../support/wasm-builder.ts";

const message = new Uint8Array([1, 2, 3, 4]);
const spin = code.loop(code.br(0));

describe("a call that does not end", () => {
  test("an endless loop uses up its fuel", () => {
    const agent = startAgent(agentBuilder(spin).build(), { fuel: 1_000_000 });
    expect(trapOf(() => agent.handle(message)).kind).toBe("fuel");
    expect(agent.fuelUsed).toBe(1_000_000);
    expect(agent.trapped).toBe(true);
  });

  test("endless recursion meets the call depth", () => {
    const agent = startAgent(agentBuilder([...code.get(0), ...code.get(1), ...code.call(1)]).build());
    expect(trapOf(() => agent.handle(message)).kind).toBe("call_depth");
  });

  test("memory that grows for ever is refused, then trapped", () => {
    const agent = startAgent(agentBuilder(code.loop([...code.i32(1), 0x40, 0, 0x1a, ...code.br(0)])).build());
    expect(trapOf(() => agent.handle(message)).kind).toBe("memory");
    expect(agent.memory_bytes).toBe(64 * 1_048_576);
  });
});

test("a host function is called with what the guest gave it", () => {
  const host = new RecordingHost();
  const builder = agentBuilder([...code.i32(2), ...code.get(0), ...code.get(1), ...code.call(0)], {
    before: (b) => b.importFunction("caxton", "log", [t.i32, t.i32, t.i32], []),
  });
  startAgent(builder.build(), { host }).handle(new TextEncoder().encode("hello"));
  expect(host.logs).toEqual(["2 hello"]);
});
