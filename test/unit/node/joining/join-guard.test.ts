/** What a node that is in no cluster yet answers: questions, and a clear refusal to every write. */
import { describe, expect, test } from "vitest";
import type { NodeServices } from "../../../../src/api/services.ts";
import type { AgentName, NodeId } from "../../../../src/base/ids.ts";
import { refuseWritesOutside } from "../../../../src/node/joining/join-guard.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MemoryServices } from "../../../support/memory-services.ts";

function guarded(waitsFor: () => string | null): { services: NodeServices; memory: MemoryServices } {
  const memory = new MemoryServices(new VirtualClock());
  return { services: refuseWritesOutside(memory, waitsFor), memory };
}

const asker = { principal: "alice", idempotencyKey: null };

const writes: readonly (readonly [string, (services: NodeServices) => unknown])[] = [
  ["remove an agent", ({ agents }) => agents.remove("echo" as AgentName)],
  ["suspend", ({ agents }) => agents.suspend("echo" as AgentName)],
  ["resume", ({ agents }) => agents.resume("echo" as AgentName)],
  ["deploy", ({ agents }) => agents.deploy({} as Parameters<typeof agents.deploy>[0])],
  ["send", ({ messages }) => messages.send({} as Parameters<typeof messages.send>[0])],
  ["replay", ({ deadLetters }) => deadLetters.replay({ ids: "all", node: null })],
  ["purge", ({ deadLetters }) => deadLetters.purge({ ids: "all", node: null })],
  ["remove a node", ({ cluster }) => cluster.remove("node-9" as NodeId, true)],
  ["put a value", ({ kv }) => kv.put({} as Parameters<typeof kv.put>[0], asker)],
  ["delete a key", ({ kv }) => kv.delete({} as Parameters<typeof kv.delete>[0], asker)],
  ["lock", ({ locks }) => locks.acquire({} as Parameters<typeof locks.acquire>[0], asker)],
  ["unlock", ({ locks }) => locks.release({} as Parameters<typeof locks.release>[0], asker)],
  ["transfer leadership", ({ cluster }) => cluster.transferLeadership(null)],
  ["rotate the gossip key", ({ security }) => security.rotateGossipKey()],
  ["issue a token", ({ tokens }) => tokens.issue({} as Parameters<typeof tokens.issue>[0])],
  ["balance", ({ cluster }) => cluster.setBalancing("random")],
];

describe("a node that waits for its seeds", () => {
  const why = "waits for a seed to let it in (10.0.0.1:7946: connection refused)";

  test.each(writes)("refuses: %s", async (_name, write) => {
    const { services } = guarded(() => why);
    await expect((async () => await write(services))()).rejects.toMatchObject({
      code: "unavailable",
      message: `Node "${services.node}" is in no cluster yet: it ${why}; retry when it is in`,
    });
  });

  test("answers questions, and may be told to leave", async () => {
    const { services } = guarded(() => why);
    expect(services.agents.list()).toEqual([]);
    expect((await services.cluster.status()).nodes_active).toBeGreaterThan(0);
    await expect(
      services.cluster.leave(services.node, { drain_timeout_ms: 0, handOver: true, force: false }),
    ).resolves.toBeUndefined();
  });

  test("takes writes as soon as it is in", async () => {
    let waitsFor: string | null = why;
    const { services } = guarded(() => waitsFor);
    expect(() => services.cluster.setBalancing("random")).toThrow("in no cluster yet");
    waitsFor = null;
    await services.cluster.setBalancing("random");
    expect(services.cluster.balancing().strategy).toBe("random");
  });

  test("guards services that are classes, with what they keep to themselves and inherit", async () => {
    class Reading {
      readonly #values = new Map([["a", 1]]);
      get(key: string): Promise<number | undefined> {
        return Promise.resolve(this.#values.get(key));
      }
    }
    class Writing extends Reading {
      #writes = 0;
      put(): number {
        return ++this.#writes;
      }
    }
    const memory = new MemoryServices(new VirtualClock());
    const kv = new Writing() as unknown as NodeServices["kv"];
    let waitsFor: string | null = why;
    const services = refuseWritesOutside(Object.assign(memory, { kv }), () => waitsFor);
    expect(await services.kv.get("a", {} as Parameters<typeof kv.get>[1])).toBe(1);
    expect(() => services.kv.put({} as Parameters<typeof kv.put>[0], asker)).toThrow("in no cluster yet");
    waitsFor = null;
    expect(services.kv.put({} as Parameters<typeof kv.put>[0], asker)).toBe(1);
  });
});
