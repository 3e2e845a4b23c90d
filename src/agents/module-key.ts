/** What decides how a module is instrumented: equal keys, equal instrumented bytes. */
import type { AgentSpec } from "../wire/agent-spec.ts";

export function moduleKey(spec: Pick<AgentSpec, "module" | "capabilities" | "limits">): string {
  return `${spec.module}/${spec.capabilities.toSorted().join("+")}/${spec.limits.memory_bytes}`;
}
