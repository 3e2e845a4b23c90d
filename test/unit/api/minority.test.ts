import { describe, expect, it } from "vitest";
import type { Replay } from "../../../src/api/http/request.ts";
import { CaxtonError } from "../../../src/base/errors.ts";
import type { KvStore } from "../../../src/control/kv-store.ts";
import { apiWorld } from "../../support/api-world.ts";

const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const asText = { "content-type": "text/plain" };

async function cutOff() {
  const world = await apiWorld();
  expect((await world.call("PUT", "/api/v1/kv/settings", { body: "before", headers: asText })).status).toBe(
    201,
  );
  world.services.partition.minority = true;
  return world;
}

describe("a node that is cut off from the majority", () => {
  it("serves reads from what it knows, and says so", async () => {
    const { call } = await cutOff();
    const read = await call("GET", "/api/v1/kv/settings");
    expect([read.status, await read.text()]).toEqual([200, "before"]);
    expect(read.headers.get("caxton-partition")).toBe("minority");
    expect(read.headers.get("caxton-consistency")).toBe("local");
    for (const path of ["/api/v1/agents", "/api/v1/cluster/members", "/api/v1/nothing"]) {
      expect((await call("GET", path)).headers.get("caxton-partition"), path).toBe("minority");
    }
  });

  it("refuses a linearizable read, and any where degraded mode is off", async () => {
    const { call, services } = await cutOff();
    const strict = await call("GET", "/api/v1/kv/settings?consistency=linearizable");
    expect([strict.status, await strict.json()]).toEqual([
      503,
      expect.objectContaining({ code: "no_quorum" }),
    ]);
    services.partition.servesReads = false;
    for (const path of ["/api/v1/kv/settings", "/api/v1/kv", "/api/v1/locks/door"])
      expect((await call("GET", path)).status, path).toBe(503);
    expect((await call("GET", "/api/v1/kv/settings?consistency=local")).status).toBe(200);
  });

  it("keeps a write as it came and answers with 202 and where to look", async () => {
    const { call, services } = await cutOff();
    const answer = await call("PUT", "/api/v1/kv/settings?lock=door&fencing_token=3", {
      body: "mine",
      headers: { ...asText, "if-match": '"4"', "idempotency-key": "once", "x-other": "no" },
    });
    expect([answer.status, await answer.json()]).toEqual([
      202,
      expect.objectContaining({
        status: "queued",
        node: "node-1",
        queued_write: expect.any(String) as string,
      }),
    ]);
    expect(answer.headers.get("location")).toMatch(
      /^\/api\/v1\/cluster\/partition\/queued-writes\/[0-9a-f-]{36}$/,
    );
    expect((await call("GET", answer.headers.get("location") ?? "")).status).toBe(200);
    const [kept] = services.partition.kept;
    const tag = (await call("GET", "/api/v1/kv/settings")).headers.get("etag");
    expect(tag).toBe(`"${kept?.observed ?? 0}"`);
    expect(kept).toMatchObject({
      method: "PUT",
      path: "/api/v1/kv/settings?lock=door&fencing_token=3",
      headers: { "content-type": "text/plain", "if-match": '"4"', "idempotency-key": "once" },
      subject: "kv/settings",
    });
    expect(kept?.headers).not.toHaveProperty("x-other");
    expect(new TextDecoder().decode(kept?.body)).toBe("mine");
  });

  it.each([
    ["DELETE", "/api/v1/kv/settings", undefined, "kv/settings"],
    ["DELETE", "/api/v1/agents/pricer", undefined, "agent/pricer"],
    ["POST", "/api/v1/agents/pricer/suspend", undefined, "agent/pricer"],
    ["POST", "/api/v1/cluster/balance", { strategy: "random" }, "cluster/balance"],
    ["POST", "/api/cluster/balance?strategy=random", undefined, "cluster/balance"],
  ])("keeps %s %s", async (method, path, json, subject) => {
    const { call, services } = await cutOff();
    expect((await call(method, path, json === undefined ? {} : { json })).status).toBe(202);
    expect(services.partition.kept.map((kept) => kept.subject)).toEqual([subject]);
    // As it crosses to the store's thread: a body that was let go of cannot.
    const { body } = structuredClone(services.partition.kept[0] ?? { body: null });
    expect(new TextDecoder().decode(body ?? new Uint8Array())).toBe(
      json === undefined ? "" : JSON.stringify(json),
    );
  });

  it("lets no write overtake those that wait still once it is healed", async () => {
    const { call, services } = await cutOff();
    services.partition.minority = false;
    services.partition.waiting = 1;
    const late = { body: "late", headers: asText };
    expect((await call("PUT", "/api/v1/kv/settings", late)).status).toBe(202);
    expect(services.partition.kept).toHaveLength(1);
    services.partition.waiting = 0;
    expect((await call("PUT", "/api/v1/kv/settings", late)).status).toBe(200);
  });

  it("keeps a deployment with its module, by raw body and by form", async () => {
    const { call, services } = await cutOff();
    const raw = { body: wasm, headers: { "content-type": "application/wasm" } };
    expect((await call("POST", "/api/v1/agents?name=pricer", raw)).status).toBe(202);
    const form = new FormData();
    form.set("name", "other");
    form.set("module", new Blob([wasm], { type: "application/wasm" }), "a.wasm");
    expect((await call("POST", "/api/v1/agents", { body: form })).status).toBe(202);
    expect(services.partition.kept.map(({ subject }) => subject)).toEqual(["agent/pricer", "agent/other"]);
    expect(services.partition.kept[0]?.body).toEqual(wasm);
  });

  it.each([
    ["POST", "/api/v1/locks/door", { holder: "me", ttl: "10s" }],
    ["POST", "/api/cluster/leader", undefined],
    ["POST", "/api/v1/cluster/leader", {}],
    ["POST", "/api/v1/cluster/remove", { node: "node-2", force: true }],
    ["POST", "/api/v1/security/rotate-gossip-key", undefined],
  ])("refuses %s %s with the reason, since it cannot wait", async (method, path, json) => {
    const { call, services } = await cutOff();
    const answer = await call(method, path, json === undefined ? {} : { json });
    expect([answer.status, await answer.json()]).toEqual([
      503,
      expect.objectContaining({
        code: "no_quorum",
        detail: expect.stringContaining("cannot wait in its queue") as string,
      }),
    ]);
    expect(services.partition.kept).toEqual([]);
  });

  it("refuses at once what could never be done", async () => {
    const { call, services, token } = await cutOff();
    expect((await call("POST", "/api/v1/cluster/balance", { json: { nod: "x" } })).status).toBe(422);
    expect((await call("PUT", "/api/v1/kv/a?bad=1", { body: "x" })).status).toBe(400);
    expect((await call("PUT", "/api/v1/kv/a", { body: new Uint8Array(2_000_000) })).status).toBe(413);
    const viewer = { authorization: `Bearer ${await token("viewer")}` };
    expect((await call("PUT", "/api/v1/kv/a", { body: "x", headers: viewer })).status).toBe(403);
    services.partition.full = true;
    expect((await call("PUT", "/api/v1/kv/a", { body: "x" })).status).toBe(503);
    expect(services.partition.kept).toEqual([]);
  });

  it("under the policy stop answers what an operator needs, and nothing else", async () => {
    const { call, services } = await cutOff();
    services.partition.action = "stop";
    expect((await call("GET", "/api/v1/kv/settings")).status).toBe(503);
    expect((await call("GET", "/api/v1/agents")).status).toBe(503);
    expect((await call("GET", "/api/v1/cluster/status")).status).toBe(200);
    expect((await call("GET", "/api/v1/cluster/partition")).status).toBe(200);
    expect((await call("GET", "/livez")).status).toBe(200);
  });
});

