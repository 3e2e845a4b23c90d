import { expect, test } from "vitest";
import { HandOver } from "../../../src/agents/hand-over.ts";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import { CaxtonError } from "../../../src/base/errors.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { testSpec } from "../../support/agent-specs.ts";

const agent = "pricer" as AgentName;
const [self, other] = ["n1" as NodeId, "n2" as NodeId];

/** A node with one volatile agent, and another one that answers as `answers` says. */
function world(answers: (method: string) => void) {
  const moved: string[] = [];
  const spec = { ...testSpec(agent), durability: "volatile" as const };
  const owned = { agent, node: self, epoch: spec.epoch, spec };
  const parts = {
    self,
    table: { get: () => owned, refresh: () => Promise.resolve() },
    store: { move: () => Promise.resolve(1) },
    local: {
      get: () => owned,
      handOver: () => Promise.resolve({}),
      moved: (name: string) => Promise.resolve(void moved.push(name)),
    },
    reconciler: { holding: (_: string, work: () => Promise<void>) => work() },
    peers: {
      request: async (_: NodeId, method: string) => {
        answers(method);
        return Promise.resolve(new TextEncoder().encode("{}"));
      },
    },
    clock: new VirtualClock(),
    newTransfer: () => 1,
    failed: () => undefined,
  };
  const handOver = new HandOver(parts as unknown as ConstructorParameters<typeof HandOver>[0]);
  return { moved, move: () => handOver.move(agent, other, "drained") };
}

test("an agent goes to a node whose program does not know that it may be asked first", async () => {
  const { move, moved } = world((method) => {
    if (method === "agents.admit")
      throw new CaxtonError("not_found", `This node does not answer "${method}"`);
  });
  await move();
  expect(moved).toEqual([agent]);
});

test("it stays where the other node takes none", async () => {
  const { move, moved } = world((method) => {
    if (method === "agents.admit") throw new CaxtonError("no_capacity", "it is leaving");
  });
  await expect(move()).rejects.toMatchObject({ code: "no_capacity" });
  expect(moved).toEqual([]);
});
