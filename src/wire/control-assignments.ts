/**
 * Who owns which agent, as commands, queries and answers of the control state. A specification is carried as the
 * bytes that its deployer encoded: the state keeps it for whoever must start the agent, and never looks inside.
 */
import type { AgentName, NodeId } from "../base/ids.ts";
import { namePattern } from "../base/ids.ts";
import { readNodeId } from "./control-node.ts";
import { Reader, WireError, Writer } from "./cursor.ts";

export const assignmentSpecLimit_bytes = 64 * 1024;
/** Moves in one command. With names of 64 bytes they stay far below the bound of a command. */
export const movesLimit = 2_000;
/** Rows and bytes of one answer, and removals that it tells. */
export const assignmentPage_rows = 500;
export const assignmentPage_bytes = 512 * 1024;
export const removalsPage = 4_096;
const replicasLimit = 16;

/** Why the agent is where it is. The index is the byte on the wire: the order never changes. */
export const assignmentCauses = [
  "deployed",
  /** It ran there before the cluster kept assignments. */
  "adopted",
  /** Its node was lost. */
  "failover",
  /** An operator moved it, with its state. */
  "migrated",
  /** Its node handed it over before it left. */
  "drained",
  "rebalanced",
] as const;
export type AssignmentCause = (typeof assignmentCauses)[number];

export interface Assignment {
  readonly agent: AgentName;
  readonly node: NodeId;
  /** Rises whenever the agent gets another owner, over its removal and return too. */
  readonly epoch: number;
  /** Of the specification: rises by one with each deployment. */
  readonly revision: number;
  /** The number of this row's last change; higher than that of any earlier change of any row. */
  readonly changed: number;
  readonly suspended: boolean;
  readonly cause: AssignmentCause;
  /** Who had it before, and under which epoch; null and 0 at first. */
  readonly previous: NodeId | null;
  readonly previousEpoch: number;
  /** The epoch whose journal goes on under this one; 0: the agent began anew. */
  readonly continues: number;
  /** The hand-over that brought that journal to another node; 0: it stayed where it was. */
  readonly transfer: number;
  /** Unix time of the leader when the agent got this owner, for people. */
  readonly at_ms: number;
  /** Nodes that hold all that was acknowledged. */
  readonly replicas: readonly NodeId[];
  readonly spec: Uint8Array;
}

/** What must be there for a put or a removal to count; null: nothing. */
export interface AssignmentExpectation {
  readonly epoch: number;
  readonly revision: number;
}

export interface AssignmentPut {
  readonly agent: AgentName;
  readonly node: NodeId;
  readonly expected: AssignmentExpectation | null;
  readonly revision: number;
  /** The new epoch is above this one: that of an agent from before the assignments. */
  readonly above: number;
  readonly cause: AssignmentCause;
  /** See `Assignment`; meant only where the epoch changes. */
  readonly continues: number;
  readonly suspended: boolean;
  readonly spec: Uint8Array;
}

export interface AssignmentMove {
  readonly agent: AgentName;
  readonly from: NodeId;
  /** Of the present assignment: another one, and this move is passed over. */
  readonly epoch: number;
  /** May be `from`: only the epoch rises then, so that an older move can take effect no more. */
  readonly to: NodeId;
  readonly continues: number;
  readonly transfer: number;
}

export interface AssignmentMoves {
  readonly cause: AssignmentCause;
  /** Nothing is moved in another term of Raft than this: who decided leads no more. 0: in any. */
  readonly term: number;
  readonly moves: readonly AssignmentMove[];
}

export interface AssignmentRemove {
  readonly agent: AgentName;
  /** Null: whatever is there. */
  readonly expected: AssignmentExpectation | null;
}

export interface AssignmentSuspend {
  readonly agent: AgentName;
  readonly epoch: number;
  readonly suspended: boolean;
}

export interface AssignmentsPage {
  /** Those that changed, in the order of their changes. */
  readonly assignments: readonly Assignment[];
  readonly removed: readonly { readonly agent: AgentName; readonly changed: number }[];
  /** How many there are in all: whoever has another number after the last page has missed removals. */
  readonly total: number;
  /** Ask again from the last one's `changed`. */
  readonly more: boolean;
}

/** Above what counters of epochs from before may be: they counted moves of one agent. */
const aboveLimit = 2 ** 32;

export function readAgentName(reader: Reader): AgentName {
  const name = reader.text(64);
  if (!namePattern.test(name)) throw new WireError("not an agent's name");
  return name as AgentName;
}

function readCause(reader: Reader): AssignmentCause {
  const cause = assignmentCauses[reader.u8()];
  if (cause === undefined) throw new WireError("unknown cause of an assignment");
  return cause;
}

function writeExpectation(writer: Writer, expected: AssignmentExpectation | null): void {
  writer.bool(expected !== null);
  if (expected !== null) writer.u64(expected.epoch).u64(expected.revision);
}

function readExpectation(reader: Reader): AssignmentExpectation | null {
  return reader.bool() ? { epoch: reader.u64(), revision: reader.u64() } : null;
}

export function encodeAssignmentPut(put: AssignmentPut): Uint8Array {
  const writer = new Writer(256 + put.spec.length).text(put.agent).text(put.node);
  writeExpectation(writer, put.expected);
  writer.u64(put.revision).u64(put.above).u8(assignmentCauses.indexOf(put.cause)).u64(put.continues);
  return writer.bool(put.suspended).blob(put.spec).finish();
}

