import { describe, expect, it } from "vitest";
import { apiWorld } from "../../support/api-world.ts";

const acting = ["add-node", "isolate", "rejoin", "rebuild", "stop", "start", "shed-load"] as const;

describe("what operators do to nodes", () => {
  it("is refused to everybody else", async () => {
    const { call, token, services } = await apiWorld();
    for (const role of ["developer", "viewer"] as const) {
      const headers = { authorization: `Bearer ${await token(role)}` };
      for (const command of acting) {
        const { status } = await call("POST", `/api/v1/cluster/${command}`, { json: {}, headers });
        expect(status, `${role} ${command}`).toBe(403);
      }
      expect((await call("GET", "/api/v1/resources", { headers })).status).toBe(200);
      expect((await call("GET", "/api/v1/cluster/analyze", { headers })).status).toBe(200);
    }
    expect(services.operator.done).toEqual([]);
  });

  it("wants bodies that say what is to be done", async () => {
    const { call, services } = await apiWorld();
    const bad: readonly (readonly [(typeof acting)[number], unknown])[] = [
      ["add-node", {}],
      ["add-node", { address: "new-node" }],
      ["add-node", { address: "../7946" }],
      ["isolate", {}],
      ["isolate", { node: "../node-2" }],
      ["isolate", { node: "node-2", drain_timeout: "2h" }],
      ["rejoin", { node: 2 }],
      ["rebuild", { node: "node-2", from: "backup" }],
      ["stop", {}],
      ["stop", { all: false }],
      ["shed-load", {}],
      ["shed-load", { percentage: 101 }],
      ["shed-load", { percentage: 12.5 }],
      ["shed-load", { percentage: "20" }],
    ];
    for (const [command, json] of bad) {
      const { status } = await call("POST", `/api/v1/cluster/${command}`, { json });
      expect(status, `${command} ${JSON.stringify(json)}`).toBe(422);
    }
    expect(services.operator.done).toEqual([]);
  });

  it("is answered with what was done", async () => {
    const { call, services } = await apiWorld();
    const post = async (command: string, json: unknown): Promise<unknown> =>
      await (await call("POST", `/api/v1/cluster/${command}`, { json })).json();
    expect(await post("add-node", { address: "[::1]:7946" })).toEqual({
      node: "node-4",
      address: "[::1]:7946",
      status: "joined",
    });
    expect(await post("isolate", { node: "node-2", drain_timeout: "5s" })).toEqual({
      node: "node-2",
      status: "isolated",
      moved: 3,
      stayed: 0,
      not_reached: null,
    });
    expect(await (await call("GET", "/api/cluster/nodes/node-2")).json()).toMatchObject({
      status: "draining",
      available: false,
    });
    expect(await post("rebuild", { node: "node-2" })).toEqual({
      node: "node-2",
      status: "rebuilt",
      index: 12,
      took_ms: 420,
    });
    expect(await post("rejoin", { node: "node-2" })).toEqual({ node: "node-2", status: "rejoined" });
    expect(await post("rejoin", { node: "node-2" })).toMatchObject({ status: 409, code: "conflict" });
    services.operator.silent.add("node-3");
    expect(await post("stop", { all: true })).toEqual({
      nodes: [
        { node: "node-1", ok: true, detail: "" },
        { node: "node-2", ok: true, detail: "" },
        { node: "node-3", ok: false, detail: "it is not reached" },
      ],
    });
    expect((await call("POST", "/api/v1/cluster/start")).status).toBe(202);
    expect(await post("shed-load", { percentage: 20 })).toEqual({ percentage: 20, refused: 0 });
  });

  it("is not kept for later by a minority", async () => {
    const { call, services } = await apiWorld();
    services.partition.minority = true;
    for (const [command, json] of [
      ["isolate", { node: "node-2" }],
      ["rejoin", { node: "node-2" }],
      ["shed-load", { percentage: 20 }],
    ] as const)
      expect((await call("POST", `/api/v1/cluster/${command}`, { json })).status, command).toBe(503);
    expect(services.partition.kept).toEqual([]);
    expect(services.operator.done).toEqual([]);
  });
});

it("a partition is asked about and resolved under the commands' names, too", async () => {
  const { call } = await apiWorld();
  const answers = ["partition", "detect-partition"].map(
    async (name): Promise<unknown> => await (await call("GET", `/api/v1/cluster/${name}`)).json(),
  );
  const [own, alias] = await Promise.all(answers);
  expect(alias).toEqual(own);
  const resolved = await call("POST", "/api/v1/cluster/resolve-partition", { json: { prefer: "majority" } });
  expect(await resolved.json()).toEqual({ lines: ["Trying node-3 again"] });
});
