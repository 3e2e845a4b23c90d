/**
 * Which agents go on while their node has no lease: only those that the cluster gives to nobody else meanwhile, or two
 * nodes would act for one agent. A partition's policy can narrow that to the critical ones of them, never widen it.
 */
import type { AgentSpec } from "../wire/agent-spec.ts";

export function goesOn(
  { partition, critical }: Pick<AgentSpec, "partition" | "critical">,
  criticalOnly: boolean,
): boolean {
  return partition === "continue" && (critical || !criticalOnly);
}