export function readAssignmentPut(reader: Reader): AssignmentPut {
  const put = {
    agent: readAgentName(reader),
    node: readNodeId(reader),
    expected: readExpectation(reader),
    revision: reader.u64(),
    above: reader.u64(),
    cause: readCause(reader),
    continues: reader.u64(),
    suspended: reader.bool(),
    spec: reader.blob(assignmentSpecLimit_bytes),
  };
  if (put.above > aboveLimit) throw new WireError("epoch that no agent had before assignments");
  return put;
}

export function encodeAssignmentMoves({ cause, term, moves }: AssignmentMoves): Uint8Array {
  const writer = new Writer(64 + 96 * moves.length);
  writer.u8(assignmentCauses.indexOf(cause)).u64(term).varint(moves.length);
  for (const { agent, from, epoch, to, continues, transfer } of moves) {
    writer.text(agent).text(from).u64(epoch).text(to).u64(continues).u64(transfer);
  }
  return writer.finish();
}

export function readAssignmentMoves(reader: Reader): AssignmentMoves {
  const cause = readCause(reader);
  const term = reader.u64();
  const count = reader.count(movesLimit, 27);
  const moves = Array.from({ length: count }, () => ({
    agent: readAgentName(reader),
    from: readNodeId(reader),
    epoch: reader.u64(),
    to: readNodeId(reader),
    continues: reader.u64(),
    transfer: reader.u64(),
  }));
  return { cause, term, moves };
}

export function encodeAssignmentRemove({ agent, expected }: AssignmentRemove): Uint8Array {
  const writer = new Writer().text(agent);
  writeExpectation(writer, expected);
  return writer.finish();
}

export function readAssignmentRemove(reader: Reader): AssignmentRemove {
  return { agent: readAgentName(reader), expected: readExpectation(reader) };
}

export function encodeAssignmentSuspend({ agent, epoch, suspended }: AssignmentSuspend): Uint8Array {
  return new Writer().text(agent).u64(epoch).bool(suspended).finish();
}

export function readAssignmentSuspend(reader: Reader): AssignmentSuspend {
  return { agent: readAgentName(reader), epoch: reader.u64(), suspended: reader.bool() };
}

/** Changes after this one. */
export function encodeAssignmentsSince(changed: number): Uint8Array {
  return new Writer().u64(changed).finish();
}

export function readAssignmentsSince(reader: Reader): number {
  return reader.u64();
}

export function encodeAssignmentGet(agent: AgentName): Uint8Array {
  return new Writer().text(agent).finish();
}

function writeAssignment(writer: Writer, assignment: Assignment): void {
  const { agent, node, epoch, revision, changed, suspended, cause } = assignment;
  const { previous, previousEpoch, continues, transfer, at_ms, replicas, spec } = assignment;
  writer.text(agent).text(node).u64(epoch).u64(revision).u64(changed).bool(suspended);
  writer
    .u8(assignmentCauses.indexOf(cause))
    .text(previous ?? "")
    .u64(previousEpoch);
  writer.u64(continues).u64(transfer).u64(at_ms).varint(replicas.length);
  for (const replica of replicas) writer.text(replica);
  writer.blob(spec);
}

function readAssignment(reader: Reader): Assignment {
  const head = {
    agent: readAgentName(reader),
    node: readNodeId(reader),
    epoch: reader.u64(),
    revision: reader.u64(),
    changed: reader.u64(),
    suspended: reader.bool(),
    cause: readCause(reader),
  };
  const previous = reader.text(64);
  if (previous !== "" && !namePattern.test(previous)) throw new WireError("not a node id");
  return {
    ...head,
    previous: previous === "" ? null : (previous as NodeId),
    previousEpoch: reader.u64(),
    continues: reader.u64(),
    transfer: reader.u64(),
    at_ms: reader.u64(),
    replicas: Array.from({ length: reader.count(replicasLimit, 2) }, () => readNodeId(reader)),
    spec: reader.blob(assignmentSpecLimit_bytes),
  };
}

export function encodeAssignmentsPage({ assignments, removed, total, more }: AssignmentsPage): Uint8Array {
  const writer = new Writer(4_096).u64(total).bool(more).varint(assignments.length);
  for (const assignment of assignments) writeAssignment(writer, assignment);
  writer.varint(removed.length);
  for (const { agent, changed } of removed) writer.text(agent).u64(changed);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeAssignmentsPage(bytes: Uint8Array): AssignmentsPage {
  const reader = new Reader(bytes);
  const total = reader.u64();
  const more = reader.bool();
  const assignments = Array.from({ length: reader.count(assignmentPage_rows, 60) }, () =>
    readAssignment(reader),
  );
  const removed = Array.from({ length: reader.count(removalsPage, 10) }, () => ({
    agent: readAgentName(reader),
    changed: reader.u64(),
  }));
  reader.finish();
  return { assignments, removed, total, more };
}

export function encodeAssignmentFound(assignment: Assignment | null): Uint8Array {
  const writer = new Writer(1_024).bool(assignment !== null);
  if (assignment !== null) writeAssignment(writer, assignment);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeAssignmentFound(bytes: Uint8Array): Assignment | null {
  const reader = new Reader(bytes);
  const found = reader.bool() ? readAssignment(reader) : null;
  reader.finish();
  return found;
}
