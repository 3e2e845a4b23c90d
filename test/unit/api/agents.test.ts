import { describe, expect, it } from "vitest";
import { module_bytes_max } from "../../../src/api/agents/deploy.ts";
import { apiWorld } from "../../support/api-world.ts";

const wasm = new Uint8Array([0, 97, 115, 109]);
const raw = (bytes: Uint8Array<ArrayBuffer>): RequestInit => ({
  body: bytes,
  headers: { "content-type": "application/wasm" },
});
const form = (fields: Record<string, string | Blob>): RequestInit => {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return { body };
};
const file = new Blob([wasm], { type: "application/wasm" });

describe("deploying", () => {
  it("takes a raw module with options in the query", async () => {
    const { call, services } = await apiWorld();
    const query =
      "name=a&durability=volatile&priority=high&capabilities=log,send&memory=1MiB&fuel=1000&prefer_nodes=node-1,node-2&placement_strategy=round-robin";
    const answer = await call("POST", `/api/v1/agents?${query}`, raw(wasm));
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe("/api/v1/agents/a");
    expect([...services.held.values()][0]?.spec).toMatchObject({
      name: "a",
      durability: "volatile",
      priority: "high",
      capabilities: ["log", "send"],
      limits: { memory_bytes: 1_048_576, fuel: 1_000, inbox_messages: 10_000 },
      placement: {
        strategy: "round_robin",
        preferNodes: ["node-1", "node-2"],
        targetNode: null,
        services: [],
        region: null,
        zone: null,
      },
      deployedBy: "admin-user",
    });
    expect((await call("POST", "/api/v1/agents?name=a", raw(wasm))).status).toBe(200);
  });

  it("takes a form, its options in fields or in the query", async () => {
    const { call, services } = await apiWorld();
    expect(
      (await call("POST", "/api/v1/agents?priority=low", form({ module: file, name: "b", memory: "2MiB" })))
        .status,
    ).toBe(201);
    expect([...services.held.values()][0]?.spec).toMatchObject({
      name: "b",
      priority: "low",
      limits: { memory_bytes: 2_097_152 },
    });
  });

  it("updates by PUT under the path's name", async () => {
    const { call } = await apiWorld();
    expect((await call("PUT", "/api/v1/agents/c", raw(wasm))).status).toBe(201);
    expect(await (await call("PUT", "/api/v1/agents/c", form({ module: file }))).json()).toMatchObject({
      created: false,
      agent: { revision: 2 },
    });
    expect((await call("PUT", "/api/v1/agents/c", form({ module: file, name: "d" }))).status).toBe(400);
  });

  it("uses the cluster's strategy and every capability unless told otherwise, and none when told so", async () => {
    const { call, services } = await apiWorld();
    await services.cluster.setBalancing("weighted");
    await call("POST", "/api/v1/agents?name=a", raw(wasm));
    await call("POST", "/api/v1/agents?name=b&capabilities=", raw(wasm));
    const [a, b] = [...services.held.values()].map(({ spec }) => spec);
    expect(a).toMatchObject({
      placement: { strategy: "weighted" },
      capabilities: ["log", "send", "time", "random", "timer", "state"],
    });
    expect(b?.capabilities).toEqual([]);
  });

  it("refuses what is wrong, and deploys nothing", async () => {
    const { call, services } = await apiWorld();
    const cases: readonly (readonly [number, string, string, RequestInit])[] = [
      [400, "name: missing", "", raw(wasm)],
      [400, "name: not 1 to 64", "?name=../x", raw(wasm)],
      [400, "memory:", "?name=a&memory=lots", raw(wasm)],
      [400, "less than 64KiB", "?name=a&memory=1", raw(wasm)],
      [400, "capabilities", "?name=a&capabilities=log,root", raw(wasm)],
      [400, "flavour: unknown field", "?name=a&flavour=x", raw(wasm)],
      [400, "flavour: unknown field", "", form({ module: file, name: "a", flavour: "x" })],
      [400, "given twice, and differs", "?name=a", form({ module: file, name: "b" })],
      [415, "application/wasm", "?name=a", { body: "x", headers: { "content-type": "text/plain" } }],
      [422, "empty", "?name=a", raw(new Uint8Array(0))],
      [422, "Module refused", "?name=a", raw(new Uint8Array([1, 2, 3]))],
      [422, "lacks the file", "?name=a", form({ name: "a" })],
      [422, "no file", "?name=a", form({ module: "text" })],
      [422, "one file", "?name=a", form({ module: file, other: file })],
      [
        422,
        "not a form",
        "?name=a",
        { body: "x", headers: { "content-type": "multipart/form-data; boundary=b" } },
      ],
      [413, "larger than", "?name=a", raw(new Uint8Array(module_bytes_max + 1))],
    ];
    for (const [status, text, query, init] of cases) {
      const answer = await call("POST", `/api/v1/agents${query}`, init);
      expect(answer.status, `${query} ${text}`).toBe(status);
      expect(await answer.text()).toContain(text);
    }
    const twice = new FormData();
    twice.append("module", file);
    twice.append("name", "a");
    twice.append("name", "a");
    expect((await call("POST", "/api/v1/agents", { body: twice })).status).toBe(422);
    expect(services.held.size).toBe(0);
  });
});
