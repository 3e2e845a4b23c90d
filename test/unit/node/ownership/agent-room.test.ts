/** A node whose agents have nearly all of their memory says that it has no more places. */
import { expect, test } from "vitest";
import { AgentRoom } from "../../../../src/node/ownership/agent-room.ts";
import { OwnTags } from "../../../../src/node/own-tags.ts";

function world(configured: number) {
  const told: number[] = [];
  const tags = new OwnTags(
    { setTags: ({ maxAgents }) => void told.push(maxAgents) },
    {
      version: "1",
      region: "r",
      zone: "z",
      api: "",
      maxAgents: configured,
      weight: 1,
      services: [],
    },
  );
  const memory = { budget_bytes: 1_600, free_bytes: 1_600 };
  return { told, tags, memory, room: new AgentRoom(tags, configured, memory) };
}

test("places are those that are taken while less than a sixteenth is free, until an eighth is", () => {
  const { told, memory, room } = world(100);
  const look = (free_bytes: number, agents: number): void => {
    memory.free_bytes = free_bytes;
    room.look(agents);
  };
  look(100, 7);
  expect(told).toEqual([]);
  look(99, 7);
  look(50, 7);
  look(50, 6);
  look(150, 6);
  expect(told).toEqual([7, 6]);
  look(200, 6);
  expect(told).toEqual([7, 6, 100]);
});

test("a full node without agents keeps one place, and one that is drained none", () => {
  const { told, tags, memory, room } = world(100);
  memory.free_bytes = 0;
  room.look(0);
  expect(told).toEqual([1]);
  tags.set({ maxAgents: 0 });
  memory.free_bytes = 1_600;
  room.look(0);
  expect(told).toEqual([1, 0]);
});
