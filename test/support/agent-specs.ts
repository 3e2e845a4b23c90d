/** Agent specifications for tests: sensible values unless given. */
import type { AgentName, ModuleHash } from "../../src/base/ids.ts";
import { capabilities, type AgentSpec } from "../../src/wire/agent-spec.ts";

export type SpecFields = Partial<Omit<AgentSpec, "name" | "limits">> & {
  readonly limits?: Partial<AgentSpec["limits"]>;
};

export function testSpec(name: string, fields: SpecFields = {}): AgentSpec {
  return {
    name: name as AgentName,
    module: "0".repeat(64) as ModuleHash,
    revision: 1,
    epoch: 1,
    durability: "volatile",
    priority: "normal",
    capabilities: [...capabilities],
    restart: { policy: "restart", maxRestarts: 5 },
    placement: {
      strategy: "round_robin",
      preferNodes: [],
      targetNode: null,
      services: [],
      region: null,
      zone: null,
    },
    onNodeLoss: "restart",
    partition: "park",
    critical: false,
    deployedAt_ms: 0,
    deployedBy: "test",
    ...fields,
    limits: {
      memory_bytes: 64 * 1024 * 1024,
      fuel: 50_000_000,
      inbox_messages: 1_000,
      inbox_bytes: 16 * 1024 * 1024,
      ...fields.limits,
    },
  };
}
