import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { Member } from "../../../../src/cluster/membership.ts";
import { type AnalysisFacts, analyze } from "../../../../src/node/operator/analysis.ts";

function member(
  id: string,
  more: { status?: Member["status"]; load?: Partial<Member["load"]> } = {},
): Member {
  return {
    id: id as NodeId,
    address: { host: "10.0.0.1", port: 7946 },
    status: more.status ?? "alive",
    bootEpoch: 1,
    incarnation: 0,
    tags: {
      version: "0.1.0",
      region: "",
      zone: "",
      api: "",
      maxAgents: 100,
      weight: 100,
      services: [],
    },
    load: { agents: 40, cpu_percent: 10, memory_bytes: 1, memory_percent: 30, ...more.load },
    lastSeen_ms: 0,
  };
}

const well: AnalysisFacts = {
  measured: {
    routing_p50_ms: 0.05,
    routing_p99_ms: 0.5,
    remote_p50_ms: 1,
    remote_p99_ms: 10,
    startup_p50_ms: 5,
    startup_p99_ms: 20,
    convergence_ms: 800,
    gossipRoundTrip_p50_ms: 0.8,
  },
  members: [member("node-1"), member("node-2"), member("node-3")],
  localHealth: 0,
  voters: 3,
  queuedWrites: 0,
  furthest: { node: "node-3", estimate_ms: 0.9 },
};

const topics = (facts: Partial<AnalysisFacts>): readonly string[] =>
  analyze({ ...well, ...facts }).suggestions.map(({ topic }) => topic);

describe("the analysis", () => {
  it("suggests nothing for a cluster that is well", () => {
    expect(analyze(well)).toMatchObject({ suggestions: [], missing: [] });
  });

  it("has each suggestion's figure in it", () => {
    const measured = { ...well.measured, gossipRoundTrip_p50_ms: 12.3, convergence_ms: 7_000 };
    expect(analyze({ ...well, measured }).suggestions).toEqual([
      {
        topic: "High gossip latency",
        measured: "12ms",
        expected: "at most 5ms",
        suggestion: "Reduce gossip_fanout; the furthest is node-3, 0.9ms away",
      },
      {
        topic: "Slow convergence",
        measured: "7000ms",
        expected: "at most 5000ms",
        suggestion: "Decrease gossip_interval",
      },
    ]);
  });

  it("concludes nothing from what was not measured, and says so", () => {
    const measured = { ...well.measured, remote_p99_ms: undefined };
    expect(analyze({ ...well, measured })).toMatchObject({ suggestions: [], missing: ["Message delays"] });
  });

  it.each<[string, Partial<AnalysisFacts>, string]>([
    [
      "a busy node",
      { members: [member("node-1", { load: { cpu_percent: 89 } })] },
      "High processor load at node-1",
    ],
    ["a full one", { members: [member("node-1", { load: { agents: 95 } })] }, "Few places left at node-1"],
    [
      "little memory",
      { members: [member("node-1", { load: { memory_percent: 92 } })] },
      "Little memory left at node-1",
    ],
    ["a lost one", { members: [...well.members, member("node-4", { status: "failed" })] }, "Nodes are lost"],
    [
      "agents in one place",
      { members: [member("node-1", { load: { agents: 60 } }), member("node-2", { load: { agents: 0 } })] },
      "Uneven agents",
    ],
    ["two nodes", { voters: 1, members: [member("node-1"), member("node-2")] }, "Few voters"],
    ["writes that wait", { queuedWrites: 3 }, "Writes wait"],
    ["a node that is late", { localHealth: 4 }, "Late answers to probes"],
  ])("sees %s", (_what, facts, topic) => {
    expect(topics(facts)).toEqual([topic]);
  });

  it("does not compare a lost node's load with the others'", () => {
    const lost = member("node-4", { status: "failed", load: { agents: 100, cpu_percent: 100 } });
    expect(topics({ members: [...well.members, lost] })).toEqual(["Nodes are lost"]);
  });
});
