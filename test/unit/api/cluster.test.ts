import { describe, expect, it } from "vitest";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import type { Member } from "../../../src/cluster/membership.ts";
import { apiWorld } from "../../support/api-world.ts";

describe("the documented cluster shapes", () => {
  it("list nodes with the documented fields and formulas", async () => {
    const { call } = await apiWorld();
    const { nodes, count } = (await (await call("GET", "/api/cluster/nodes")).json()) as {
      nodes: Record<string, unknown>[];
      count: number;
    };
    expect(count).toBe(3);
    expect(nodes[0]).toMatchObject({
      id: "node-1",
      hostname: "10.0.0.1",
      address: "10.0.0.1:7946",
      role: "worker",
      status: "online",
      healthy: true,
      active_agents: 50,
      max_agents: 100,
      capacity: 0.5,
      load: 49,
      cpu_usage: 40,
      memory_usage: 60,
      uptime: "1h2m5s",
      last_seen: "2026-01-01T00:00:00.000Z",
    });
    expect(nodes[2]).toMatchObject({ id: "node-3", status: "offline", healthy: false, uptime: null });
  });

  it("call a node neither healthy nor available that the leader does not hear, and count it so", async () => {
    const { call, services } = await apiWorld();
    services.unheard.push({ node: "node-2" as NodeId, by: "node-1" as NodeId, since_ms: 0 });
    expect(await (await call("GET", "/api/cluster/nodes/node-2")).json()).toMatchObject({
      status: "online",
      healthy: false,
      available: false,
    });
    expect(await (await call("GET", "/api/cluster/stats")).json()).toMatchObject({
      registry: { total_nodes: 3, healthy_nodes: 1, online_nodes: 2 },
    });
    expect(await (await call("GET", "/api/v1/cluster/status")).json()).toMatchObject({
      unheard: [{ node: "node-2", by: "node-1", since: "1970-01-01T00:00:00.000Z" }],
    });
  });

  it("tell how long each node runs, by when it began", async () => {
    const { call, services } = await apiWorld();
    const [, two] = services.known;
    if (two === undefined) throw new Error("there are three");
    services.known[1] = { ...two, bootEpoch: services.clock.wall_ms() - 90_500 };
    expect(await (await call("GET", "/api/cluster/nodes/node-2")).json()).toMatchObject({ uptime: "1m30s" });
    services.known[1] = { ...two, bootEpoch: services.clock.wall_ms() + 2_000 };
    expect(await (await call("GET", "/api/cluster/nodes/node-2")).json()).toMatchObject({ uptime: "0s" });
  });

  it("filter nodes, and refuse a filter that is none", async () => {
    const { call } = await apiWorld();
    const count = async (query: string): Promise<unknown> =>
      ((await (await call("GET", `/api/cluster/nodes?${query}`)).json()) as { count: unknown }).count;
    expect(await count("status=online")).toBe(2);
    expect(await count("region=eu&service=agents&role=worker")).toBe(3);
    expect(await count("role=leader")).toBe(0);
    expect(await count("service=database")).toBe(0);
    for (const query of ["status=dead", "role=king", "color=red"])
      expect((await call("GET", `/api/cluster/nodes?${query}`)).status, query).toBe(400);
  });

  it("show one node, and 404 for one that is unknown", async () => {
    const { call } = await apiWorld();
    expect(await (await call("GET", "/api/cluster/nodes/node-2")).json()).toMatchObject({ id: "node-2" });
    expect(await (await call("GET", "/api/cluster/nodes/node-9")).json()).toMatchObject({
      status: 404,
      code: "node_not_found",
    });
  });

  it("show a member that changed within the millisecond of an earlier answer", async () => {
    const { call, services } = await apiWorld();
    const statuses = async (): Promise<unknown> => {
      const { members } = (await (await call("GET", "/api/v1/cluster/members")).json()) as {
        members: { status: string }[];
      };
      return members.map(({ status }) => status);
    };
    const before = await statuses();
    expect(await statuses()).toEqual(before);
    services.known.splice(
      0,
      Infinity,
      services.member("node-1", "alive"),
      services.member("node-2", "failed"),
    );
    expect(await statuses()).toEqual(["alive", "failed"]);
  });

  it("give a capacity of 0 to a node that may host nothing", async () => {
    const { call, services } = await apiWorld();
    const none: Member = {
      ...services.member("node-4", "alive"),
      tags: { ...services.member("x", "alive").tags, maxAgents: 0 },
    };
    services.known.push(none);
    expect(await (await call("GET", "/api/cluster/nodes/node-4")).json()).toMatchObject({
      capacity: 0,
      load: 34,
    });
  });

  it("give assignments and statistics", async () => {
    const { call } = await apiWorld();
    const init = { body: new Uint8Array([0, 97]), headers: { "content-type": "application/wasm" } };
    await call("POST", "/api/v1/agents?name=codex", init);
    expect(await (await call("GET", "/api/cluster/assignments")).json()).toEqual({
      assignments: [
        {
          agent_name: "codex",
          node_id: "node-1",
          assigned_at: "2026-01-01T00:00:00.000Z",
          status: "running",
          epoch: 1,
          revision: 1,
        },
      ],
      count: 1,
    });
    expect(await (await call("GET", "/api/cluster/stats")).json()).toEqual({
      local_node: "node-1",
      is_leader: false,
      total_assignments: 1,
      registry: {
        total_nodes: 3,
        healthy_nodes: 2,
        online_nodes: 2,
        total_agents: 100,
        max_agents: 200,
        utilization_pct: 50,
        nodes_by_role: { worker: 3 },
        nodes_by_status: { online: 2, offline: 1 },
      },
      balancer: { strategy: "least_loaded", round_robin_index: 0, backends: [] },
    });
  });

  it("say honestly that there is no leader", async () => {
    const { call } = await apiWorld();
    expect(await (await call("GET", "/api/cluster/leader")).json()).toMatchObject({
      status: 404,
      code: "not_found",
      detail: "The cluster has no elected leader",
    });
  });

  it("name the leader, and hand leadership over to this node or another", async () => {
    const { call, services, token } = await apiWorld();
    expect((await call("POST", "/api/cluster/leader")).status).toBe(503);
    services.leader = "node-2" as NodeId;
    expect(await (await call("GET", "/api/cluster/leader")).json()).toMatchObject({
      leader: { id: "node-2", role: "leader" },
    });
    expect(await (await call("GET", "/api/v1/cluster/leader")).json()).toMatchObject({
      leader: "node-2",
      term: 3,
      role: "follower",
      quorum: true,
      members: [{ node: "node-1", role: "voter", contact: true }],
    });
    expect(await (await call("POST", "/api/cluster/leader")).json()).toEqual({
      success: true,
      is_leader: true,
      leader: "node-1",
    });
    const there = await call("POST", "/api/v1/cluster/leader", { json: { to: "node-2" } });
    expect(await there.json()).toEqual({ leader: "node-2" });
    const authorization = `Bearer ${await token("developer")}`;
    expect((await call("POST", "/api/cluster/leader", { headers: { authorization } })).status).toBe(403);
  });

  it("compare and verify the replicas of the control state", async () => {
    const { call } = await apiWorld();
    expect(await (await call("GET", "/api/v1/cluster/compare-state")).json()).toMatchObject({
      index: 12,
      nodes: [{ node: "node-1", same: true }],
      difference: null,
    });
    expect(await (await call("GET", "/api/v1/cluster/verify?deep=true&node=node-2")).json()).toEqual({
      ok: true,
      checks: [{ node: "node-2", check: "section kv", ok: true, detail: "" }],
    });
  });

  it("change the strategy, written either way, and refuse an unknown one with 422", async () => {
    const { call, services } = await apiWorld();
    expect(await (await call("POST", "/api/cluster/balance?strategy=least-agents")).json()).toEqual({
      success: true,
      strategy: "least_agents",
    });
    const refused = await call("POST", "/api/cluster/balance?strategy=least_agent");
    expect(refused.status).toBe(422);
    const problem = {
      errors: [{ field: "strategy" }],
      detail: expect.stringContaining("did you mean least_agents?"),
    };
    expect(await refused.json()).toMatchObject(problem);
    expect((await call("POST", "/api/v1/cluster/balance", { json: { strategy: "best" } })).status).toBe(422);
    expect((await call("POST", "/api/cluster/balance")).status).toBe(400);
    expect(services.cluster.balancing().strategy).toBe("least_agents");
  });
});