describe("a write that finds the quorum gone", () => {
  it("is kept once it is known to be a partition, with the body that was read already", async () => {
    const { call, services } = await apiWorld();
    const put = (): never => {
      services.partition.minority = true;
      throw new CaxtonError("no_quorum", "gone");
    };
    Object.assign(services.kv as { put: KvStore["put"] }, { put });
    expect((await call("PUT", "/api/v1/kv/a", { body: "mine", headers: asText })).status).toBe(202);
    expect(new TextDecoder().decode(services.partition.kept[0]?.body)).toBe("mine");
  });

  it("is refused when the quorum is back, and when its outcome is unknown", async () => {
    for (const code of ["no_quorum", "outcome_unknown"] as const) {
      const { call, services } = await apiWorld();
      const put = (): never => {
        services.partition.minority = code === "outcome_unknown";
        throw new CaxtonError(code, "gone");
      };
      Object.assign(services.kv as { put: KvStore["put"] }, { put });
      expect((await call("PUT", "/api/v1/kv/a", { body: "mine" })).status).toBe(
        code === "no_quorum" ? 503 : 504,
      );
      expect(services.partition.kept).toEqual([]);
    }
  });
});

describe("a queued write that is done now", () => {
  const principal = {
    subject: "alice",
    roles: ["developer" as const],
    tokenId: "t",
    keyId: "k",
    expires_s: 0,
  };
  const replayed = (fields: Partial<Replay> = {}): Replay => ({
    principal,
    begun: false,
    expected: 0,
    before: null,
    after: null,
    ...fields,
  });
  const put = (key: string, headers: Record<string, string> = {}): Request =>
    new Request(`http://replay/api/v1/kv/${key}`, { method: "PUT", body: "mine", headers });

  it("needs no token, tells what it replaced, and takes effect once", async () => {
    const { app, call, services } = await apiWorld();
    await call("PUT", "/api/v1/kv/a", { body: "theirs" });
    const replay = replayed();
    const answer = await app.fetch(put("a", { "idempotency-key": "q1" }), { replay });
    expect(answer.status).toBe(200);
    expect((replay.after ?? 0) > (replay.before ?? 0) && (replay.before ?? 0) > 0).toBe(true);
    const again = replayed({ begun: true });
    await app.fetch(put("a", { "idempotency-key": "q1" }), { replay: again });
    expect(again.after).toBe(replay.after);
    expect(services.partition.kept).toEqual([]);
  });

  it("is refused when its principal may not any more, and conflicts when its condition lost", async () => {
    const { app } = await apiWorld();
    const viewer = replayed({ principal: { ...principal, roles: ["viewer"] } });
    expect((await app.fetch(put("a"), { replay: viewer })).status).toBe(403);
    expect((await app.fetch(put("a", { "if-match": '"7"' }), { replay: replayed() })).status).toBe(412);
  });

  it("conflicts when an agent has another revision than the client could see", async () => {
    const { app } = await apiWorld();
    const deploy = (replay: Replay): Promise<Response> =>
      Promise.resolve(
        app.fetch(
          new Request("http://replay/api/v1/agents?name=pricer", {
            method: "POST",
            body: wasm,
            headers: { "content-type": "application/wasm" },
          }),
          { replay },
        ),
      );
    expect((await deploy(replayed({ expected: 3 }))).status).toBe(409);
    expect((await deploy(replayed({ expected: 0 }))).status).toBe(201);
    expect((await deploy(replayed({ expected: 0 }))).status).toBe(409);
  });

  it("that was begun and interrupted is applied where what it makes is there, and conflicts where it is not", async () => {
    const { app, call } = await apiWorld();
    const deploy = async (
      body: Uint8Array<ArrayBuffer>,
      begun: boolean,
    ): Promise<[number, number | null]> => {
      const replay = replayed({ begun, expected: 0 });
      const headers = { "content-type": "application/wasm" };
      const request = new Request("http://replay/api/v1/agents?name=pricer", {
        method: "POST",
        body,
        headers,
      });
      return [(await app.fetch(request, { replay })).status, replay.after];
    };
    const remove = async (begun: boolean, expected: number): Promise<number> => {
      const request = new Request("http://replay/api/v1/agents/pricer", { method: "DELETE" });
      return (await app.fetch(request, { replay: replayed({ begun, expected }) })).status;
    };
    const other = new Uint8Array([...wasm, 0, 1, 0]);
    const raw = { body: wasm, headers: { "content-type": "application/wasm" } };
    expect((await call("POST", "/api/v1/agents?name=pricer", raw)).status).toBe(201);
    expect(await deploy(wasm, true)).toEqual([200, 1]);
    expect(await deploy(wasm, false)).toEqual([409, null]);
    // Somebody else's, under the same name.
    expect(await deploy(other, true)).toEqual([409, null]);
    expect(await remove(true, 7)).toBe(409);
    expect(await remove(false, 1)).toBe(200);
    expect(await remove(true, 1)).toBe(200);
    expect(await remove(false, 1)).toBe(409);
  });
});
