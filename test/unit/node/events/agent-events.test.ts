import { expect, test } from "vitest";
import type { LocalAgentEvent } from "../../../../src/agents/local-agents.ts";
import type { AgentName } from "../../../../src/base/ids.ts";
import { AgentEvents } from "../../../../src/node/events/agent-events.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";

type Trap = Extract<LocalAgentEvent, { readonly kind: "trap" }>;

const agent = "a" as AgentName;
const trap = (detail: string): Trap => ({ kind: "trap", agent, trap: "fuel", detail, at_ms: 1 });

function world() {
  const clock = new VirtualClock();
  const log = new EventLog(clock, 0);
  const events = new AgentEvents(log, clock);
  const told = (): string[] => log.since(-1, 100).map(({ text }) => text);
  return { clock, events, told };
}

test("an agent that traps the same way again and again is told of twice: at once, and with the number", () => {
  const { clock, events, told } = world();
  for (let i = 0; i < 12; i++) events.record(trap("beginning"));
  expect(told()).toEqual(["Agent 'a' trapped: fuel"]);
  clock.advance(10_000);
  expect(told()).toEqual(["Agent 'a' trapped: fuel", "Agent 'a' trapped: fuel (11 more times)"]);
  clock.advance(60_000);
  events.record(trap("beginning"));
  expect(told()).toHaveLength(3);
});

test("another trap, and the end of the restarts, are told at once, after what was counted", () => {
  const { events, told } = world();
  events.record(trap("beginning"));
  events.record(trap("beginning"));
  events.record(trap("handling a message"));
  events.record({ kind: "status", agent, status: "failed", reason: "too many restarts" } as LocalAgentEvent);
  expect(told()).toEqual([
    "Agent 'a' trapped: fuel",
    "Agent 'a' trapped: fuel (1 more time)",
    "Agent 'a' trapped: fuel",
    "Agent 'a' failed: too many restarts",
  ]);
});
