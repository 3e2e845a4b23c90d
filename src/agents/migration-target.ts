/** Whether a node may be named as the next one of an agent. Placement leaves out by itself those that may not. */
import { CaxtonError } from "../base/errors.ts";
import type { Member } from "../cluster/membership.ts";
import { unfitness } from "../placement/choose-placement.ts";
import type { OwnedAgent } from "./assignment-table.ts";

export interface TargetNow {
  /** Assigned to it. */
  readonly agents: number;
  /** The leader does not hear it, so it has no lease. */
  readonly unheard: boolean;
}

/** Throws `unreachable` for one that is not there, `no_capacity` for one that cannot take the agent. */
export function demandRoom(
  { id, status, tags }: Member,
  { spec }: Pick<OwnedAgent, "spec">,
  { agents, unheard }: TargetNow,
): void {
  if (status !== "alive") throw new CaxtonError("unreachable", `Node "${id}" is ${status}`);
  const why = unheard
    ? "has no lease, since the leader does not hear it: an agent would stand still there"
    : tags.maxAgents === 0
      ? "takes no agents: it is leaving, isolated or a witness, or its node.max_agents is 0"
      : agents >= tags.maxAgents
        ? `has its ${tags.maxAgents} agents`
        : unfitness(tags, spec.placement);
  if (why !== null) throw new CaxtonError("no_capacity", `Node "${id}" ${why}`);
}
