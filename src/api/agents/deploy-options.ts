/** How an agent is to run, as text fields of a query or form, with the cluster's defaults for what is left out. */
import * as v from "valibot";
import {
  agentMost,
  capabilities,
  durabilities,
  instancesLimit,
  onNodeLosses,
  partitionBehaviours,
  placementStrategies,
} from "../../wire/agent-spec.ts";
import { type Priority, priorities } from "../../wire/message.ts";
import {
  agentNameField,
  choiceField,
  countField,
  listField,
  nodeIdField,
  sizeField,
} from "../http/fields.ts";
import type { DeployRequest } from "../../agents/deployment.ts";

export const priorityNames = Object.keys(priorities) as [Priority, ...Priority[]];

export interface AgentDefaults {
  readonly memory_bytes: number;
  readonly fuel: number;
  readonly inbox_messages: number;
  readonly inbox_bytes: number;
  readonly maxRestarts: number;
}

export const agentDefaults: AgentDefaults = {
  memory_bytes: 64 * 1024 * 1024,
  fuel: 50_000_000,
  inbox_messages: 10_000,
  inbox_bytes: 64 * 1024 * 1024,
  maxRestarts: 5,
};

const listed = 64;
/** A service, region or zone, as nodes tell theirs. */
const tagField = v.pipe(
  v.string(),
  v.regex(/^[!-+\--~]{1,64}$/, "not 1 to 64 printable characters without commas"),
);

export const optionFields = {
  durability: v.optional(choiceField(durabilities), "local"),
  priority: v.optional(choiceField(priorityNames), "normal"),
  /** What it may import, `log,send`; everything unless given, nothing when empty. */
  capabilities: v.optional(listField(choiceField(capabilities), listed), capabilities.join(",")),
  memory: v.optional(sizeField(64 * 1024, agentMost.memory_bytes)),
  fuel: v.optional(countField(1, agentMost.fuel)),
  inbox_messages: v.optional(countField(1, agentMost.inbox_messages)),
  inbox_bytes: v.optional(sizeField(1_024, agentMost.inbox_bytes)),
  restart: v.optional(choiceField(["restart", "fail"]), "restart"),
  max_restarts: v.optional(countField(0, 1_000)),
  on_node_loss: v.optional(choiceField(onNodeLosses), "restart"),
  partition: v.optional(choiceField(partitionBehaviours), "park"),
  critical: v.optional(choiceField(["true", "false"]), "false"),
  placement_strategy: v.optional(choiceField(placementStrategies)),
  prefer_nodes: v.optional(listField(nodeIdField, listed), ""),
  target_node: v.optional(nodeIdField),
  /** Only a node that offers all of them, as `a,b`; in this region and zone. */
  services: v.optional(listField(tagField, listed), ""),
  region: v.optional(tagField),
  zone: v.optional(tagField),
};

/** How many run under the name, each as `name-1`, `name-2`, …; as many as there are unless given. */
export const instancesField = v.optional(countField(1, instancesLimit));

export const deployQuery = v.strictObject({
  name: agentNameField,
  instances: instancesField,
  ...optionFields,
});
export const updateQuery = v.strictObject({ instances: instancesField, ...optionFields });
export type DeployQuery = v.InferInput<typeof deployQuery>;

/** `strategy`: the cluster's own, for when the deployer names none. */
export function deployOptions(
  given: v.InferOutput<typeof updateQuery>,
  defaults: AgentDefaults,
  strategy: string,
): DeployRequest["options"] {
  const known = placementStrategies.find((name) => name === strategy) ?? "least_loaded";
  return {
    durability: given.durability,
    priority: given.priority,
    capabilities: [...new Set(given.capabilities)],
    limits: {
      memory_bytes: given.memory ?? defaults.memory_bytes,
      fuel: given.fuel ?? defaults.fuel,
      inbox_messages: given.inbox_messages ?? defaults.inbox_messages,
      inbox_bytes: given.inbox_bytes ?? defaults.inbox_bytes,
    },
    onNodeLoss: given.on_node_loss,
    partition: given.partition,
    critical: given.critical === "true",
    restart: { policy: given.restart, maxRestarts: given.max_restarts ?? defaults.maxRestarts },
    placement: {
      strategy: given.placement_strategy ?? known,
      preferNodes: given.prefer_nodes,
      targetNode: given.target_node ?? null,
      services: given.services,
      region: given.region ?? null,
      zone: given.zone ?? null,
    },
  };
}
