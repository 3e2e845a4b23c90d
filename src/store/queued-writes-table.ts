/**
 * The queue of a minority's writes: kept in order with all that is needed to do each later, and after that with
 * what became of it, within a bound. What a write means is not known here.
 */
import { CaxtonError } from "../base/errors.ts";
import type { Database, SqlRow } from "../ports/database.ts";
import { bytesOf } from "./agent-tables.ts";
import { boundedLimit, formatCursor, parseCursor } from "./page-cursor.ts";
import type { Page } from "./store.ts";

/** `queued` and `replaying` (it may have taken effect already) wait; the others are outcomes. */
export const queuedWriteStates = [
  "queued",
  "replaying",
  "applied",
  "conflicted",
  "refused",
  "expired",
] as const;
export type QueuedWriteState = (typeof queuedWriteStates)[number];
export type QueuedWriteOutcome = Exclude<QueuedWriteState, "queued" | "replaying">;

/** Outcomes that are kept; the oldest go first. */
const outcomes_max = 10_000;
/** Bodies that wait, all together: modules among them. */
export const queuedBodies_bytes_max = 256 * 1024 * 1024;
const detailLength_max = 2_000;
const listing = "queued-writes";

export interface NewQueuedWrite {
  readonly id: string;
  readonly principal: string;
  readonly idempotencyKey: string | null;
  readonly subject: string;
  readonly at_ms: number;
  readonly head: string;
  readonly body: Uint8Array;
}

export interface QueuedWriteRow {
  readonly position: number;
  readonly id: string;
  readonly principal: string;
  readonly idempotencyKey: string | null;
  readonly subject: string;
  readonly state: QueuedWriteState;
  readonly at_ms: number;
  readonly settled_ms: number | null;
  readonly version: number | null;
  readonly detail: string;
  readonly head: string;
  readonly size_bytes: number;
}

export interface QueuedWriteToDo extends QueuedWriteRow {
  readonly body: Uint8Array;
  /** The version of its subject that the latest earlier write of this queue left; null when none did since it was queued. */
  readonly versionLeft: number | null;
}

export type QueuedWriteCounts = Readonly<Record<QueuedWriteState, number>>;

/**
 * The write that is kept now: the same one again when its principal's key waits already. Throws `conflict` when that
 * is of another write, and `unavailable` when the queue is full.
 */
export function putQueuedWrite(database: Database, write: NewQueuedWrite, limit: number): QueuedWriteRow {
  return database.transaction(() => {
    const { id, principal, idempotencyKey, subject, at_ms, head, body } = write;
    if (idempotencyKey !== null) {
      const same = database
        .prepare(
          `SELECT * FROM queued_writes
           WHERE principal = ? AND idempotency_key = ? AND state IN ('queued', 'replaying')`,
        )
        .get(principal, idempotencyKey);
      if (same !== undefined) {
        if (same["subject"] === subject && Buffer.compare(bytesOf(same["body"]), body) === 0)
          return rowOf(same);
        throw new CaxtonError(
          "conflict",
          "The Idempotency-Key was used for another write, which waits in this node's queue",
        );
      }
    }
    const held = database
      .prepare(
        `SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes FROM queued_writes
         WHERE state IN ('queued', 'replaying')`,
      )
      .get();
    const [count, bytes] = [Number(held?.["count"]), Number(held?.["bytes"])];
    if (count >= limit || bytes + body.length > queuedBodies_bytes_max) {
      const full = count >= limit ? `${count} writes, at most ${limit}` : `${bytes} bytes of bodies`;
      throw new CaxtonError(
        "unavailable",
        `This node is cut off from the majority and its write queue is full (${full}); nothing was kept. ` +
          "Retry when the partition has healed, or write at a node of the majority",
      );
    }
    const row = database
      .prepare(
        `INSERT INTO queued_writes
           (id, principal, idempotency_key, subject, state, at_ms, detail, head, size, body)
         VALUES (?, ?, ?, ?, 'queued', ?, '', ?, ?, ?) RETURNING *`,
      )
      .get(id, principal, idempotencyKey, subject, at_ms, head, body.length, body);
    if (row === undefined) throw new CaxtonError("internal", "The queued write was not kept");
    return rowOf(row);
  });
}

/** How many of those that wait are taken at once. */
export interface TakeLimit {
  readonly count: number;
  /** Of bodies and what stands around them, beyond the first. */
  readonly bytes: number;
  /** More than one only as long as their subjects begin with it. */
  readonly alike: string;
}

/** The oldest that wait, in order, marked as begun before they are given: from then on they may have taken effect. */
export function takeQueuedWrites(
  database: Database,
  { count, bytes, alike }: TakeLimit,
): readonly QueuedWriteToDo[] {
  return database.transaction(() => {
    const oldest = database.prepare(
      `SELECT * FROM queued_writes WHERE state IN ('queued', 'replaying') AND position > ?
       ORDER BY position LIMIT 1`,
    );
    const taken: QueuedWriteToDo[] = [];
    let left_bytes = bytes;
    for (let after = 0; taken.length < count;) {
      const row = oldest.get(after);
      if (row === undefined) break;
      const write = rowOf(row);
      left_bytes -= write.size_bytes + write.head.length;
      if (taken.length > 0 && (left_bytes < 0 || !write.subject.startsWith(alike))) break;
      taken.push({ ...write, body: bytesOf(row["body"]), versionLeft: versionLeft(database, write) });
      if (!write.subject.startsWith(alike)) break;
      after = write.position;
    }
    const begin = database.prepare("UPDATE queued_writes SET state = 'replaying' WHERE position = ?");
    for (const { state, position } of taken) if (state === "queued") begin.run(position);
    return taken;
  });
}

