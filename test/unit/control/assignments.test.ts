import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import { openControlState, type ControlState } from "../../../src/control/control-state.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import {
  type Assignment,
  type AssignmentExpectation,
  type AssignmentMove,
  decodeAssignmentFound,
  decodeAssignmentsPage,
  encodeAssignmentGet,
  encodeAssignmentMoves,
  encodeAssignmentPut,
  encodeAssignmentRemove,
  encodeAssignmentsSince,
  encodeAssignmentSuspend,
} from "../../../src/wire/control-assignments.ts";
import { type ControlOutcome, encodeControlQuery } from "../../../src/wire/control-command.ts";
import { controlCommands, controlQueries } from "../../../src/wire/control-kinds.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import { TestLeader } from "../../support/control-log.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

const name = (text: string) => text as AgentName;
const node = (text: string) => text as NodeId;

function world() {
  const databases = memoryDatabases();
  const state = openControlState(databases, "control.db");
  opened.push(() => databases.dispose());
  const leader = new TestLeader(state);
  const find = (agent: string, at: ControlState = state): Assignment | null =>
    decodeAssignmentFound(
      at.query(encodeControlQuery(controlQueries.assignmentGet, encodeAssignmentGet(name(agent)))),
    );
  const expectation = (agent: string): AssignmentExpectation | null => {
    const found = find(agent);
    return found === null ? null : { epoch: found.epoch, revision: found.revision };
  };
  return {
    state,
    leader,
    find,
    expectation,
    since: (changed: number) =>
      decodeAssignmentsPage(
        state.query(encodeControlQuery(controlQueries.assignmentsSince, encodeAssignmentsSince(changed))),
      ),
    put: (
      agent: string,
      to: string,
      more: { expected?: AssignmentExpectation | null; above?: number } = {},
    ) =>
      leader.run({
        kind: controlCommands.assignmentPut,
        body: encodeAssignmentPut({
          agent: name(agent),
          node: node(to),
          expected: more.expected === undefined ? expectation(agent) : more.expected,
          revision: (find(agent)?.revision ?? 0) + 1,
          above: more.above ?? 0,
          cause: "deployed",
          continues: 0,
          suspended: false,
          spec: encodeUtf8(`{"name":"${agent}"}`),
        }),
      }),
    move: (moves: readonly Partial<AssignmentMove>[], term = 0): ControlOutcome =>
      leader.run({
        kind: controlCommands.assignmentMove,
        body: encodeAssignmentMoves({
          cause: "failover",
          term,
          moves: moves.map((move) => ({
            agent: name("a"),
            from: node("n1"),
            epoch: 0,
            to: node("n2"),
            continues: 0,
            transfer: 0,
            ...move,
          })),
        }),
      }),
    remove: (agent: string, expected: AssignmentExpectation | null = null) =>
      leader.run({
        kind: controlCommands.assignmentRemove,
        body: encodeAssignmentRemove({ agent: name(agent), expected }),
      }),
    suspend: (agent: string, epoch: number, suspended: boolean) =>
      leader.run({
        kind: controlCommands.assignmentSuspend,
        body: encodeAssignmentSuspend({ agent: name(agent), epoch, suspended }),
      }),
  };
}

