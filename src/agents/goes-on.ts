/**
 * Which agents go on while their node has no lease: only those that the cluster gives to nobody else meanwhile, or two
 * nodes would act for one agent. A partition's policy can narrow that, to the critical ones of them or to none, never
 * widen it.
 */
import type { AgentSpec } from "../wire/agent-spec.ts";

/** Of the agents that may go on without a lease. */
export type GoingOn = "all" | "critical" | "none";

export function goesOn(
  { partition, critical }: Pick<AgentSpec, "partition" | "critical">,
  who: GoingOn,
): boolean {
  return partition === "continue" && (who === "all" || (who === "critical" && critical));
}
