/** How many agents a node offers to take. A witness takes none: it keeps no state, so it has no lease to act under. */
import type { Config } from "../config/keys.ts";

export function agentPlaces({ role, max_agents }: Pick<Config["node"], "role" | "max_agents">): number {
  return role === "witness" ? 0 : max_agents;
}
