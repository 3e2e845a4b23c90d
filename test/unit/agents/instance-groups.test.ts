import { describe, expect, test } from "vitest";
import { encodeSpec } from "../../../src/agents/agent-requests.ts";
import { AssignmentTable } from "../../../src/agents/assignment-table.ts";
import { InstanceGroups, instanceName } from "../../../src/agents/instance-groups.ts";
import type { AgentName, NodeId } from "../../../src/base/ids.ts";
import { AssignmentStore } from "../../../src/control/assignment-store.ts";
import { ControlClient } from "../../../src/control/control-client.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { testSpec } from "../../support/agent-specs.ts";
import { SingleNodeConsensus } from "../../support/single-node-consensus.ts";

const web = "web" as AgentName;

function world() {
  const clock = new VirtualClock();
  const consensus = new SingleNodeConsensus();
  const store = new AssignmentStore(new ControlClient(consensus, clock, () => 1_000));
  const table = new AssignmentTable(store, consensus, clock, () => undefined);
  const put = async (index: number, count: number): Promise<void> => {
    const agent = instanceName(web, index);
    const spec = { ...testSpec(agent), instance: { of: web, index, count } };
    const fixed = { agent, node: "n1" as NodeId, expected: null, revision: 1, above: 0, continues: 0 };
    await store.put({ ...fixed, cause: "deployed", suspended: false, spec: encodeSpec(spec) }, "");
    await table.refresh();
  };
  return { store, table, put, groups: new InstanceGroups(table) };
}

const keys = Array.from({ length: 1_000 }, (_, i) => `conversation-${i}`);

describe("several agents under one name", () => {
  test("are told in their order, and a conversation keeps to one of them", async () => {
    const { put, groups, table } = world();
    for (const index of [10, 2, 1]) await put(index, 10);
    expect(groups.of(web)).toEqual(["web-1", "web-2", "web-10"]);
    const picked = keys.map((key) => groups.pick(web, key));
    expect(picked).toEqual(keys.map((key) => new InstanceGroups(table).pick(web, key)));
    for (const instance of groups.of(web)) {
      const share = picked.filter((each) => each === instance).length;
      expect(share).toBeGreaterThan(250);
      expect(share).toBeLessThan(420);
    }
  });

  test("when one goes, only its own conversations go to others", async () => {
    const { put, groups, store, table } = world();
    for (const index of [1, 2, 3]) await put(index, 3);
    const before = keys.map((key) => groups.pick(web, key));
    await store.remove({ agent: instanceName(web, 2), expected: null }, "");
    await table.refresh();
    expect(groups.of(web)).toEqual(["web-1", "web-3"]);
    for (const [i, key] of keys.entries()) {
      if (before[i] !== "web-2") expect(groups.pick(web, key)).toBe(before[i]);
      else expect(["web-1", "web-3"]).toContain(groups.pick(web, key));
    }
  });

  test("an agent that runs alone is no group", async () => {
    const { groups } = world();
    expect(groups.of(web)).toEqual([]);
    expect(groups.pick(web, "anything")).toBeUndefined();
  });
});
