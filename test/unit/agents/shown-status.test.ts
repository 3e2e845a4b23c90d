import { expect, test } from "vitest";
import type { OwnedAgent } from "../../../src/agents/assignment-table.ts";
import { isAnnounced, shownStatusOf } from "../../../src/agents/shown-status.ts";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import type { AgentStatus } from "../../../src/wire/agent-spec.ts";
import { type SpecFields, testSpec } from "../../support/agent-specs.ts";
import { MembershipTable } from "../../support/membership-table.ts";

const [self, other] = ["n1", "n2"] as [NodeId, NodeId];
const agent = "a" as AgentName;

function world() {
  const membership = new MembershipTable(self, [other]);
  const lost = new Set<NodeId>();
  const options = { membership, mayAct: () => !lost.has(self), isUnheard: (node: NodeId) => lost.has(node) };
  const owned = (node: NodeId, fields: SpecFields = {}): OwnedAgent =>
    ({ agent, node, epoch: 2, spec: testSpec("a", fields) }) as OwnedAgent;
  const announce = (node: NodeId, status: AgentStatus, epoch = 2): void =>
    membership.tell({ agent, node, epoch, revision: 1, status, module: "m" as ModuleHash });
  return { membership, lost, options, owned, announce };
}

test.each([self, other])("an agent of %s is parked where its node has no lease, announced or not", (node) => {
  const { lost, options, owned, announce } = world();
  expect([shownStatusOf(owned(node), options), isAnnounced(owned(node), options)]).toEqual([
    "starting",
    false,
  ]);
  announce(node, "running");
  expect([shownStatusOf(owned(node), options), isAnnounced(owned(node), options)]).toEqual(["running", true]);
  lost.add(node);
  expect(shownStatusOf(owned(node), options)).toBe("parked");
  expect(shownStatusOf(owned(node, { partition: "continue" }), options)).toBe("running");
  // It runs elsewhere by now, as one that reaches the others has heard.
  announce(node === self ? other : self, "running", 3);
  expect(shownStatusOf(owned(node), options)).toBe("parked");
});

test("what failed or was suspended is told as that, and what belongs to a lost node as orphaned", () => {
  const { membership, lost, options, owned, announce } = world();
  lost.add(other);
  for (const status of ["suspended", "failed"] as const) {
    announce(other, status);
    expect(shownStatusOf(owned(other), options)).toBe(status);
  }
  membership.setStatus(other, "suspect");
  expect(shownStatusOf(owned(other), options)).toBe("failed");
  membership.setStatus(other, "failed");
  expect(shownStatusOf(owned(other), options)).toBe("orphaned");
});
