import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { agentSources, buildAgent } from "../../../wasm-agents/build.ts";
import { thorough } from "../../support/thorough.ts";

// A few, since each takes a second. C and Rust are left out: their bytes depend on the compiler's version.
const always = ["echo"];
const sometimes = ["notebook", "counter", "misbehaving-table-bomb", "misbehaving-huge-table"];
const some = thorough ? [...always, ...sometimes] : always;
const reproducible = agentSources.filter(({ name }) => some.includes(name));

describe("the checked-in modules are what their sources build to", () => {
  test.each(reproducible)("$name", async (agent) => {
    const built = await buildAgent(agent);
    if (built.kind !== "built") throw new Error(built.reason);
    const checkedIn = readFileSync(
      fileURLToPath(new URL(`../../../wasm-agents/${agent.name}.wasm`, import.meta.url)),
    );
    expect(Buffer.from(built.wasm).equals(checkedIn)).toBe(true);
  });
});

test("every source has a module, and names are unique", () => {
  const names = agentSources.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(["echo", "counter", "ping", "pong", "echo-c", "echo-rust"]));
});

test("an agent that does not compile is reported with the compiler's words", async () => {
  const built = await buildAgent({ name: "none", language: "assemblyscript", source: "echo/none.ts" });
  expect(built).toMatchObject({ kind: "failed", reason: expect.stringContaining("echo/none.ts") as string });
});
