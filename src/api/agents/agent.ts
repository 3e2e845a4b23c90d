/** An agent as the API shows it: where it is, and from its owner, when that can be asked, how it does. */
import * as v from "valibot";
import { trapKinds } from "../../wasm/trap.ts";
import {
  capabilities,
  durabilities,
  onNodeLosses,
  partitionBehaviours,
  placementStrategies,
  shownStatuses,
} from "../../wire/agent-spec.ts";
import { assignmentCauses } from "../../wire/control-assignments.ts";
import { priorityNames } from "./deploy-options.ts";
import { timeSchema } from "../http/fields.ts";
import type { AgentView } from "../../agents/agent-record.ts";

const detailSchema = v.object({
  durability: v.picklist(durabilities),
  priority: v.picklist(priorityNames),
  capabilities: v.array(v.picklist(capabilities)),
  limits: v.object({
    memory_bytes: v.number(),
    fuel: v.number(),
    inbox_messages: v.number(),
    inbox_bytes: v.number(),
  }),
  restart: v.object({ policy: v.picklist(["restart", "fail"]), max_restarts: v.number() }),
  placement: v.object({
    strategy: v.picklist(placementStrategies),
    prefer_nodes: v.array(v.string()),
    target_node: v.nullable(v.string()),
    services: v.array(v.string()),
    region: v.nullable(v.string()),
    zone: v.nullable(v.string()),
  }),
  on_node_loss: v.picklist(onNodeLosses),
  partition: v.picklist(partitionBehaviours),
  critical: v.boolean(),
  deployed_at: timeSchema,
  deployed_by: v.string(),
  inbox: v.number(),
  inbox_bytes: v.number(),
  memory_bytes: v.number(),
  handled: v.number(),
  traps: v.number(),
  /** How often by kind, since the agent came to its node. */
  trap_kinds: v.record(v.picklist(trapKinds), v.number()),
  last_trap: v.nullable(v.object({ kind: v.picklist(trapKinds), text: v.string(), at: timeSchema })),
  restarts: v.number(),
  /** Why it is failed; null while it is not. */
  failure: v.nullable(v.string()),
});

export const agentSchema = v.object({
  name: v.string(),
  node: v.string(),
  status: v.picklist(shownStatuses),
  revision: v.number(),
  epoch: v.number(),
  module: v.string(),
  /** Null in lists, and when the owner cannot be asked. */
  detail: v.nullable(detailSchema),
  /** Why it is failed for everyone: what it is to be cannot be read. Else null; earlier versions leave it out. */
  unreadable: v.optional(v.nullable(v.string()), null),
  /** Null for an agent that the cluster has not decided about yet. */
  assignment: v.nullable(
    v.object({
      cause: v.picklist(assignmentCauses),
      previous_node: v.nullable(v.string()),
      previous_epoch: v.number(),
      assigned_at: timeSchema,
      /** The lost node that has what the agent had; null when nothing was lost. */
      state_lost_with: v.nullable(v.string()),
      /** Where that is its own node: since when what it did may be gone. Earlier versions leave it out. */
      state_lost_since: v.optional(v.nullable(timeSchema), null),
      /** The node that says it runs there. */
      runs_on: v.nullable(v.string()),
    }),
  ),
  /** Journals of it that ended since another node owns it; in lists none. */
  kept_journals: v.array(
    v.object({
      node: v.string(),
      epoch: v.number(),
      owner: v.string(),
      owner_epoch: v.number(),
      at: timeSchema,
      inbox: v.number(),
      keys: v.number(),
    }),
  ),
});
export type AgentAnswer = v.InferOutput<typeof agentSchema>;

export function agentAnswer(agent: AgentView): AgentAnswer {
  const { name, node, status, revision, epoch, module, detail } = agent;
  const rest = {
    unreadable: agent.unreadable ?? null,
    assignment: assignmentAnswer(agent),
    kept_journals: agent.kept.map(keptAnswer),
  };
  if (detail === null) return { name, node, status, revision, epoch, module, detail: null, ...rest };
  const { spec, inbox, inbox_bytes, memory_bytes, handled, traps, restarts, last_trap, reason } = detail;
  return {
    name,
    node,
    status,
    revision,
    epoch,
    module,
    detail: {
      durability: spec.durability,
      priority: spec.priority,
      capabilities: [...spec.capabilities],
      limits: { ...spec.limits },
      restart: { policy: spec.restart.policy, max_restarts: spec.restart.maxRestarts },
      placement: {
        strategy: spec.placement.strategy,
        prefer_nodes: [...spec.placement.preferNodes],
        target_node: spec.placement.targetNode,
        services: [...spec.placement.services],
        region: spec.placement.region,
        zone: spec.placement.zone,
      },
      on_node_loss: spec.onNodeLoss,
      partition: spec.partition,
      critical: spec.critical,
      deployed_at: new Date(spec.deployedAt_ms).toISOString(),
      deployed_by: spec.deployedBy,
      inbox,
      inbox_bytes,
      memory_bytes,
      handled,
      traps,
      trap_kinds: { ...detail.trap_kinds },
      last_trap: last_trap && {
        kind: last_trap.kind,
        text: last_trap.text,
        at: new Date(last_trap.at_ms).toISOString(),
      },
      restarts,
      failure: reason === "" ? null : reason,
    },
    ...rest,
  };
}

function assignmentAnswer({ assignment }: AgentView): AgentAnswer["assignment"] {
  if (assignment === null) return null;
  const { cause, previous, previousEpoch, at_ms, lost, lostSince_ms, runsOn } = assignment;
  return {
    cause,
    previous_node: previous,
    previous_epoch: previousEpoch,
    assigned_at: new Date(at_ms).toISOString(),
    state_lost_with: lost,
    state_lost_since: lostSince_ms === null ? null : new Date(lostSince_ms).toISOString(),
    runs_on: runsOn,
  };
}

function keptAnswer(kept: AgentView["kept"][number]): AgentAnswer["kept_journals"][number] {
  const { node, epoch, owner, owner_epoch, at_ms, inbox, keys } = kept;
  return { node, epoch, owner, owner_epoch, at: new Date(at_ms).toISOString(), inbox, keys };
}
