/**
 * Which node owns which agent, under which epoch. Epochs are drawn from the one counter that never goes back, so
 * they rise over an agent's removal and return too. Who may be given an agent, and when, is not decided here.
 */
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { SqlRow } from "../../ports/database.ts";
import { type ControlOutcome, outcome } from "../../wire/control-command.ts";
import {
  type Assignment,
  type AssignmentExpectation,
  type AssignmentMove,
  assignmentCauses,
  assignmentPage_bytes,
  assignmentPage_rows,
  encodeAssignmentFound,
  encodeAssignmentsPage,
  readAgentName,
  readAssignmentMoves,
  readAssignmentPut,
  readAssignmentRemove,
  readAssignmentsSince,
  readAssignmentSuspend,
  removalsPage,
} from "../../wire/control-assignments.ts";
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import { type ControlContext, type Feature, defineCommand, defineQuery } from "../feature.ts";
import { assignments_max, removals_max } from "../limits.ts";
import type { RowMark, Section, SectionDefinition } from "../section.ts";

type Row = SqlRow & RowMark;

const owned: SectionDefinition = {
  name: "assignments",
  since: 2,
  watched: true,
  key: { name: "agent", type: "text" },
  columns: [
    { name: "node", type: "text" },
    { name: "epoch", type: "integer" },
    { name: "revision", type: "integer" },
    { name: "changed", type: "integer" },
    { name: "suspended", type: "integer" },
    { name: "cause", type: "integer" },
    { name: "previous", type: "text" },
    { name: "previous_epoch", type: "integer" },
    { name: "continues", type: "integer" },
    { name: "transfer", type: "integer" },
    { name: "at_ms", type: "integer" },
    { name: "replicas", type: "text" },
    { name: "spec", type: "bytes", large: true },
  ],
  indexed: ["changed"],
};

/** The newest removals, for whoever follows the changes. */
const removals: SectionDefinition = {
  name: "assignments_removed",
  since: 2,
  watched: true,
  key: { name: "changed", type: "integer" },
  columns: [{ name: "agent", type: "text" }],
};

function assignmentOf(row: SqlRow): Assignment {
  const previous = String(row["previous"]);
  const replicas = String(row["replicas"]);
  return {
    agent: String(row["agent"]) as AgentName,
    node: String(row["node"]) as NodeId,
    epoch: Number(row["epoch"]),
    revision: Number(row["revision"]),
    changed: Number(row["changed"]),
    suspended: row["suspended"] === 1,
    cause: assignmentCauses[Number(row["cause"])] ?? "deployed",
    previous: previous === "" ? null : (previous as NodeId),
    previousEpoch: Number(row["previous_epoch"]),
    continues: Number(row["continues"]),
    transfer: Number(row["transfer"]),
    at_ms: Number(row["at_ms"]),
    replicas: replicas === "" ? [] : (replicas.split(",") as NodeId[]),
    spec: row["spec"] as Uint8Array,
  };
}

function write(section: Section, before: Row | undefined, assignment: Assignment): void {
  const { agent, node, epoch, revision, changed, suspended, cause } = assignment;
  const { previous, previousEpoch, continues, transfer, at_ms, replicas, spec } = assignment;
  const placed = [agent, node, epoch, revision, changed, suspended ? 1 : 0, assignmentCauses.indexOf(cause)];
  const history = [previous ?? "", previousEpoch, continues, transfer, at_ms, replicas.join(",")];
  section.put(before, [...placed, ...history, spec]);
}

function meets(row: SqlRow | undefined, expected: AssignmentExpectation | null): boolean {
  if (row === undefined || expected === null) return row === undefined && expected === null;
  return row["epoch"] === expected.epoch && row["revision"] === expected.revision;
}

/** A deployment, an update in place, an adoption. The epoch stays where the owner stays. */
const put = defineCommand({
  kind: controlCommands.assignmentPut,
  version: 1,
  since: 2,
  name: "assignment.put",
  read: readAssignmentPut,
  apply: (context, command) => {
    const { agent, node, expected, revision, above, cause, continues, suspended, spec } = command;
    const section = context.section(owned);
    const before = section.peek(agent);
    if (!meets(before, expected)) return outcome("conflict", Number(before?.["epoch"] ?? 0));
    if (before === undefined && section.rows >= assignments_max) return outcome("limit", assignments_max);
    const known = before === undefined ? null : assignmentOf(before);
    if (known !== null && known.node === node) {
      const changed = context.nextRevision();
      write(section, before, { ...known, revision, changed, suspended, spec });
      return outcome("done", known.epoch);
    }
    const epoch = context.nextRevision(above);
    write(section, before, {
      agent,
      node,
      epoch,
      revision,
      changed: epoch,
      suspended,
      cause,
      previous: known?.node ?? null,
      previousEpoch: known?.epoch ?? 0,
      continues,
      transfer: 0,
      at_ms: context.wall_ms,
      replicas: [],
      spec,
    });
    return outcome("done", epoch);
  },
});

