import { describe, expect, test } from "vitest";
import type { OverviewAnswer, ReportAnswer } from "../../../src/api/cluster/partition.ts";
import { partitionLines } from "../../../src/cli/cluster/detect-partition.ts";
import type { RehearsalAnswer } from "../../../src/api/cluster/rehearsal.ts";
import { endLines } from "../../../src/cli/cluster/partition/rehearse.ts";
import { reportLines } from "../../../src/cli/cluster/partition/report.ts";

const overview: OverviewAnswer = {
  node: "node-1",
  state: "majority",
  since: "2026-01-01T00:00:00.000Z",
  groups: [
    { nodes: ["node-1", "node-2"], side: "majority" },
    { nodes: ["node-3"], side: "minority" },
  ],
  blind: [],
  leader: "node-1",
  unheard: [],
  voters_reached: 2,
  voters: 3,
  needed: 2,
  action: null,
  queued_writes: 0,
};

describe("detect-partition", () => {
  test("as the guide shows it", () => {
    expect(partitionLines(overview, "auto")).toEqual([
      "WARNING: Potential split brain detected",
      "Partition 1: [node-1, node-2] (majority)",
      "Partition 2: [node-3] (minority)",
      "Action: node-3 entering degraded mode",
    ]);
  });

  test("by a node of an earlier program, which says less", () => {
    const earlier = { ...overview, leader: undefined, unheard: undefined };
    expect(partitionLines(earlier, "auto")).toEqual(partitionLines(overview, "auto"));
  });

  test("in the minority it tells what waits, and by hand what to do", () => {
    const cut = { ...overview, node: "node-3", state: "isolated", queued_writes: 42 } as const;
    expect(partitionLines(cut, "manual").slice(3)).toEqual([
      "Action: node-3 entering degraded mode; 42 writes wait at node-3",
      "Then: caxton cluster compare-state, to see that the replicas agree",
      "Then: caxton cluster resolve-partition --prefer majority, at a node of the majority",
    ]);
  });

  test("a whole cluster; one without a leader; nodes that do not reach each other", () => {
    const whole = {
      ...overview,
      state: "healthy",
      groups: overview.groups.slice(0, 1),
      voters_reached: 3,
    } as const;
    expect(partitionLines(whole, "auto")).toEqual(["No partition detected (3 of 3 voters in reach)"]);
    const alone = { ...whole, state: "minority", voters_reached: 1, leader: null } as const;
    expect(partitionLines(alone, "auto")[2]).toBe("No leader: 1 of 3 voters in reach, 2 needed");
    const blind = [{ from: "node-2", to: "node-3" }];
    const half = "Cut: node-2 does not reach node-3 (node-3 cannot be asked)";
    expect(partitionLines({ ...whole, blind, unasked: ["node-3"] }, "auto")[2]).toBe(half);
    // A node of an earlier program does not tell whom it asked.
    expect(partitionLines({ ...whole, blind }, "auto")[2]).toBe(half);
    expect(partitionLines({ ...whole, blind, unasked: [] }, "auto")[2]).toBe(
      "One way: node-2 does not reach node-3",
    );
  });

  test("two that lost each other are one line, whoever leads; whom the leader does not hear is named", () => {
    const answer: OverviewAnswer = {
      ...overview,
      groups: [{ nodes: ["node-1", "node-2", "node-3"], side: "majority" }],
      blind: [
        { from: "node-2", to: "node-1" },
        { from: "node-1", to: "node-2" },
      ],
    };
    expect(partitionLines(answer, "auto").slice(2)).toEqual([
      "Cut: node-1 and node-2 do not reach each other",
      "Action: none by itself: look at the network between them",
    ]);
    const groups: OverviewAnswer["groups"] = [
      { nodes: ["node-1", "node-3"], side: "majority" },
      { nodes: ["node-2"], side: "minority" },
    ];
    const unheard = [{ node: "node-2", by: "node-1" }];
    expect(partitionLines({ ...answer, groups, unheard }, "auto").slice(3)).toEqual([
      "Cut: node-1 and node-2 do not reach each other",
      "No lease: node-2, since the leader (node-1) does not hear it: its agents go to others, unless they wait for it",
      "Action: node-2 entering degraded mode",
    ]);
  });
});

describe("the report", () => {
  const write = {
    id: "0199-1",
    position: 1,
    node: "node-3",
    state: "conflicted",
    method: "PUT",
    path: "/api/v1/kv/a",
    principal: "alice",
    idempotency_key: null,
    observed: 1,
    size: 3,
    queued_at: "2026-01-01T00:00:00.000Z",
    settled_at: null,
    detail: 'Key "a" is at version 7',
  } as const;
  const node = {
    node: "node-3",
    state: "healthy",
    counts: { queued: 0, replaying: 0, applied: 1, conflicted: 1, refused: 0, expired: 0 },
    writes: [{ ...write, id: "0199-2", state: "applied", detail: "" }, write],
    more: false,
  } as const;
  const drill: Omit<RehearsalAnswer, "report" | "troubles"> = {
    id: "drill",
    isolated: ["node-3"],
    duration_ms: 1,
    started_at: write.queued_at,
    phase: "ended",
  };
  const report: ReportAnswer = {
    nodes: [{ ...node, writes: [...node.writes] }],
    missing: [{ node: "node-2", reason: "it is not reached" }],
  };

  test("counts all, shows what did not take effect, and whom it could not ask", () => {
    expect(reportLines(report, 0)).toEqual([
      "node-3: 2 writes: 1 applied, 1 conflicted, 0 refused, 0 expired, 0 waiting",
      '  0199-1 CONFLICTED PUT /api/v1/kv/a by alice: Key "a" is at version 7',
      "node-2: not asked: it is not reached",
    ]);
    expect(reportLines({ nodes: [], missing: [] }, 0)).toEqual(["No queued writes"]);
  });

  test("a drill ends with every write, the applied ones too", () => {
    const lines = endLines({ ...drill, report, troubles: ["node-3 does not answer"] }, false);
    expect(lines.filter((line) => line.startsWith("  "))).toHaveLength(2);
    expect(lines.at(-1)).toBe("WARNING: node-3 does not answer");
  });

  test("of many applied ones a drill shows the first, and how to see the others", () => {
    const applied = Array.from({ length: 60 }, (_, i) => ({
      ...write,
      id: `0199-${60 - i}`,
      state: "applied" as const,
    }));
    const many: ReportAnswer = { nodes: [{ ...node, writes: [write, ...applied] }], missing: [] };
    const shown = endLines({ ...drill, report: many, troubles: [] }, false).slice(2);
    expect(shown).toHaveLength(12);
    expect(shown[0]).toContain("0199-1 APPLIED");
    expect(shown.at(-2)).toContain("0199-1 CONFLICTED");
    expect(shown.at(-1)).toBe("  50 more applied: caxton cluster partition report -o wide");
    expect(endLines({ ...drill, report: many, troubles: [] }, true).slice(2)).toHaveLength(61);
  });
});