function versionLeft(database: Database, { subject, position, at_ms }: QueuedWriteRow): number | null {
  const left = database
    .prepare(
      `SELECT version FROM queued_writes
       WHERE subject = ? AND position < ? AND state = 'applied' AND settled_ms >= ? AND version IS NOT NULL
       ORDER BY position DESC LIMIT 1`,
    )
    .get(subject, position, at_ms);
  return left === undefined ? null : Number(left["version"]);
}

/** Back among those that were never begun: nothing of them can have happened. */
export function putQueuedWritesBack(database: Database, ids: readonly string[]): void {
  database.transaction(() => {
    const back = database.prepare(
      "UPDATE queued_writes SET state = 'queued' WHERE id = ? AND state = 'replaying'",
    );
    for (const id of ids) back.run(id);
  });
}

export interface SettledWrite {
  readonly id: string;
  readonly outcome: QueuedWriteOutcome;
  readonly detail: string;
  readonly version: number | null;
  readonly at_ms: number;
}

/** Once: a write that is settled stays as it is. The bodies go, and so do the oldest outcomes beyond the bound. */
export function putWriteOutcomes(database: Database, settled: readonly SettledWrite[]): void {
  database.transaction(() => {
    const put = database.prepare(
      `UPDATE queued_writes SET state = ?, detail = ?, version = ?, settled_ms = ?, body = x''
       WHERE id = ? AND state IN ('queued', 'replaying')`,
    );
    for (const { id, outcome, detail, version, at_ms } of settled)
      put.run(outcome, detail.replaceAll("\0", "").slice(0, detailLength_max), version, at_ms, id);
    forget(database);
  });
}

/** Settles all that wait and were not begun as refused; returns how many. */
export function takeUnbegunWrites(database: Database, detail: string, at_ms: number): number {
  return database.transaction(() => {
    const { changes } = database
      .prepare(
        `UPDATE queued_writes SET state = 'refused', detail = ?, settled_ms = ?, body = x''
         WHERE state = 'queued'`,
      )
      .run(detail, at_ms);
    forget(database);
    return changes;
  });
}

export function getQueuedWrite(database: Database, id: string): QueuedWriteRow | undefined {
  const row = database.prepare("SELECT * FROM queued_writes WHERE id = ?").get(id);
  return row === undefined ? undefined : rowOf(row);
}

/** Which writes are meant: queued at `since_ms` (Unix) or later, and behind the position `after`. */
export interface QueuedSince {
  readonly since_ms: number;
  readonly after: number;
}

/** Newest first. */
export function listQueuedWrites(
  database: Database,
  options: QueuedSince & { readonly limit: number; readonly cursor: string | null },
): Page<QueuedWriteRow> {
  const before = parseCursor(listing, options.cursor) ?? Number.MAX_SAFE_INTEGER;
  const limit = boundedLimit(options.limit);
  const items = database
    .prepare(
      `SELECT * FROM queued_writes WHERE position < ? AND position > ? AND at_ms >= ?
       ORDER BY position DESC LIMIT ?`,
    )
    .all(before, options.after, options.since_ms, limit + 1)
    .map(rowOf);
  const page = items.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page,
    next: items.length > limit && last !== undefined ? formatCursor(listing, last.position) : null,
  };
}

export function countQueuedWrites(database: Database, { since_ms, after }: QueuedSince): QueuedWriteCounts {
  const counts = { queued: 0, replaying: 0, applied: 0, conflicted: 0, refused: 0, expired: 0 };
  const rows = database
    .prepare(
      "SELECT state, count(*) AS count FROM queued_writes WHERE at_ms >= ? AND position > ? GROUP BY state",
    )
    .all(since_ms, after);
  for (const row of rows) counts[stateOf(row)] = Number(row["count"]);
  return counts;
}

function forget(database: Database): void {
  database
    .prepare(
      `DELETE FROM queued_writes WHERE position IN (
         SELECT position FROM queued_writes WHERE state NOT IN ('queued', 'replaying')
         ORDER BY position DESC LIMIT -1 OFFSET ?)`,
    )
    .run(outcomes_max);
}

function stateOf(row: SqlRow): QueuedWriteState {
  const state = queuedWriteStates.find((known) => known === row["state"]);
  if (state === undefined) throw new CaxtonError("data_corrupt", "A queued write has an unknown state");
  return state;
}

function rowOf(row: SqlRow): QueuedWriteRow {
  const optional = (value: unknown): number | null => (value === null ? null : Number(value));
  return {
    position: Number(row["position"]),
    id: String(row["id"]),
    principal: String(row["principal"]),
    idempotencyKey: row["idempotency_key"] === null ? null : String(row["idempotency_key"]),
    subject: String(row["subject"]),
    state: stateOf(row),
    at_ms: Number(row["at_ms"]),
    settled_ms: optional(row["settled_ms"]),
    version: optional(row["version"]),
    detail: String(row["detail"]),
    head: String(row["head"]),
    size_bytes: Number(row["size"]),
  };
}
