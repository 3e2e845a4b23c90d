/** The shape in which a node tells another what became of its queued writes. */
import * as v from "valibot";
import { namePattern, type NodeId } from "../../base/ids.ts";
import { partitionStates } from "../../ownership/partition-state.ts";
import { queuedWriteStates } from "../../store/queued-writes-table.ts";

const writes_max = 1_000;
const count = v.pipe(v.number(), v.minValue(0));
const time = v.pipe(v.number(), v.minValue(0), v.maxValue(8.64e15));
const text = v.pipe(v.string(), v.maxLength(8_192));
const nodeId = v.pipe(
  v.string(),
  v.regex(namePattern),
  v.transform((name) => name as NodeId),
);

const writeSchema = v.strictObject({
  id: v.pipe(v.string(), v.maxLength(64)),
  position: count,
  node: nodeId,
  state: v.picklist(queuedWriteStates),
  method: v.pipe(v.string(), v.maxLength(16)),
  path: text,
  principal: text,
  idempotency_key: v.nullable(text),
  observed: v.nullable(v.number()),
  size_bytes: count,
  at_ms: time,
  settled_ms: v.nullable(time),
  detail: text,
});

export const nodeReportSchema = v.strictObject({
  node: nodeId,
  state: v.picklist(partitionStates),
  counts: v.strictObject(v.entriesFromList(queuedWriteStates, count)),
  writes: v.pipe(v.array(writeSchema), v.maxLength(writes_max)),
  more: v.boolean(),
});
