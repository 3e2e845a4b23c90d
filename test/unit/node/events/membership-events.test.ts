/** The lines of `cluster watch` and of the node's log that come from membership. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { DirectoryEntry, MembershipEvent } from "../../../../src/cluster/membership.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { MembershipEvents } from "../../../../src/node/events/membership-events.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { configureLogging } from "../../../../src/telemetry/log.ts";
import { MembershipTable } from "../../../support/membership-table.ts";

let logged: string[] = [];

const logTo = (write: (line: string) => void): Promise<void> =>
  configureLogging({ level: "info", format: "text", node: "a", write });

beforeEach(async () => {
  logged = [];
  await logTo((line) => logged.push(line.replace(/^\S+ /, "")));
});

afterEach(async () => {
  await logTo(() => undefined);
});

type Told = readonly [
  after_ms: number,
  kind: "joined" | "alive" | "suspect" | "failed" | "left" | "updated",
  reason?: string,
];

async function lines(...events: readonly Told[]): Promise<string[]> {
  const clock = new VirtualClock();
  const log = new EventLog(clock, 1);
  const told = new MembershipEvents(log, clock);
  const member = new MembershipTable("a" as NodeId, ["b" as NodeId]).member("b" as NodeId);
  if (!member) throw new Error("there is a b");
  for (const [after_ms, kind, reason = "does not answer probes"] of events) {
    clock.advance(after_ms);
    const event: MembershipEvent = { kind, member, reason };
    told.record(event);
  }
  clock.advance(10_000);
  const stop = new AbortController();
  const found: string[] = [];
  log.record("info", "end", "end");
  for await (const { text } of log.follow(0, stop.signal)) {
    if (text === "end") break;
    found.push(text);
  }
  return found;
}

const suspected = "Node b is suspected: does not answer probes";
const failed = "Node b detected as failed";
const again = "Node b is alive again";

test.each<[string, readonly Told[], readonly string[]]>([
  [
    "a suspicion that is refuted at once is not told",
    [
      [0, "suspect"],
      [300, "alive"],
    ],
    [],
  ],
  [
    "one that lasts is, and its end",
    [
      [0, "suspect"],
      [900, "alive"],
    ],
    [suspected, again],
  ],
  [
    "one that comes true soon is told before the failure",
    [
      [0, "suspect"],
      [200, "failed"],
    ],
    [suspected, failed],
  ],
  [
    "a failure without a suspicion",
    [
      [0, "failed"],
      [5_000, "alive"],
    ],
    [failed, again],
  ],
  [
    "one whose subject was heard of meanwhile: that is no refutation",
    [
      [0, "suspect"],
      [200, "updated", "has other tags"],
      [200, "failed"],
    ],
    [suspected, failed],
  ],
  [
    "back with a new life",
    [
      [0, "suspect"],
      [900, "failed"],
      [9, "alive", "restarted (boot epoch 7)"],
    ],
    [suspected, failed, `${again}: it restarted`],
  ],
  [
    "a new life that ends a suspicion",
    [
      [0, "suspect"],
      [900, "alive", "restarted (boot epoch 7)"],
    ],
    [suspected, `${again}: it restarted`],
  ],
  [
    "a restart that nobody missed",
    [
      [0, "suspect"],
      [200, "alive", "restarted (boot epoch 7)"],
    ],
    ["Node b restarted"],
  ],
  [
    "accused again while it is failed for others",
    [
      [0, "failed"],
      [100, "suspect"],
      [900, "alive"],
    ],
    [failed, suspected, again],
  ],
  [
    "a goodbye while it is suspected",
    [
      [0, "suspect"],
      [100, "left", "left"],
    ],
    ["Node b left"],
  ],
  [
    "many refuted ones",
    [
      [0, "suspect"],
      [100, "alive"],
      [100, "suspect"],
      [100, "alive"],
    ],
    [],
  ],
])("%s", async (_, events, expected) => {
  expect(await lines(...events)).toEqual(expected);
});

test("joining, suspicion, failure and return are in the node's log, a failure as a warning", async () => {
  await lines(
    [0, "joined"],
    [0, "suspect"],
    [900, "failed", "did not answer in time"],
    [9, "alive", "answers again"],
  );
  expect(logged).toEqual([
    "INFO  cluster: Node b joined from 127.0.0.1:7001",
    "INFO  cluster: Node b is suspected: does not answer probes",
    "WARN  cluster: Node b has failed: did not answer in time",
    "INFO  cluster: Node b is alive again: answers again",
  ]);
});

test("the log says of a return whether it is a new life", async () => {
  const anew = "restarted (boot epoch 7)";
  await lines([0, "alive", anew], [0, "suspect"], [900, "alive", anew]);
  expect(logged).toEqual([
    "INFO  cluster: Node b restarted",
    "INFO  cluster: Node b is suspected: does not answer probes",
    "INFO  cluster: Node b is alive again: restarted (boot epoch 7)",
  ]);
});

test("who left is told once, not again when it is forgotten; who failed for long has not left", async () => {
  const told = await lines(
    [0, "left", "left"],
    [0, "left", "left for long"],
    [0, "left", "failed for long"],
    [0, "left", "removed by an operator"],
  );
  expect(told).toEqual([
    "Node b left",
    "Node b is no member any more: failed for long",
    "Node b is no member any more: removed by an operator",
  ]);
  expect(logged).toEqual(told.map((text) => `INFO  cluster: ${text}`));
});

test("many agents that change at once are summed up for each node; few are named; what only begins is not told yet", () => {
  const clock = new VirtualClock();
  const log = new EventLog(clock, 1);
  const entries = (node: string, count: number, status: DirectoryEntry["status"]): DirectoryEntry[] =>
    Array.from({ length: count }, (_, i) => {
      const agent = `${node}-${i}` as DirectoryEntry["agent"];
      return {
        agent,
        node: node as NodeId,
        epoch: 1,
        revision: 1,
        status,
        module: "" as DirectoryEntry["module"],
      };
    });
  new MembershipEvents(log, clock).record({
    kind: "directory",
    changed: [...entries("b", 6, "running"), ...entries("c", 1, "running"), ...entries("d", 1, "starting")],
    removed: [...entries("c", 7, "running"), ...entries("b", 1, "running")],
  });
  expect(log.since(0, 10).map(({ text }) => text)).toEqual([
    "6 agents are running on b",
    "Agent 'c-0' is running on c",
    "7 agents are no longer on c",
    "Agent 'b-0' is no longer on b",
  ]);
});
