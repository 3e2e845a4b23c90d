/**
 * Locks with fencing tokens. A lock ends by release or when its time to live has passed by the leaders' time;
 * the token of each acquisition is higher than any before, also after the lock was forgotten.
 */
import type { SqlRow } from "../../ports/database.ts";
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import { type ControlOutcome, outcome } from "../../wire/control-command.ts";
import {
  type LockAcquire,
  type LockView,
  encodeLockView,
  readLockAcquire,
  readLockGet,
  readLockRelease,
} from "../../wire/control-lock.ts";
import {
  type ControlContext,
  type ControlView,
  type Feature,
  defineCommand,
  defineQuery,
  removeUpTo,
} from "../feature.ts";
import { lockRemains_ms, locks_max, sweep_max } from "../limits.ts";
import type { RowMark, SectionDefinition } from "../section.ts";

const held: SectionDefinition = {
  name: "locks",
  since: 1,
  key: { name: "name", type: "text" },
  columns: [
    { name: "token", type: "integer" },
    { name: "principal", type: "text" },
    { name: "holder", type: "text" },
    { name: "ttl_ms", type: "integer" },
    { name: "expires_ms", type: "integer" },
    { name: "acquired_ms", type: "integer" },
  ],
  indexed: ["expires_ms"],
};

type LockRow = SqlRow & RowMark;

/** The token under which the lock is held now; 0 when it is free. */
export function fenceOf(view: ControlView, name: string): number {
  const row = view.section(held).peek(name);
  return row !== undefined && live(view, row) ? Number(row["token"]) : 0;
}

const acquire = defineCommand({
  kind: controlCommands.lockAcquire,
  version: 1,
  since: 1,
  name: "lock.acquire",
  read: readLockAcquire,
  apply: (context, command) => {
    const section = context.section(held);
    const before = section.peek(command.name);
    const current = before !== undefined && live(context, before) ? before : undefined;
    if (current === undefined) {
      // Whoever let it run out cannot know who held it meanwhile: it acquires again, under a new token.
      if (command.token !== 0) return outcome("not_found");
      if (before === undefined && section.rows >= locks_max) return outcome("limit", locks_max);
      return keep(context, command, before, context.nextRevision(), context.wall_ms);
    }
    if (!mayRenew(context, command, current)) return refused(context, current);
    return keep(context, command, current, Number(current["token"]), Number(current["acquired_ms"]));
  },
});

/** By its token, or by the name that the holder gave itself. */
function mayRenew(context: ControlContext, command: LockAcquire, row: LockRow): boolean {
  if (row["principal"] !== context.principal) return false;
  if (command.token !== 0) return row["token"] === command.token;
  return command.holder !== "" && row["holder"] === command.holder;
}

function keep(
  context: ControlContext,
  { name, ttl_ms, ...command }: LockAcquire,
  before: LockRow | undefined,
  token: number,
  acquired_ms: number,
): ControlOutcome {
  const renewed = before !== undefined && before["token"] === token;
  const holder = renewed ? String(before["holder"]) : command.holder;
  const { principal } = context;
  const expires_ms = context.clock_ms + ttl_ms;
  context.section(held).put(before, [name, token, principal, holder, ttl_ms, expires_ms, acquired_ms]);
  const view = { name, token, principal, holder, ttl_ms, left_ms: ttl_ms, acquired_ms };
  return outcome("done", token, encodeLockView(view));
}

const release = defineCommand({
  kind: controlCommands.lockRelease,
  version: 1,
  since: 1,
  name: "lock.release",
  read: readLockRelease,
  apply: (context, { name, token }) => {
    const section = context.section(held);
    const row = section.peek(name);
    if (row === undefined || !live(context, row)) return outcome("not_found");
    if (row["token"] !== token || row["principal"] !== context.principal) return refused(context, row);
    section.delete(row, name);
    return outcome("done", token);
  },
});

function refused(view: ControlView, row: LockRow): ControlOutcome {
  return outcome("held", Number(row["token"]), encodeLockView(viewOf(view, row, 0)));
}

function live(view: ControlView, row: SqlRow): boolean {
  return view.clock_ms < Number(row["expires_ms"]);
}

function viewOf(view: ControlView, row: SqlRow, passed_ms: number): LockView {
  return {
    name: String(row["name"]),
    token: Number(row["token"]),
    principal: String(row["principal"]),
    holder: String(row["holder"]),
    ttl_ms: Number(row["ttl_ms"]),
    left_ms: Number(row["expires_ms"]) - view.clock_ms - passed_ms,
    acquired_ms: Number(row["acquired_ms"]),
  };
}

const get = defineQuery({
  kind: controlQueries.lockGet,
  name: "lock.get",
  read: readLockGet,
  run: (view, { name, now_ms }) => {
    const row = view.section(held).peek(name);
    // No command may have come since it ran out: the asker's clock tells about how long that was ago.
    const passed_ms = Math.max(0, now_ms - view.wall_ms);
    const found = row === undefined ? null : viewOf(view, row, now_ms === 0 ? 0 : passed_ms);
    return encodeLockView(found !== null && found.left_ms > 0 ? found : null);
  },
});

export const locks: Feature = {
  name: "locks",
  sections: [held],
  commands: [acquire, release],
  queries: [get],
  sweep: (view) => {
    removeUpTo(view.section(held), "expires_ms", Math.max(0, view.clock_ms - lockRemains_ms), sweep_max);
  },
};
