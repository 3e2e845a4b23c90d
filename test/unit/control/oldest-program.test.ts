import { afterEach, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import type { NodeId } from "../../../src/base/ids.ts";
import { controlLevel } from "../../../src/control/command-table.ts";
import { openControlState } from "../../../src/control/control-state.ts";
import { encodeBatch } from "../../../src/wire/control-batch.ts";
import { controlCommands } from "../../../src/wire/control-kinds.ts";
import { encodeNodeId, encodeNodeRecord } from "../../../src/wire/control-node.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import { TestLeader, commandBytes } from "../../support/control-log.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

function world() {
  const databases = memoryDatabases();
  opened.push(() => databases.dispose());
  const state = openControlState(databases, "control.db");
  const leader = new TestLeader(state);
  const node = (id: string, level: number, bootEpoch = 1): void => {
    const record = {
      id: id as NodeId,
      role: "voter",
      bootEpoch,
      region: "",
      zone: "",
      level,
      removed: false,
    } as const;
    leader.run({ kind: controlCommands.nodePut, body: encodeNodeRecord(record) });
  };
  const remove = (id: string): void => {
    leader.run({ kind: controlCommands.nodeRemove, body: encodeNodeId(id as NodeId) });
  };
  /** Why a command of the newest level is not taken. */
  const refusal = (): string => {
    const command = commandBytes({ kind: controlCommands.batch, body: encodeBatch([]) });
    try {
      state.stamp(command, { elapsed_ms: 0, wall_ms: 0 });
      return "";
    } catch (thrown) {
      return thrown instanceof CaxtonError ? `${thrown.code}: ${thrown.message}` : String(thrown);
    }
  };
  return { state, leader, node, remove, refusal };
}

test("a command waits until every node of the cluster has a program that knows it", () => {
  const { node, refusal } = world();
  expect(refusal()).toBe("");
  node("node-1", controlLevel);
  node("node-2", 3);
  expect(refusal()).toBe(
    'version_mismatch: The program of node "node-2" does not know the command batch yet: upgrade that node, or remove it',
  );
  node("node-2", controlLevel, 2);
  expect(refusal()).toBe("");
});

test("a node that was removed holds nothing back, and commands of old are taken as ever", () => {
  const { state, node, remove, refusal } = world();
  node("node-1", controlLevel);
  node("node-2", 1);
  const old = commandBytes({ kind: controlCommands.nodeRemove, body: encodeNodeId("node-3" as NodeId) });
  expect(state.stamp(old, { elapsed_ms: 0, wall_ms: 0 }).length).toBeGreaterThan(old.length);
  expect(refusal()).toMatch(/^version_mismatch/);
  remove("node-2");
  expect(refusal()).toBe("");
});
