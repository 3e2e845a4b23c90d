import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createApi } from "../../../../src/api/app.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import { ClusterStopping } from "../../../../src/node/operator/cluster-stopping.ts";
import {
  isStopped,
  readStopped,
  removeStopped,
  type StoppedPeer,
  writeStopped,
} from "../../../../src/node/operator/stopped-marker.ts";
import { stoppedServices } from "../../../../src/node/operator/stopped-services.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { seededEntropy } from "../../../../src/platform/memory/entropy.ts";
import { apiWorld } from "../../../support/api-world.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const [one, two, three] = ["node-1", "node-2", "node-3"] as NodeId[] as [NodeId, NodeId, NodeId];

describe("the file that says that a node is stopped", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory("stopped");
  });
  afterEach(() => directory.remove());

  it("names the others, and is gone when it is removed", () => {
    const path = join(directory.path, "stopped.json");
    const peers = [{ node: two, address: { host: "10.0.0.2", port: 7946 } }];
    expect(isStopped(path)).toBe(false);
    writeStopped(path, peers);
    expect(isStopped(path)).toBe(true);
    expect(readStopped(path)).toEqual(peers);
    removeStopped(path);
    removeStopped(path);
    expect(isStopped(path)).toBe(false);
  });

  it.each(["", "{", "[]", '{"peers":[{"node":"../x","address":{"host":"a","port":1}}]}', '{"peers":1}'])(
    "is refused as %j, with the way out",
    (text) => {
      const path = join(directory.path, "stopped.json");
      writeFileSync(path, text);
      expect(() => readStopped(path)).toThrow("Remove it to have the node start");
    },
  );
});

describe("a stopped node's API", () => {
  it("tells what it is, starts all, and refuses the rest with the way out", async () => {
    const { verifier, keys, clock, admin } = await apiWorld();
    let started = 0;
    let left = 0;
    const services = stoppedServices({
      node: one,
      cluster: "test",
      uuid: null,
      startedAt_ms: 0,
      others: 2,
      startAll: () => {
        started++;
        return Promise.resolve([{ node: one, ok: true, detail: "" }]);
      },
      leave: () => left++,
    });
    const app = createApi(services, { verifier, keys, clock, entropy: seededEntropy(1) });
    const call = async (method: string, path: string, body?: string): Promise<Response> =>
      await app.fetch(
        new Request(`http://node${path}`, {
          method,
          headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
          ...(body === undefined ? {} : { body }),
        }),
      );
    expect((await call("GET", "/livez")).status).toBe(200);
    expect((await call("GET", "/readyz")).status).toBe(503);
    expect(await (await call("GET", "/api/v1/cluster/status")).json()).toMatchObject({
      status: "STOPPED (by an operator: caxton cluster start)",
      operations: "NONE",
      nodes_total: 3,
    });
    for (const [method, path, body] of [
      ["GET", "/api/cluster/nodes"],
      ["GET", "/api/cluster/stats"],
      ["GET", "/api/v1/agents"],
      ["GET", "/api/v1/cluster/members"],
      ["GET", "/api/v1/cluster/partition"],
      ["GET", "/api/v1/kv/a"],
      ["PUT", "/api/v1/kv/a", "1"],
      ["POST", "/api/v1/messages", '{"receiver":"a","performative":"inform","content":"x"}'],
      ["POST", "/api/v1/cluster/isolate", '{"node":"node-2"}'],
      ["POST", "/api/v1/cluster/remove", '{"node":"node-2"}'],
    ] as const) {
      const answer = await call(method, path, body);
      expect([path, answer.status]).toEqual([path, 503]);
      expect(((await answer.json()) as { detail: string }).detail).toContain("caxton cluster start");
    }
    expect((await call("POST", "/api/v1/cluster/stop", '{"all":true}')).status).toBe(202);
    expect((await call("POST", "/api/v1/cluster/start")).status).toBe(202);
    expect(started).toBe(1);
    expect((await call("POST", "/api/v1/cluster/leave", '{"node":"node-2"}')).status).toBe(503);
    expect((await call("POST", "/api/v1/cluster/leave", "{}")).status).toBe(202);
    expect(left).toBe(1);
  });
});

describe("the order to stop", () => {
  function world() {
    const clock = new VirtualClock();
    const network = new MemoryPeersNetwork(clock);
    const stopped = new Map<NodeId, readonly StoppedPeer[]>();
    const membership = new MembershipTable(one, [two, three]);
    const nodes = [one, two, three].map(
      (self) =>
        new ClusterStopping({
          self,
          membership,
          peers: network.join(self),
          clock,
          stop: (others) => stopped.set(self, others),
        }),
    );
    return { clock, network, stopped, membership, first: nodes[0] as ClusterStopping };
  }

  it("goes to all, each of which then stops once and remembers the others", async () => {
    const { first, clock, stopped } = world();
    expect(await first.stopAll()).toEqual([
      { node: one, ok: true, detail: "" },
      { node: two, ok: true, detail: "" },
      { node: three, ok: true, detail: "" },
    ]);
    expect(stopped.size).toBe(0);
    clock.advance(1_000);
    expect([...stopped.keys()]).toHaveLength(3);
    expect(stopped.get(two)?.map(({ node }) => node)).toEqual([one, three]);
  });

  it("is not remembered of nodes that have left", async () => {
    const { first, clock, stopped, membership } = world();
    membership.setStatus(three, "left");
    await first.stopAll();
    clock.advance(1_000);
    expect(stopped.get(one)?.map(({ node }) => node)).toEqual([two]);
  });

  it("names who did not hear it, and who is lost; the others stop all the same", async () => {
    const { first, clock, network, stopped, membership } = world();
    network.cut(one, two);
    membership.setStatus(three, "failed");
    const answers = await first.stopAll();
    expect(answers.map(({ node, ok }) => [node, ok])).toEqual([
      [one, true],
      [two, false],
      [three, false],
    ]);
    clock.advance(1_000);
    expect([...stopped.keys()]).toEqual([one]);
  });
});
