import { describe, expect, it } from "vitest";
import { apiWorld } from "../../support/api-world.ts";

const worker = {
  id: "edge-7",
  hostname: "server7",
  ip_address: "10.0.0.7",
  port: 8151,
  max_agents: 20,
  services: ["wrapper", "database"],
};
const beat = { cpu_usage: 45.3, memory_usage: 62.1, disk_usage: 55, load_average: 2.5 };

type World = Awaited<ReturnType<typeof apiWorld>>;

async function nodeOf({ call }: World, id = "edge-7"): Promise<Record<string, unknown>> {
  return (await (await call("GET", `/api/cluster/nodes/${id}`)).json()) as Record<string, unknown>;
}

async function registered(): Promise<World> {
  const world = await apiWorld();
  expect((await world.call("POST", "/api/cluster/nodes", { json: worker })).status).toBe(201);
  return world;
}

/** Time passes in steps, as looks do, and what they propose is carried out between. */
async function pass({ clock }: World, duration_ms: number): Promise<void> {
  for (let left_ms = duration_ms; left_ms > 0; left_ms -= 1_000) {
    clock.advance(Math.min(1_000, left_ms));
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

describe("a node registered by HTTP", () => {
  it("is answered and listed in the documented shape, beside those that gossip", async () => {
    const world = await apiWorld();
    const answer = await world.call("POST", "/api/cluster/nodes", { json: worker });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({
      success: true,
      node: {
        id: "edge-7",
        hostname: "server7",
        address: "10.0.0.7:8151",
        role: "worker",
        status: "online",
        healthy: true,
        available: true,
        active_agents: 0,
        max_agents: 20,
        capacity: 1,
        load: 0,
        disk_usage: null,
        services: ["wrapper", "database"],
        registered_by: "heartbeat",
        last_seen: "2026-01-01T00:00:00.000Z",
      },
    });
    const listed = async (query: string): Promise<unknown> =>
      ((await (await world.call("GET", `/api/cluster/nodes${query}`)).json()) as { count: unknown }).count;
    expect(await listed("")).toBe(4);
    expect(await listed("?service=database")).toBe(1);
    expect(await listed("?status=online&region=default")).toBe(1);
    const { registry } = (await (await world.call("GET", "/api/cluster/stats")).json()) as {
      registry: Record<string, unknown>;
    };
    expect(registry).toMatchObject({ total_nodes: 4, healthy_nodes: 3, online_nodes: 3, max_agents: 220 });
  });

  it("shows what its heartbeats say, and keeps what one of them leaves out", async () => {
    const world = await registered();
    const said = await world.call("POST", "/api/cluster/nodes/edge-7", { json: beat });
    expect(await said.json()).toEqual({ success: true });
    expect(await nodeOf(world)).toMatchObject({
      cpu_usage: 45.3,
      memory_usage: 62.1,
      disk_usage: 55,
      load_average: 2.5,
      load: 36.8,
    });
    await world.call("POST", "/api/cluster/nodes/edge-7", { json: { cpu_usage: 10 } });
    expect(await nodeOf(world)).toMatchObject({ cpu_usage: 10, memory_usage: 62.1 });
  });

  it("writes no heartbeat to the log", async () => {
    const world = await registered();
    const before = world.services.control.proposals;
    for (let i = 0; i < 50; i++) await world.call("POST", "/api/cluster/nodes/edge-7", { json: beat });
    expect(world.services.control.proposals).toBe(before);
  });

  it("is unhealthy after 90 s of silence, offline after 180 s, and back at the next heartbeat", async () => {
    const world = await registered();
    await world.call("POST", "/api/cluster/nodes/edge-7", { json: beat });
    await pass(world, 89_000);
    expect(await nodeOf(world)).toMatchObject({ status: "online", healthy: true });
    await pass(world, 2_000);
    expect(await nodeOf(world)).toMatchObject({ status: "online", healthy: false, available: false });
    await pass(world, 90_000);
    expect(await nodeOf(world)).toMatchObject({ status: "offline", healthy: false });
    await world.call("POST", "/api/cluster/nodes/edge-7", { json: beat });
    expect(await nodeOf(world)).toMatchObject({ status: "online", healthy: true });
    expect(world.services.past.map(({ type }) => type)).toEqual([
      "node.registered",
      "node.unhealthy",
      "node.offline",
      "node.online",
    ]);
    expect(world.services.troubles).toEqual([]);
  });

  it("is refused under a name that is taken, by gossip or by registration", async () => {
    const { call } = await registered();
    for (const id of ["edge-7", "node-2"]) {
      const again = await call("POST", "/api/cluster/nodes", { json: { ...worker, id } });
      expect(again.status, id).toBe(409);
      expect(await again.json()).toMatchObject({ code: "already_exists" });
    }
  });

  it("of two who register one name at the same moment only one is in", async () => {
    const { call } = await apiWorld();
    const both = [1, 2].map((port) => call("POST", "/api/cluster/nodes", { json: { ...worker, port } }));
    const statuses = (await Promise.all(both)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([201, 409]);
  });

  it("that is registered anew is not silent since its former registration", async () => {
    const world = await registered();
    await pass(world, 170_000);
    expect(await nodeOf(world)).toMatchObject({ healthy: false });
    await world.call("DELETE", "/api/cluster/nodes/edge-7");
    world.services.control.wall_ms += 170_000;
    await world.call("POST", "/api/cluster/nodes", { json: worker });
    await pass(world, 20_000);
    expect(await nodeOf(world)).toMatchObject({ status: "online", healthy: true });
  });

  it("is unregistered once", async () => {
    const { call } = await registered();
    expect(await (await call("DELETE", "/api/cluster/nodes/edge-7")).json()).toEqual({ success: true });
    expect((await call("GET", "/api/cluster/nodes/edge-7")).status).toBe(404);
    expect((await call("DELETE", "/api/cluster/nodes/edge-7")).status).toBe(404);
    expect((await call("POST", "/api/cluster/nodes/edge-7", { json: beat })).status).toBe(404);
  });

  it("gives its name up to a node that joins by gossip", async () => {
    const world = await registered();
    world.services.known.push(world.services.member("edge-7", "alive"));
    expect(await nodeOf(world)).toMatchObject({ registered_by: "gossip" });
    await pass(world, 2_000);
    expect(world.services.past.map(({ type }) => type)).toContain("node.forgotten");
    const { count } = (await (await world.call("GET", "/api/cluster/nodes")).json()) as { count: number };
    expect(count).toBe(4);
  });

  it("may have the name of a member that has left, and is shown and unregistered as itself", async () => {
    const world = await apiWorld();
    world.services.known.push(world.services.member("edge-7", "left"));
    expect((await world.call("POST", "/api/cluster/nodes", { json: worker })).status).toBe(201);
    expect(await nodeOf(world)).toMatchObject({ registered_by: "heartbeat", status: "online" });
    const { count } = (await (await world.call("GET", "/api/cluster/nodes")).json()) as { count: number };
    expect(count).toBe(4);
    expect((await world.call("DELETE", "/api/cluster/nodes/edge-7")).status).toBe(200);
    expect(await nodeOf(world)).toMatchObject({ registered_by: "gossip", status: "offline" });
  });

  it("cannot be changed without a leader, and is not queued for later", async () => {
    const world = await registered();
    world.services.control.setLeads(false);
    const beaten = await world.call("POST", "/api/cluster/nodes/edge-7", { json: beat });
    expect(beaten.status).toBe(503);
    world.services.partition.minority = true;
    const cut = await world.call("POST", "/api/cluster/nodes/edge-7", { json: beat });
    expect(cut.status).toBe(503);
    expect(world.services.partition.kept).toEqual([]);
    // Registering is a write like any other.
    const kept = await world.call("POST", "/api/cluster/nodes", { json: { ...worker, id: "edge-8" } });
    expect(kept.status).toBe(202);
    expect((await world.call("GET", "/api/cluster/nodes")).headers.get("caxton-partition")).toBe("minority");
  });
});

describe("bad input about nodes", () => {
  it("refuses bodies that are none with 422, and changes nothing", async () => {
    const { call } = await apiWorld();
    const bad: readonly unknown[] = [
      {},
      [],
      { ...worker, id: "../etc/passwd" },
      { ...worker, id: "a".repeat(65) },
      { ...worker, port: 0 },
      { ...worker, port: 65_536 },
      { ...worker, port: "8151" },
      { ...worker, max_agents: -1 },
      { ...worker, max_agents: 1e9 },
      { ...worker, max_agents: 1.5 },
      { ...worker, ip_address: "not a host" },
      { ...worker, ip_address: "999.1.1.1" },
      { ...worker, services: ["a,b"] },
      { ...worker, services: Array.from({ length: 65 }, (_, i) => `s${i}`) },
      { ...worker, role: "leader" },
      { ...worker, colour: "red" },
    ];
    for (const json of bad)
      expect((await call("POST", "/api/cluster/nodes", { json })).status, JSON.stringify(json)).toBe(422);
    const { count } = (await (await call("GET", "/api/cluster/nodes")).json()) as { count: number };
    expect(count).toBe(3);
  });

  it("takes IPv6 addresses and names of hosts", async () => {
    const world = await apiWorld();
    for (const [id, ip_address] of [
      ["six", "fd00::7"],
      ["named", "edge-7.example.com"],
    ])
      expect(
        (await world.call("POST", "/api/cluster/nodes", { json: { ...worker, id, ip_address } })).status,
      ).toBe(201);
    expect((await nodeOf(world, "six"))["address"]).toBe("[fd00::7]:8151");
  });

  it("refuses heartbeats of unknown nodes, of members that gossip, and of absurd numbers", async () => {
    const world = await registered();
    const { call } = world;
    const status = async (id: string, json: unknown): Promise<number> =>
      (await call("POST", `/api/cluster/nodes/${id}`, { json })).status;
    expect(await status("edge-9", beat)).toBe(404);
    expect(await status("node-2", beat)).toBe(409);
    for (const absurd of [
      { cpu_usage: -1 },
      { cpu_usage: 101 },
      { memory_usage: 1e300 },
      { disk_usage: "55%" },
      { load_average: -0.1 },
      { load_average: 1e7 },
      { cpu_usage: null },
      { temperature: 20 },
    ])
      expect(await status("edge-7", absurd), JSON.stringify(absurd)).toBe(422);
    expect(await nodeOf(world)).toMatchObject({ cpu_usage: 0, disk_usage: null });
  });

  it("refuses names with path tricks", async () => {
    const { call } = await apiWorld();
    for (const id of ["..%2f..%2fetc", "%2e%2e", "a%00b", "node%201", ".hidden"]) {
      for (const method of ["GET", "POST", "DELETE"]) {
        const init = method === "POST" ? { json: beat } : {};
        const { status } = await call(method, `/api/cluster/nodes/${id}`, init);
        expect([400, 404], `${method} ${id}`).toContain(status);
      }
    }
  });

  it("refuses a member that is alive to be unregistered, and forgets one that is lost", async () => {
    const { call, services } = await apiWorld();
    expect((await call("DELETE", "/api/cluster/nodes/node-2")).status).toBe(409);
    expect((await call("DELETE", "/api/cluster/nodes/node-3")).status).toBe(200);
    expect(services.known.map(({ id }) => id)).toEqual(["node-1", "node-2"]);
  });

  it("lets only operators change the list", async () => {
    const { call, token } = await registered();
    const headers = { authorization: `Bearer ${await token("developer")}` };
    expect((await call("POST", "/api/cluster/nodes", { json: worker, headers })).status).toBe(403);
    expect((await call("POST", "/api/cluster/nodes/edge-7", { json: beat, headers })).status).toBe(403);
    expect((await call("DELETE", "/api/cluster/nodes/edge-7", { headers })).status).toBe(403);
    const operator = { authorization: `Bearer ${await token("operator")}` };
    expect((await call("POST", "/api/cluster/nodes/edge-7", { json: beat, headers: operator })).status).toBe(
      200,
    );
  });
});
