import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LogTail } from "../../../src/cli/agent/logs.ts";
import { columnsFor } from "../../../src/cli/cluster/members.ts";
import { statusText } from "../../../src/cli/cluster/performance.ts";
import { summaryOf } from "../../../src/cli/cluster/compare-state.ts";
import { statusLines } from "../../../src/cli/cluster/status.ts";
import { agoText, latencyText } from "../../../src/cli/figures.ts";
import { eventLine, EventOrder } from "../../../src/cli/follow-events.ts";
import { renderTable } from "../../../src/cli/table.ts";

describe("tables", () => {
  test("of members show those that are isolated, where the node says so", () => {
    const member = { id: "node-2", status: "alive" } as never;
    const statusOf = (answer: { now: string; isolated?: string[] }) =>
      columnsFor(answer, true, false)[1]?.cell(member);
    expect(statusOf({ now: "", isolated: ["node-2"] })).toBe("alive (isolated)");
    expect(statusOf({ now: "" })).toBe("alive");
  });

  test("align like the documents'", () => {
    const table = renderTable(
      ["NODE-ID", "STATUS", "LAST-SEEN", "AGENTS"],
      [["node-2", "suspect", "45s ago", "38"]],
    );
    expect(table).toBe("NODE-ID    STATUS     LAST-SEEN    AGENTS\nnode-2     suspect    45s ago      38");
  });

  test("count characters, not bytes, and let nothing paint the terminal", () => {
    expect(renderTable(["A", "B"], [["87μs", "✓"]])).toBe("A       B\n87μs    ✓");
    expect(renderTable(["A"], [["\u001b[2J\n"]])).toBe("A\n\\x1b[2J\\x0a");
  });

  test("have a line a row, whatever the cells", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 8 }), (rows) => {
        expect(renderTable(["A", "B"], rows).split("\n")).toHaveLength(rows.length + 1);
      }),
    );
  });
});

test.each([
  [null, "-"],
  [0.0004, "0μs"],
  [0.087, "87μs"],
  [0.1, "100μs"],
  [0.31, "0.31ms"],
  [0.9, "0.9ms"],
  [12.34, "12.3ms"],
  [999.94, "999.9ms"],
  [1_200, "1.2s"],
])("a latency of %s ms is %s", (latency_ms, text) => {
  expect(latencyText(latency_ms)).toBe(text);
});

test.each([
  ["2026-01-01T00:00:00Z", "2026-01-01T00:00:45.9Z", "45s ago"],
  ["2026-01-01T00:00:00Z", "2026-01-01T01:01:00Z", "1h1m ago"],
  ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "now"],
  ["2026-01-01T00:00:05Z", "2026-01-01T00:00:00Z", "now"],
  ["", "2026-01-01T00:00:00Z", "-"],
])("from %s to %s is %s", (then, now, text) => {
  expect(agoText(then, now)).toBe(text);
});

test("performance and events carry the documents' signs", () => {
  expect([true, false, null].map(statusText)).toEqual(["✓", "✗ DEGRADED", "not measured"]);
  expect(eventLine({ level: "warn", text: "Node node-2 detected as failed" })).toBe(
    "[WARN] Node node-2 detected as failed",
  );
});

test("events tell their time when asked to, and those that come late do so anyway", () => {
  const order = new EventOrder();
  const at = (second: number): string => new Date(second * 1_000).toISOString();
  const line = (second: number, wide = false): string =>
    eventLine({ level: "info", text: "x" }, order.mark(at(second), wide));
  expect(line(100)).toBe("[INFO] x");
  expect(line(101, true)).toBe(`[INFO] ${at(101)} x`);
  expect(line(99)).toBe("[INFO] x");
  expect(line(60)).toBe(`[INFO] x (earlier, at ${at(60)})`);
  expect(line(102)).toBe("[INFO] x");
});

test("status of a minority, with a leader, and who says so when wide", () => {
  const answer = {
    cluster: "c",
    uuid: "u",
    node: "node-3",
    status: "DEGRADED (minority partition)",
    operations: "READ-ONLY" as const,
    nodes_active: 1,
    nodes_total: 3,
    queued_writes: 42,
    leader: "node-1",
    term: 7,
    voters: ["node-1", "node-2", "node-3"],
    lease: { held: false, losses: 1, without_ms: 12_345 },
    unheard: [],
    isolated: [],
    shed_percentage: 0,
  };
  expect(statusLines(answer, false)).toEqual([
    "Status: DEGRADED (minority partition)",
    "Operations: READ-ONLY",
    "Nodes: 1/3 active",
    "Queued writes: 42",
    "Leader: node-1",
    "Term: 7",
    "Voters: node-1, node-2, node-3",
    "Lease: not held by node-3 for 12s: its agents are parked",
  ]);
  const why = "the leader (node-1) is giving its agents to others";
  expect(statusLines({ ...answer, lease: { ...answer.lease, why } }, false).at(-1)).toBe(
    `Lease: not held by node-3 for 12s, since ${why}: its agents are parked`,
  );
  const bare = { ...answer, leader: null, term: 0, voters: [], lease: null };
  expect(statusLines(bare, false).at(-1)).toBe("Leader: none");
  const held = { ...answer, lease: { held: true, losses: 0, without_ms: 0 } };
  const unheard = [{ node: "node-2", by: "node-1", since: "2026-01-01T00:00:00.000Z" }];
  expect(statusLines({ ...held, unheard }, false).at(-1)).toBe(
    "No lease: node-2, since the leader (node-1) does not hear it",
  );
  // A node of an earlier program says nothing of them.
  expect(statusLines({ ...held, unheard: undefined }, false).at(-1)).toBe("Lease: held by node-3");
  expect(statusLines({ ...held, isolated: ["node-2"], shed_percentage: 20 }, false).slice(-3)).toEqual([
    "Lease: held by node-3",
    "Isolated: node-2",
    "Shedding: 20% of clients' messages",
  ]);
  expect(statusLines(answer, true).slice(-2)).toEqual(["Cluster: c (u)", "Seen by: node-3"]);
});

test("a difference of replicas is named by its place", () => {
  const nodes = [{ node: "n", hash: "h", same: false, detail: "" }];
  const difference = { node: "node-2", section: "kv", key: "a/b", detail: "only node-1 has it" };
  expect(summaryOf({ index: 9, nodes, difference })).toBe(
    'First difference at index 9: node-2, kv, key "a/b": only node-1 has it',
  );
  expect(summaryOf({ index: 9, nodes, difference: { ...difference, section: "log", key: null } })).toBe(
    "First difference at index 9: node-2, log: only node-1 has it",
  );
});

describe("a followed log", () => {
  const line = (second: number, text: string) => ({
    at: `2026-01-01T00:00:0${second}Z`,
    level: "info" as const,
    text,
  });

  test("prints each line once, equal times and equal texts included", () => {
    const tail = new LogTail();
    const all = [line(1, "a"), line(2, "b"), line(2, "b"), line(2, "c"), line(3, "d")];
    expect(tail.fresh(all.slice(0, 2))).toEqual([all[0], all[1]]);
    expect(tail.fresh(all.slice(0, 3))).toEqual([all[2]]);
    expect(tail.fresh(all)).toEqual([all[3], all[4]]);
    expect(tail.fresh(all)).toEqual([]);
    expect(tail.fresh([])).toEqual([]);
  });
});
