/** The agents of a node that is lost or leaves, as the plan for them sees them. */
import type { AssignmentTable, OwnedAgent } from "../../agents/assignment-table.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { Orphan } from "../../placement/failover-plan.ts";
import type { Instance } from "../../placement/siblings.ts";
import { priorities } from "../../wire/message.ts";

/** Messages a second that the agent has with agents on each node, as far as that was measured. */
export type TrafficOf = (agent: AgentName) => ReadonlyMap<NodeId, number> | undefined;

export function orphanOf({ agent, spec }: OwnedAgent, traffic: TrafficOf): Orphan {
  const { placement, instance, priority } = spec;
  const request = placement.strategy === "locality" ? { ...placement, traffic: traffic(agent) } : placement;
  return { agent, request, group: instance?.of ?? null, priority: priorities[priority] };
}

/** Instances that stay where they are when those orphans go. */
export function stayingInstances(
  table: Pick<AssignmentTable, "all">,
  orphans: readonly Orphan[],
): readonly Instance[] {
  const groups = new Set(orphans.flatMap(({ group }) => group ?? []));
  if (groups.size === 0) return [];
  const going = new Set(orphans.map(({ agent }) => agent));
  return [...table.all()].flatMap(({ agent, node, spec: { instance } }) =>
    instance !== undefined && groups.has(instance.of) && !going.has(agent)
      ? [{ group: instance.of, node }]
      : [],
  );
}
