import { describe, expect, it } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import { NodeAdding } from "../../../../src/node/operator/node-adding.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { decodeUtf8 } from "../../../../src/wire/cursor.ts";
import { encodeHelloAnswer, type HelloAnswer } from "../../../../src/wire/gossip-hello.ts";
import { MembershipTable } from "../../../support/membership-table.ts";

const self = "node-1" as NodeId;
const newcomer = "node-4" as NodeId;
const uuid = "00000000-0000-7000-8000-000000000001";
const there = { host: "new-node", port: 7946 };
const waiting: HelloAnswer = { kind: "refusal", code: "no_uuid", detail: "it has not joined a cluster yet" };

/** What answers at the address is `answer` of the newcomer; it joins when it is told to, unless `deaf`. */
function world(answer: HelloAnswer | CaxtonError, options: { deaf?: boolean; node?: NodeId } = {}) {
  const clock = new VirtualClock();
  const membership = new MembershipTable(self, ["node-2" as NodeId]);
  const asked: string[] = [];
  const handlers = new Map<string, (body: Uint8Array) => Promise<Uint8Array>>();
  let own: string | null = uuid;
  const adding = new NodeAdding({
    self,
    boot: 1,
    cluster: "test",
    uuid: () => own,
    membership,
    peers: {
      contact: () =>
        answer instanceof CaxtonError
          ? Promise.reject(answer)
          : Promise.resolve({ from: options.node ?? newcomer, reply: encodeHelloAnswer(answer) }),
      request: (to, method, body) => {
        asked.push(`${to} ${method} ${decodeUtf8(body)}`);
        if (options.deaf !== true) clock.after(50, () => membership.setStatus(newcomer, "alive"));
        return Promise.resolve(new Uint8Array());
      },
      handle: (method, handler) =>
        void handlers.set(method, (body) => handler(body, { from: "node-2" as NodeId })),
      setAddress: () => undefined,
    },
    resolve: (host) =>
      host === "new-node" ? Promise.resolve("10.0.0.4") : Promise.reject(new Error("ENOTFOUND")),
    clock,
  });
  const add = async (at = there): Promise<unknown> => {
    let ended: { readonly done?: unknown; readonly error?: unknown } | undefined;
    adding.add(at).then(
      (done) => (ended = { done }),
      (error: unknown) => (ended = { error }),
    );
    await clock.runUntilSettled(() => ended !== undefined, 60_000);
    if (ended?.error !== undefined) throw ended.error as Error;
    return ended?.done;
  };
  const told = (body: string): Promise<Uint8Array> =>
    (handlers.get("cluster.join") as (body: Uint8Array) => Promise<Uint8Array>)(
      new TextEncoder().encode(body),
    );
  return { add, asked, membership, told, leaveCluster: () => void (own = null) };
}

describe("adding a node", () => {
  it("has it join through this cluster's members, and ends when it is one", async () => {
    const { add, asked } = world(waiting);
    expect(await add()).toEqual({ node: newcomer, address: "10.0.0.4:7946" });
    expect(asked).toEqual([`node-4 cluster.join {"seeds":["127.0.0.1:7000","127.0.0.1:7001"]}`]);
  });

  it("is done for one that is a member already", async () => {
    const { add, asked, membership } = world({ kind: "welcome", uuid, records: [] });
    membership.setStatus(newcomer, "alive");
    expect(await add()).toMatchObject({ node: newcomer });
    expect(asked).toEqual([]);
  });

  it("leaves a node of another cluster alone, and says what it is", async () => {
    const { add, asked } = world({
      kind: "refusal",
      code: "other_uuid",
      detail: "another cluster of the same name",
    });
    await expect(add()).rejects.toThrow(
      'Cannot add node "node-4" at new-node:7946: another cluster of the same name',
    );
    expect(asked).toEqual([]);
  });

  it("says what is wrong with the address", async () => {
    const { add } = world(new CaxtonError("unreachable", "connection refused"));
    await expect(add()).rejects.toMatchObject({ code: "unreachable" });
    await expect(add({ host: "nowhere", port: 1 })).rejects.toThrow('Cannot find host "nowhere"');
    await expect(world(waiting, { node: self }).add()).rejects.toThrow("this node's own address");
  });

  it("is not said to be done when the node does not come", async () => {
    const why = await world(waiting, { deaf: true })
      .add()
      .catch((error: unknown) => error);
    expect(why).toMatchObject({ code: "timeout" });
  });

  it("is nothing that a node in a cluster can be told, nor in any words", async () => {
    const { told, membership, leaveCluster } = world(waiting);
    await expect(told('{"seeds":["10.0.0.9:7946"]}')).rejects.toMatchObject({ code: "conflict" });
    leaveCluster();
    for (const body of ["", "{}", '{"seeds":[]}', '{"seeds":["10.0.0.9"]}', '{"seeds":[9]}'])
      await expect(told(body), body).rejects.toBeInstanceOf(CaxtonError);
    expect(membership.joined).toEqual([]);
    await told('{"seeds":["10.0.0.9:7946"]}');
    expect(membership.joined).toEqual([{ host: "10.0.0.9", port: 7946 }]);
  });
});