/** Each move counts for itself, and only from the owner and epoch that it names: a batch that comes twice moves once. */
const move = defineCommand({
  kind: controlCommands.assignmentMove,
  version: 1,
  since: 2,
  name: "assignment.move",
  read: readAssignmentMoves,
  apply: (context, { cause, term, moves }) => {
    if (term !== 0 && term !== context.term) return outcome("stale", context.term);
    let moved = 0;
    for (const each of moves) if (moveOne(context, each, assignmentCauses.indexOf(cause))) moved++;
    return outcome("done", moved);
  },
});

function moveOne(context: ControlContext, command: AssignmentMove, cause: number): boolean {
  const { agent, from, epoch: expected, to, continues, transfer } = command;
  const section = context.section(owned);
  const before = section.get(agent);
  if (before === undefined || before["node"] !== from || before["epoch"] !== expected) return false;
  const epoch = context.nextRevision();
  write(section, before, {
    ...assignmentOf(before),
    node: to,
    epoch,
    changed: epoch,
    cause: assignmentCauses[cause] ?? "deployed",
    previous: from,
    previousEpoch: expected,
    continues,
    transfer,
    at_ms: context.wall_ms,
    replicas: [],
  });
  return true;
}

const remove = defineCommand({
  kind: controlCommands.assignmentRemove,
  version: 1,
  since: 2,
  name: "assignment.remove",
  read: readAssignmentRemove,
  apply: (context, { agent, expected }) => {
    const section = context.section(owned);
    const row = section.peek(agent);
    if (row === undefined) return outcome("not_found");
    const epoch = Number(row["epoch"]);
    if (expected !== null && !meets(row, expected)) return outcome("conflict", epoch);
    section.delete(row, agent);
    const told = context.section(removals);
    if (told.rows >= removals_max) {
      const oldest = told.walk(null, 1)[0];
      if (oldest !== undefined) told.delete(oldest, Number(oldest["changed"]));
    }
    told.put(undefined, [context.nextRevision(), agent]);
    return outcome("done", epoch);
  },
});

const suspend = defineCommand({
  kind: controlCommands.assignmentSuspend,
  version: 1,
  since: 2,
  name: "assignment.suspend",
  read: readAssignmentSuspend,
  apply: (context, { agent, epoch, suspended }): ControlOutcome => {
    const section = context.section(owned);
    const before = section.get(agent);
    if (before === undefined) return outcome("not_found");
    const known = assignmentOf(before);
    if (known.epoch !== epoch) return outcome("conflict", known.epoch);
    if (known.suspended === suspended) return outcome("done", epoch);
    write(section, before, { ...known, suspended, changed: context.nextRevision() });
    return outcome("done", epoch);
  },
});

const since = defineQuery({
  kind: controlQueries.assignmentsSince,
  name: "assignments.since",
  read: readAssignmentsSince,
  run: (view, changed) => {
    const section = view.section(owned);
    const found: Assignment[] = [];
    let bytes = 0;
    let more = false;
    for (const row of section.above("changed", changed, assignmentPage_rows + 1)) {
      if (
        found.length === assignmentPage_rows ||
        (found.length > 0 && bytes + row.size > assignmentPage_bytes)
      ) {
        more = true;
        break;
      }
      bytes += row.size;
      found.push(assignmentOf(row));
    }
    const removed = view
      .section(removals)
      .walk(changed, removalsPage)
      .map((row) => ({ agent: String(row["agent"]) as AgentName, changed: Number(row["changed"]) }));
    return encodeAssignmentsPage({ assignments: found, removed, total: section.rows, more });
  },
});

const get = defineQuery({
  kind: controlQueries.assignmentGet,
  name: "assignment.get",
  read: readAgentName,
  run: (view, agent) => {
    const row = view.section(owned).get(agent);
    return encodeAssignmentFound(row === undefined ? null : assignmentOf(row));
  },
});

export const assignments: Feature = {
  name: "assignments",
  sections: [owned, removals],
  commands: [put, move, remove, suspend],
  queries: [since, get],
};
