/** The most that an operator lets be deployed: checked where a deployment comes in, whichever way it came. */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { AgentName } from "../base/ids.ts";
import { formatLimit } from "../base/sizes.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import { priorities, type Priority } from "../wire/message.ts";
import type { OwnedAgent } from "./assignment-table.ts";

/** As the configuration's section `agents` has them. */
export interface AgentCeilings {
  readonly max_memory: number;
  readonly max_fuel: number;
  readonly max_priority: Priority;
  /** Agents that one subject may have in the cluster; null when nothing but room limits it. */
  readonly max_per_subject: number | null;
}

/** Throws `limit_exceeded` with the key that says no. `owned`: other agents that this subject deployed. */
export function demandWithin(
  ceilings: AgentCeilings,
  asked: Pick<AgentSpec, "limits" | "priority">,
  subject: { readonly name: string; readonly owned: number },
): void {
  const { limits, priority } = asked;
  const { max_memory, max_fuel, max_priority, max_per_subject } = ceilings;
  const refuse = (what: string, key: string, value: string, todo: string): never => {
    const why = `agents.${key} is ${value}`;
    throw new CaxtonError(
      "limit_exceeded",
      `${what}, and ${why} here; ${todo}, or have an operator raise it`,
    );
  };
  if (limits.memory_bytes > max_memory) {
    const wanted = `It asks for ${formatLimit(limits.memory_bytes)} of memory`;
    refuse(wanted, "max_memory", formatLimit(max_memory), "deploy it with less");
  }
  if (limits.fuel > max_fuel)
    refuse(`It asks for ${limits.fuel} units of fuel`, "max_fuel", String(max_fuel), "deploy it with less");
  if (priorities[priority] > priorities[max_priority])
    refuse(`It asks for priority ${priority}`, "max_priority", max_priority, "deploy it with a lower one");
  if (max_per_subject !== null && subject.owned >= max_per_subject) {
    const has = `${quote(subject.name)} has deployed ${subject.owned} agents`;
    refuse(has, "max_per_subject", String(max_per_subject), "remove one");
  }
}

/** What a subject has deployed, but for `other`. */
export function deployedBy(
  agents: Iterable<OwnedAgent>,
  subject: string,
  other: AgentName,
): ReadonlyMap<AgentName, number> {
  const epochs = new Map<AgentName, number>();
  for (const { agent, epoch, spec } of agents)
    if (agent !== other && spec.deployedBy === subject) epochs.set(agent, epoch);
  return epochs;
}

/**
 * How many of them count against a deployment that is decided: of several at the same moment those stay that the cluster
 * decided first, by their epochs. What was there `before` it counts, wherever it has moved since.
 */
export function decidedBefore(
  claim: { readonly created: boolean; readonly epoch: number },
  before: ReadonlyMap<AgentName, number>,
  now: ReadonlyMap<AgentName, number>,
): number {
  return [...now].filter(([agent, epoch]) => !claim.created || before.has(agent) || epoch < claim.epoch)
    .length;
}