describe("assignments", () => {
  it("keeps the epoch of an update in place and raises it with another owner", () => {
    const { put, find } = world();
    const first = put("a", "n1");
    expect(first).toMatchObject({ status: "done" });
    expect(put("a", "n1")).toMatchObject({ status: "done", value: first.value });
    expect(find("a")).toMatchObject({ node: "n1", epoch: first.value, revision: 2, previous: null });
    const moved = put("a", "n2");
    expect(moved.value).toBeGreaterThan(first.value);
    expect(find("a")).toMatchObject({ node: "n2", previous: "n1", previousEpoch: first.value, revision: 3 });
  });

  it("refuses who expects something else than is there, and changes nothing", () => {
    const { put, remove, find } = world();
    const { value: epoch } = put("a", "n1");
    expect(put("a", "n2", { expected: null })).toMatchObject({ status: "conflict", value: epoch });
    expect(put("a", "n2", { expected: { epoch, revision: 9 } })).toMatchObject({ status: "conflict" });
    expect(put("b", "n2", { expected: { epoch, revision: 1 } })).toMatchObject({
      status: "conflict",
      value: 0,
    });
    expect(remove("a", { epoch: epoch + 1, revision: 1 })).toMatchObject({ status: "conflict" });
    expect(find("a")).toMatchObject({ node: "n1", epoch, revision: 1 });
    expect(find("b")).toBeNull();
  });

  it("moves each of a batch from the owner and epoch that it names, once", () => {
    const { put, move, find } = world();
    const a = put("a", "n1").value;
    const b = put("b", "n1").value;
    const batch = [
      { agent: name("a"), epoch: a },
      { agent: name("b"), epoch: b, from: node("n3") },
      { agent: name("c"), epoch: 1 },
    ];
    expect(move(batch)).toMatchObject({ status: "done", value: 1 });
    expect(move(batch)).toMatchObject({ status: "done", value: 0 });
    expect(find("a")).toMatchObject({ node: "n2", previous: "n1", previousEpoch: a, cause: "failover" });
    expect(find("b")).toMatchObject({ node: "n1", epoch: b });
  });

  it("lets an owner fence off a move that may still be on its way", () => {
    const { put, move, find } = world();
    const { value: epoch } = put("a", "n1");
    expect(move([{ epoch, to: node("n1"), continues: epoch }]).value).toBe(1);
    expect(move([{ epoch, to: node("n2"), transfer: 7 }]).value).toBe(0);
    expect(find("a")).toMatchObject({ node: "n1", continues: epoch });
  });

  it("moves nothing by who leads no more", () => {
    const { put, move, find, leader } = world();
    const { value: epoch } = put("a", "n1");
    const { term } = leader;
    leader.elect();
    expect(move([{ epoch }], term)).toMatchObject({ status: "stale", value: leader.term });
    expect(find("a")).toMatchObject({ node: "n1", epoch });
    expect(move([{ epoch }], leader.term)).toMatchObject({ status: "done", value: 1 });
  });

  it("takes an agent from before over with an epoch above its own", () => {
    const { put, remove } = world();
    const adopted = put("old", "n1", { above: 5_000 });
    expect(adopted.value).toBeGreaterThan(5_000);
    remove("old");
    expect(put("old", "n2").value).toBeGreaterThan(adopted.value);
  });

  it("tells the changes after a number, removals among them, and how many there are", () => {
    const { put, remove, suspend, since, find } = world();
    put("a", "n1");
    const { value: epoch } = put("b", "n1");
    const seen = since(0);
    expect(seen.assignments.map(({ agent }) => agent)).toEqual(["a", "b"]);
    expect(seen).toMatchObject({ total: 2, more: false, removed: [] });
    const last = seen.assignments.at(-1)?.changed ?? 0;
    expect(suspend("b", epoch, true)).toMatchObject({ status: "done" });
    remove("a");
    const next = since(last);
    expect(next.assignments).toMatchObject([{ agent: "b", suspended: true, epoch }]);
    expect(next.removed.map(({ agent }) => agent)).toEqual(["a"]);
    expect(next.total).toBe(1);
    expect(suspend("b", epoch - 1, false)).toMatchObject({ status: "conflict", value: epoch });
    expect(find("b")?.suspended).toBe(true);
  });

  it("tells main by a rising number that something changed that nodes act upon", () => {
    const { state, put, leader } = world();
    const before = state.watched;
    leader.elect();
    expect(state.watched).toBe(before);
    put("a", "n1");
    expect(state.watched).toBeGreaterThan(before);
  });

  it("gives pages that together are all of them", () => {
    const { put, since } = world();
    for (let i = 0; i < 1_100; i++) put(`agent-${i}`, "n1");
    const names = new Set<string>();
    let last = 0;
    for (let pages = 1; ; pages++) {
      const page = since(last);
      for (const { agent } of page.assignments) names.add(agent);
      last = page.assignments.at(-1)?.changed ?? last;
      if (!page.more) {
        expect(pages).toBe(3);
        break;
      }
    }
    expect(names.size).toBe(1_100);
  });
});

describe("epochs", () => {
  const agents = ["a", "b"];
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("put" as const),
      agent: fc.constantFrom(...agents),
      to: fc.constantFrom("n1", "n2"),
    }),
    fc.record({ kind: fc.constant("move" as const), agent: fc.constantFrom(...agents), stale: fc.boolean() }),
    fc.record({ kind: fc.constant("remove" as const), agent: fc.constantFrom(...agents) }),
    fc.record({
      kind: fc.constant("adopt" as const),
      agent: fc.constantFrom(...agents),
      above: fc.nat(1_000),
    }),
  );

  it("only rise, and never name two owners", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { put, move, remove, find } = world();
        const highest = new Map<string, number>();
        const owners = new Map<number, string>();
        for (const each of steps) {
          const before = find(each.agent);
          if (each.kind === "put") put(each.agent, each.to);
          else if (each.kind === "remove") remove(each.agent);
          else if (each.kind === "adopt") put(each.agent, "n3", { expected: null, above: each.above });
          else {
            const epoch = Math.max(0, (before?.epoch ?? 0) - (each.stale ? 1 : 0));
            move([{ agent: name(each.agent), from: node(before?.node ?? "n1"), epoch, to: node("n4") }]);
          }
          const after = find(each.agent);
          if (after === null) continue;
          expect(after.epoch).toBeGreaterThanOrEqual(highest.get(each.agent) ?? 0);
          highest.set(each.agent, after.epoch);
          const key = `${each.agent}@${after.node}`;
          expect(owners.get(after.epoch) ?? key).toBe(key);
          owners.set(after.epoch, key);
        }
      }),
      { numRuns: 30 },
    );
  });
});