describe("what a node is for", () => {
  it("shows by its weight and by what it may be in consensus", async () => {
    const { call, services } = await apiWorld();
    const [first, second, third] = services.known as [Member, Member, Member];
    const raft = { host: "", port: 7, identity: 1, role: "learner" } as const;
    services.known[1] = { ...second, tags: { ...second.tags, weight: 0 } };
    services.known[2] = {
      ...third,
      load: { ...third.load, disk_percent: 55.55 },
      tags: { ...third.tags, raft },
    };
    services.leader = first.id;
    const { nodes } = (await (await call("GET", "/api/cluster/nodes")).json()) as {
      nodes: readonly { readonly role: string; readonly disk_usage: number | null }[];
    };
    expect(nodes.map(({ role }) => role)).toEqual(["leader", "standby", "replica"]);
    expect(nodes.map(({ disk_usage }) => disk_usage)).toEqual([null, null, 55.6]);
  });
});

describe("a rebalance", () => {
  it("tells its plan, and what became of it", async () => {
    const { call, services } = await apiWorld();
    const move = { agent: "a" as AgentName, from: "node-1" as NodeId, to: "node-2" as NodeId, why: "fuller" };
    services.moves.push(move);
    const plan = await call("GET", "/api/v1/cluster/rebalance?strategy=least-loaded");
    expect(await plan.json()).toEqual({ strategy: "least_loaded", moves: [move], limit: 200 });
    const done = await call("POST", "/api/v1/cluster/rebalance", { json: {} });
    expect(await done.json()).toMatchObject({
      strategy: "even_distribution",
      moves: [move],
      moved: 1,
      failed: [],
    });
    expect((await call("GET", "/api/v1/cluster/rebalance?strategy=random")).status).toBe(400);
  });
});

