import { expect, test } from "vitest";
import { agentPlaces } from "../../../src/node/agent-places.ts";

test("a witness offers no place to agents, all others as many as they are told", () => {
  expect(agentPlaces({ role: "witness", max_agents: 100 })).toBe(0);
  expect(agentPlaces({ role: "voter", max_agents: 100 })).toBe(100);
  expect(agentPlaces({ role: "learner", max_agents: 0 })).toBe(0);
});
