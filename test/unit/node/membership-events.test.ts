/** What is said of members: to followers of events, and in the node's own log, each fact once. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import type { MembershipEvent } from "../../../src/cluster/membership.ts";
import { EventLog } from "../../../src/node/event-log.ts";
import { recordMembershipEvent } from "../../../src/node/membership-events.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { configureLogging } from "../../../src/telemetry/log.ts";
import { MembershipTable } from "../../support/membership-table.ts";

let lines: string[] = [];

const logTo = (write: (line: string) => void): Promise<void> =>
  configureLogging({ level: "info", format: "text", node: "node-1", write });

beforeEach(async () => {
  lines = [];
  await logTo((line) => lines.push(line.replace(/^\S+ /, "")));
});

afterEach(async () => {
  await logTo(() => undefined);
});

function told(happened: readonly (readonly [MembershipEvent["kind"], string])[]): readonly string[] {
  const events = new EventLog(new VirtualClock(), 1);
  const { self } = new MembershipTable("node-1" as NodeId);
  const member = new MembershipTable(self, ["node-2" as NodeId]).member("node-2" as NodeId);
  for (const [kind, reason] of happened)
    recordMembershipEvent(events, { kind, member, reason } as Exclude<MembershipEvent, { kind: "refused" }>);
  return lines;
}

test("joining, suspicion, failure and return are in the log, a failure as a warning", () => {
  expect(
    told([
      ["joined", "joined"],
      ["updated", "said something new of itself"],
      ["suspect", "does not answer probes"],
      ["failed", "did not answer in time"],
      ["alive", "restarted (boot epoch 2)"],
    ]),
  ).toEqual([
    "INFO  cluster: Node node-2 joined from 127.0.0.1:7001",
    "INFO  cluster: Node node-2 is suspected: does not answer probes",
    "WARN  cluster: Node node-2 has failed: did not answer in time",
    "INFO  cluster: Node node-2 is alive again: restarted (boot epoch 2)",
  ]);
});

test("who left is told once, not again when it is forgotten; who failed for long has not left", () => {
  expect(
    told([
      ["left", "left"],
      ["left", "left for long"],
      ["left", "failed for long"],
      ["left", "removed by an operator"],
    ]),
  ).toEqual([
    "INFO  cluster: Node node-2 left",
    "INFO  cluster: Node node-2 is no member any more: failed for long",
    "INFO  cluster: Node node-2 is no member any more: removed by an operator",
  ]);
});