describe("members", () => {
  it("come in pages whose cursors lead through all of them", async () => {
    const { call } = await apiWorld();
    const seen: string[] = [];
    let cursor = "";
    for (let page = 0; page < 5; page++) {
      const answer = (await (await call("GET", `/api/v1/cluster/members?limit=2${cursor}`)).json()) as {
        members: { id: string }[];
        next_cursor: string | null;
      };
      seen.push(...answer.members.map(({ id }) => id));
      if (answer.next_cursor === null) break;
      cursor = `&cursor=${answer.next_cursor}`;
    }
    expect(seen).toEqual(["node-1", "node-2", "node-3"]);
  });

  it("tell who is isolated, and that who has left has no agents any more", async () => {
    const { call, services } = await apiWorld();
    const answer = async () =>
      (await (await call("GET", "/api/v1/cluster/members")).json()) as {
        readonly isolated: readonly string[];
        readonly members: readonly { readonly id: string; readonly agents: number }[];
      };
    const left = services.member("node-2", "left");
    services.known.splice(1, 1, { ...left, load: { ...left.load, agents: 7 } });
    expect((await answer()).isolated).toEqual([]);
    services.operator.isolated.add("node-1");
    const { isolated, members } = await answer();
    expect(isolated).toEqual(["node-1"]);
    expect(members.find(({ id }) => id === "node-2")?.agents).toBe(0);
    const node = (await (await call("GET", "/api/cluster/nodes/node-2")).json()) as { active_agents: number };
    expect(node.active_agents).toBe(0);
  });

  it("are shown as they are now, whatever was shown before", async () => {
    const { call, services } = await apiWorld();
    const seen = async (): Promise<readonly string[]> => {
      const { members } = (await (await call("GET", "/api/v1/cluster/members")).json()) as {
        readonly members: readonly { readonly id: string; readonly status: string }[];
      };
      return members.map(({ id, status }) => `${id} ${status}`);
    };
    expect(await seen()).toEqual(["node-1 alive", "node-2 alive", "node-3 failed"]);
    services.known.splice(1, 1, services.member("node-2", "suspect"));
    expect(await seen()).toEqual(["node-1 alive", "node-2 suspect", "node-3 failed"]);
  });

  it("have a version as a list, which changes with who is there and in what state, not with load or page", async () => {
    const { call, services } = await apiWorld();
    const version = async (query = ""): Promise<unknown> =>
      ((await (await call("GET", `/api/v1/cluster/members${query}`)).json()) as { list_version: unknown })
        .list_version;
    const before = await version();
    expect(before).toMatch(/^[0-9a-f]{8}$/);
    expect([await version("?limit=1"), await version("?status=failed")]).toEqual([before, before]);
    const was = services.member("node-2", "alive");
    services.known.splice(1, 1, { ...was, load: { ...was.load, cpu_percent: 99 } });
    expect(await version()).toBe(before);
    services.known.splice(1, 1, services.member("node-2", "suspect"));
    const suspected = await version();
    expect(suspected).not.toBe(before);
    services.known.splice(1, 1, { ...was, incarnation: was.incarnation + 1 });
    expect([before, suspected]).not.toContain(await version());
  });

  it("are filtered by status", async () => {
    const { call } = await apiWorld();
    expect(await (await call("GET", "/api/v1/cluster/members?status=failed")).json()).toMatchObject({
      self: "node-1",
      members: [{ id: "node-3" }],
    });
  });

  it("leave with the drain time given, this node unless another is named", async () => {
    const { call, services } = await apiWorld();
    // A list is no order without fields.
    const list = await call("POST", "/api/v1/cluster/leave", { json: [] });
    expect([list.status, await list.json()]).toMatchObject([422, { code: "invalid_body" }]);
    expect((await call("POST", "/api/v1/cluster/leave", { json: {} })).status).toBe(202);
    await call("POST", "/api/v1/cluster/leave", { json: { node: "node-2", drain_timeout: "5s" } });
    expect(services.left).toEqual([
      { node: "node-1", drain_ms: 60_000 },
      { node: "node-2", drain_ms: 5_000 },
    ]);
  });
});

describe("health and keys", () => {
  it("answer 503 when a check fails", async () => {
    const { app, services } = await apiWorld();
    services.healthy = false;
    for (const path of ["/livez", "/readyz", "/healthz"]) {
      const answer = await app.request(path);
      expect(answer.status, path).toBe(503);
      const { status, checks } = (await answer.json()) as { status: string; checks: object[] };
      expect(status).toBe("failing");
      expect(checks[0]).toMatchObject({ name: "store", ok: false });
    }
  });

  it("publish the public keys and nothing secret", async () => {
    const { app, key } = await apiWorld();
    const answer = await app.request("/.well-known/jwks.json");
    expect(answer.headers.get("content-type")).toBe("application/jwk-set+json");
    expect(await answer.json()).toEqual({ keys: [key.publicJwk] });
  });
});
