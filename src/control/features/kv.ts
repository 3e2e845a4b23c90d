/** Key-value with versions, compare-and-set and fenced writes. */
import { compareUtf8 } from "../../base/utf8-order.ts";
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import { type ControlOutcome, outcome } from "../../wire/control-command.ts";
import {
  type Fence,
  type KvCondition,
  type KvEntry,
  encodeKvPage,
  encodeKvPutDone,
  encodeKvValue,
  readKvDelete,
  readKvGet,
  readKvList,
  readKvPut,
} from "../../wire/control-kv.ts";
import type { SqlRow } from "../../ports/database.ts";
import { type ControlContext, type Feature, defineCommand, defineQuery } from "../feature.ts";
import { kvBytes_max, kvKeys_max } from "../limits.ts";
import type { RowMark, SectionDefinition } from "../section.ts";
import { fenceOf } from "./locks.ts";

const entries: SectionDefinition = {
  name: "kv",
  since: 1,
  key: { name: "key", type: "text" },
  columns: [
    { name: "version", type: "integer" },
    { name: "modified_ms", type: "integer" },
    { name: "media_type", type: "text" },
    { name: "length", type: "integer" },
    { name: "value", type: "bytes", large: true },
  ],
};

/** What stands around a value in a row, for the bound on bytes. */
const entryOverhead_bytes = 1_024;

const put = defineCommand({
  kind: controlCommands.kvPut,
  version: 1,
  since: 1,
  name: "kv.put",
  read: readKvPut,
  apply: (context, { key, value, mediaType, condition, fence }) => {
    const section = context.section(entries);
    const before = section.peek(key);
    const refused = refusal(context, before, condition, fence);
    if (refused !== null) return refused;
    if (before === undefined && section.rows >= kvKeys_max) return outcome("limit", kvKeys_max);
    if (section.bytes + value.length + entryOverhead_bytes - (before?.size ?? 0) > kvBytes_max) {
      return outcome("limit", kvBytes_max);
    }
    const version = context.nextRevision();
    section.put(before, [key, version, context.wall_ms, mediaType, value.length, value]);
    return outcome("done", version, encodeKvPutDone(before === undefined, context.wall_ms));
  },
});

const remove = defineCommand({
  kind: controlCommands.kvDelete,
  version: 1,
  since: 1,
  name: "kv.delete",
  read: readKvDelete,
  apply: (context, { key, condition, fence }) => {
    const section = context.section(entries);
    const before = section.peek(key);
    const refused = refusal(context, before, condition, fence);
    if (refused !== null) return refused;
    if (before === undefined) return outcome("not_found");
    section.delete(before, key);
    return outcome("done", Number(before["version"]));
  },
});

function refusal(
  context: ControlContext,
  before: (SqlRow & RowMark) | undefined,
  condition: KvCondition,
  fence: Fence | null,
): ControlOutcome | null {
  if (fence !== null) {
    const held = fenceOf(context, fence.lock);
    if (held !== fence.token) return outcome("fenced", held);
  }
  const version = Number(before?.["version"] ?? 0);
  return holds(condition, version) ? null : outcome("conflict", version);
}

function holds(condition: KvCondition, version: number): boolean {
  if (condition === "any") return true;
  if (condition === "present") return version !== 0;
  return version === (condition === "absent" ? 0 : condition);
}

const get = defineQuery({
  kind: controlQueries.kvGet,
  name: "kv.get",
  read: readKvGet,
  run: (view, key) => {
    const row = view.section(entries).get(key);
    return encodeKvValue(row === undefined ? null : { ...entryOf(row), value: row["value"] as Uint8Array });
  },
});

const list = defineQuery({
  kind: controlQueries.kvList,
  name: "kv.list",
  read: readKvList,
  run: (view, { prefix, after, limit }) => {
    const section = view.section(entries);
    const found: KvEntry[] = [];
    // A prefix is a key's lower bound, and may be a key itself.
    const own = prefix !== "" && compareUtf8(after, prefix) < 0 ? section.peek(prefix) : undefined;
    if (own !== undefined) found.push(entryOf(own));
    const start = compareUtf8(after, prefix) > 0 ? after : prefix;
    for (const row of section.walk(start === "" ? null : start, limit + 1, true)) {
      if (!String(row["key"]).startsWith(prefix)) break;
      found.push(entryOf(row));
    }
    return encodeKvPage({ entries: found.slice(0, limit), more: found.length > limit });
  },
});

function entryOf(row: SqlRow): KvEntry {
  return {
    key: String(row["key"]),
    version: Number(row["version"]),
    modified_ms: Number(row["modified_ms"]),
    mediaType: String(row["media_type"]),
    size: Number(row["length"]),
  };
}

export const kv: Feature = { name: "kv", sections: [entries], commands: [put, remove], queries: [get, list] };
