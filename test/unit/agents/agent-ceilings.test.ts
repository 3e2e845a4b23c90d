/** What an operator does not let be deployed, and how that is said. */
import { describe, expect, test } from "vitest";
import { demandWithin, type AgentCeilings } from "../../../src/agents/agent-ceilings.ts";
import { testSpec } from "../../support/agent-specs.ts";

const mebibyte = 1024 ** 2;
const ceilings: AgentCeilings = {
  max_memory: 64 * mebibyte,
  max_fuel: 500_000_000,
  max_priority: "high",
  max_per_subject: 3,
};
const spec = testSpec("a", { priority: "high" });
const at = (memory_bytes: number, fuel: number) => ({
  ...spec,
  limits: { ...spec.limits, memory_bytes, fuel },
});
const alice = { name: "alice", owned: 2 };

describe("a deployment", () => {
  test("may ask for exactly as much as the ceilings", () => {
    expect(() => demandWithin(ceilings, at(64 * mebibyte, 500_000_000), alice)).not.toThrow();
  });

  test.each([
    [
      "memory",
      () => demandWithin(ceilings, at(65 * mebibyte, 1), alice),
      "It asks for 65MiB of memory, and agents.max_memory is 64MiB here; deploy it with less, or have an operator raise it",
    ],
    [
      "fuel",
      () => demandWithin(ceilings, at(mebibyte, 500_000_001), alice),
      "It asks for 500000001 units of fuel, and agents.max_fuel is 500000000 here",
    ],
    [
      "priority",
      () => demandWithin(ceilings, { ...spec, priority: "critical" }, alice),
      "It asks for priority critical, and agents.max_priority is high here",
    ],
    [
      "places",
      () => demandWithin(ceilings, spec, { name: "alice", owned: 3 }),
      '"alice" has deployed 3 agents, and agents.max_per_subject is 3 here; remove one',
    ],
  ])("above one in %s is refused with the key and its value", (_, demand, text) => {
    expect(demand).toThrow(expect.objectContaining({ code: "limit_exceeded" }));
    expect(demand).toThrow(text);
  });
});
