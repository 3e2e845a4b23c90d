import { describe, expect, it } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { ConsensusStatus } from "../../../../src/cluster/consensus/consensus.ts";
import { ControlRelay } from "../../../../src/cluster/consensus/control-relay.ts";
import type { Peers } from "../../../../src/cluster/peers/peers.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { KvStore } from "../../../../src/control/kv-store.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { encodeUtf8 } from "../../../../src/wire/cursor.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

type Handler = Parameters<Peers["handle"]>[1];

/** A data node and a witness; the link between them may lose an answer. */
function world(standing: ConsensusStatus["standing"]) {
  const log = new SingleNodeConsensus();
  const handlers = new Map<string, Handler>();
  const state = { answersLost: 0, down: false, own: 0 };
  const data = {
    handle: (method: string, handler: Handler) => void handlers.set(method, handler),
    request: () => Promise.reject(new Error("the data node asks nobody")),
  };
  const status = (own: ConsensusStatus["standing"], self: string) => () =>
    ({ self, standing: own, leader: "data", members: [] }) as unknown as ConsensusStatus;
  const membership = { members: () => [] };
  const consensus = {
    self: "data" as NodeId,
    status: status("voter", "data"),
    propose: async (command: Uint8Array) => ({ ...(await log.propose(command)), term: 1 }),
    read: log.read.bind(log),
  };
  void new ControlRelay({ consensus, peers: data, membership });
  const peers = {
    handle: () => undefined,
    request: async (_: NodeId, method: string, body: Uint8Array) => {
      if (state.down) throw new CaxtonError("unreachable", "no link");
      const answer = await (handlers.get(method) as Handler)(body, { from: "w" as NodeId });
      if (state.answersLost-- > 0) throw new CaxtonError("timeout", "no answer");
      return answer;
    },
  };
  const refuse = async (): Promise<never> => {
    state.own++;
    return await Promise.reject(new CaxtonError("unavailable", "keeps no state"));
  };
  const own = { self: "w" as NodeId, status: status(standing, "w"), propose: refuse, read: refuse };
  const relay = new ControlRelay({ consensus: own, peers, membership });
  const kv = new KvStore(new ControlClient(relay, new VirtualClock(), () => 5_000));
  const put = (key: string) =>
    kv.put(
      { key, value: encodeUtf8("x"), mediaType: "text/plain", condition: "absent", fence: null },
      { principal: "a", idempotencyKey: null },
    );
  return { kv, put, state, log, handlers };
}

describe("a node that keeps no state", () => {
  it.each(["witness", null] as const)(
    "as a %s has its commands and queries carried out elsewhere",
    async (standing) => {
      const { kv, put, state } = world(standing);
      expect((await put("a")).created).toBe(true);
      expect((await kv.get("a", "linearizable")).found?.size).toBe(1);
      expect((await kv.get("a", "local")).appliedIndex).toBeGreaterThan(0);
      expect(state.own).toBe(0);
    },
  );

  it("executes a command once though its answer was lost on the way", async () => {
    const { kv, put, state, log } = world("witness");
    await put("warm");
    state.answersLost = 2;
    const { version } = await put("a");
    expect((await kv.get("a", "local")).found?.version).toBe(version);
    expect(log.proposals).toBe(5);
  });

  it("says that nothing is known when there is no way to the others", async () => {
    const { kv, state } = world("witness");
    state.down = true;
    await expect(kv.get("a", "linearizable")).rejects.toMatchObject({ code: "no_quorum" });
  });

  it("refuses requests that are none", async () => {
    const { handlers } = world("witness");
    for (const method of ["control.propose", "control.read"]) {
      const ask = (handlers.get(method) as Handler)(new Uint8Array([1, 2]), { from: "w" as NodeId });
      await expect(ask).rejects.toMatchObject({ code: "invalid_argument" });
    }
  });
});

it("a voter asks nobody else", async () => {
  const { put, state } = world("voter");
  await expect(put("a")).rejects.toMatchObject({ code: "unavailable" });
  expect(state.own).toBe(1);
});
