/**
 * An agent whose node came back with an old copy of its data: its node was lost and is its next owner, so that the
 * epoch rises over everything that the copy does not know. What the copy has of it goes on.
 */
import type { AgentSpec } from "../wire/agent-spec.ts";
import type { AssignmentMove } from "../wire/control-assignments.ts";
import type { OwnedAgent } from "./assignment-table.ts";

/** No other lost node is followed by itself. */
export function isSetBack({
  cause,
  previous,
  node,
}: Pick<OwnedAgent, "cause" | "previous" | "node">): boolean {
  return cause === "failover" && previous === node;
}

/** The move that says so, `here` being what the copy has of it; null for an agent that keeps nothing on disk. */
export function setBackMove(
  { agent, node, epoch, continues, transfer, spec }: OwnedAgent,
  here: { readonly spec: AgentSpec } | undefined,
): AssignmentMove | null {
  if (spec.durability === "volatile") return null;
  const copied = here?.spec.epoch ?? 0;
  const goesOn = copied === epoch || (copied === continues && transfer === 0);
  return { agent, from: node, epoch, to: node, continues: goesOn ? copied : 0, transfer: 0 };
}
