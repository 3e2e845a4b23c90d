import { expect, test } from "vitest";
import { AgentPeers, type AgentPeersOptions } from "../../../src/agents/agent-peers.ts";
import type { NodeId } from "../../../src/base/ids.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";

const [self, other] = ["n1" as NodeId, "n2" as NodeId];

test("an agent that was admitted is expected until the cluster decides, also one not heard of yet", async () => {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  const asker = network.join(other);
  const epochs = new Map([["known", 7]]);
  const get = (name: string) => (epochs.has(name) ? { epoch: epochs.get(name) } : undefined);
  const peers = new AgentPeers({
    self,
    clock,
    peers: network.join(self),
    table: { get },
  } as unknown as AgentPeersOptions);
  for (const name of ["known", "new"]) {
    const asked = asker.request(self, "agents.admit", new TextEncoder().encode(JSON.stringify({ name })));
    await clock.runUntilSettled(() => false, 100);
    await asked;
    expect(peers.expects, name).toBe(true);
    epochs.set(name, 8);
    expect(peers.expects, name).toBe(false);
  }
});
