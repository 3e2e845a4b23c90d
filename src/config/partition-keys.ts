/** `coordination.partition`: when a node holds itself to be cut off from the majority, and what it does then. */
import * as v from "valibot";
import { parseCondition, partitionActions } from "../ownership/partition-policy.ts";
import { key, optionalKey } from "./key.ts";
import { boolean, duration, integer, list, oneOf, text } from "./values.ts";

const condition = v.pipe(
  text(),
  v.rawCheck(({ dataset, addIssue }) => {
    const parsed = dataset.typed ? parseCondition(dataset.value) : [];
    if (typeof parsed === "string") addIssue({ message: parsed });
  }),
);

export const partitionKeys = {
  detection_timeout: key(duration("100ms", "1h"), "5s", "Without a quorum for so long is a minority."),
  quorum_size: optionalKey(
    integer(1, 1_000),
    "Voters that this node must reach; more than Raft's majority or it has no effect.",
  ),
  degraded_mode: key(boolean(), true, "Serve reads in a minority, marked as such."),
  queue_writes: key(boolean(), true, "Keep a minority's writes on its disk and replay them on heal."),
  max_queued_writes: key(integer(0, 100_000_000), 10_000, "The most writes in that queue."),
  strategy: key(
    oneOf(["default", "custom"]),
    "default",
    "What a minority does: built in, or custom_handler.",
  ),
  custom_handler: optionalKey(text(), "Executable that is asked, with JSON on its standard input."),
  decisions: key(
    list(v.strictObject({ condition, action: oneOf(partitionActions) }), 100),
    [],
    "Conditions and actions of a minority; of several that hold the last counts.",
  ),
};
