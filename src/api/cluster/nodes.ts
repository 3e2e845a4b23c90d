/**
 * `/api/cluster/…` with the documented field names, of those that look: nodes, assignments, statistics; and the choice of a
 * strategy. Nodes that gossip and nodes that are registered by HTTP stand in one list.
 */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { shownStatuses } from "../../wire/agent-spec.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { nodeIdField, timeSchema } from "../http/fields.ts";
import { balanceAnswer } from "./balance.ts";
import {
  type NodeView,
  nodeRoles,
  nodeSchema,
  nodeStatuses,
  nodeView,
  nodeViewer,
  registeredView,
} from "./node.ts";

export const nodesQuery = v.strictObject({
  role: v.optional(v.picklist(nodeRoles, `not one of ${nodeRoles.join(", ")}`)),
  status: v.optional(v.picklist(nodeStatuses, `not one of ${nodeStatuses.join(", ")}`)),
  service: v.optional(v.pipe(v.string(), v.maxLength(64))),
  region: v.optional(v.pipe(v.string(), v.maxLength(64))),
});
export const nodesAnswer = v.object({ nodes: v.array(nodeSchema), count: v.number() });

const assignmentSchema = v.object({
  agent_name: v.string(),
  node_id: v.string(),
  assigned_at: v.nullable(timeSchema),
  status: v.picklist([...shownStatuses, "migrating"]),
  epoch: v.number(),
  revision: v.number(),
});
type AssignmentAnswer = v.InferOutput<typeof assignmentSchema>;
export const assignmentsAnswer = v.object({ assignments: v.array(assignmentSchema), count: v.number() });

const counts = v.record(v.string(), v.number());
export const statsAnswer = v.object({
  local_node: v.string(),
  is_leader: v.boolean(),
  total_assignments: v.number(),
  registry: v.object({
    total_nodes: v.number(),
    healthy_nodes: v.number(),
    online_nodes: v.number(),
    total_agents: v.number(),
    max_agents: v.number(),
    utilization_pct: v.number(),
    nodes_by_role: counts,
    nodes_by_status: counts,
  }),
  balancer: balanceAnswer,
});
export type StatsAnswer = v.InferOutput<typeof statsAnswer>;

const tag = "cluster (documented shapes)";

export function addNodes(api: ApiRoutes): void {
  const { cluster, nodes: registry } = api.services;
  const all = async (): Promise<Nodes> => {
    const by = await nodeViewer(api.services, api.clock.wall_ms());
    const members = cluster.members();
    // One that joined by gossip meanwhile tells of itself; the name of one that has left is free.
    const taken = new Set(members.filter((member) => member.status !== "left").map(({ id }) => id));
    const registered = (await registry.list()).filter(({ id }) => !taken.has(id));
    const names = new Set<string>(registered.map(({ id }) => id));
    const others = members.filter(({ id }) => !names.has(id)).map((member) => nodeView(member, by));
    return { leader: by.leader, nodes: [...others, ...registered.map(registeredView)] };
  };
  api.add(
    "get",
    "/api/cluster/nodes",
    { tag, summary: "List the nodes", query: nodesQuery, answer: nodesAnswer },
    async ({ query }) => {
      const nodes = (await all()).nodes
        .filter((node) => query.status === undefined || node.status === query.status)
        .filter((node) => query.role === undefined || node.role === query.role)
        .filter((node) => query.service === undefined || node.services.includes(query.service))
        .filter((node) => query.region === undefined || node.region === query.region);
      return { nodes, count: nodes.length };
    },
  );
  api.add(
    "get",
    "/api/cluster/nodes/:id",
    { tag, summary: "Details of one node", params: v.object({ id: nodeIdField }), answer: nodeSchema },
    async ({ params }) => {
      const node = (await all()).nodes.find(({ id }) => id === params.id);
      if (node === undefined) throw new CaxtonError("node_not_found", `No node ${quote(params.id)} is known`);
      return node;
    },
  );
  api.add(
    "get",
    "/api/cluster/assignments",
    { tag, summary: "Which node hosts which agent", answer: assignmentsAnswer },
    () => {
      const assignments = cluster.assignments().map((entry): AssignmentAnswer => ({
        agent_name: entry.agent,
        node_id: entry.node,
        assigned_at: new Date(entry.assignedAt_ms).toISOString(),
        status: entry.status,
        epoch: entry.epoch,
        revision: entry.revision,
      }));
      return { assignments, count: assignments.length };
    },
  );
  addStats(api, all);
}

type Nodes = { readonly leader: string | null; readonly nodes: readonly NodeView[] };

function addStats(api: ApiRoutes, all: () => Promise<Nodes>): void {
  const { cluster, balancing, node: self } = api.services;
  api.add(
    "get",
    "/api/cluster/stats",
    {
      tag,
      summary: "Statistics of the cluster",
      description:
        "`registry` counts agents where they are assigned. `balancer.backends` is of the node that answers, since it started: " +
        "`chosen` are the placements that it decided itself (deployments that were asked of it and, as leader, agents of lost nodes), " +
        "`failed` those of them that could not start.",
      answer: statsAnswer,
    },
    async () => {
      const { leader, nodes } = await all();
      return {
        local_node: self,
        is_leader: leader === self,
        total_assignments: cluster.assignments().length,
        registry: registryOf(nodes),
        balancer: { ...balancing.view(), backends: [...balancing.view().backends], ...cluster.balancing() },
      };
    },
  );
}

/** Draining nodes are there, with their agents. */
function registryOf(nodes: readonly NodeView[]): StatsAnswer["registry"] {
  const there = nodes.filter(({ status }) => status === "online" || status === "draining");
  const total_agents = there.reduce((sum, node) => sum + node.active_agents, 0);
  const max_agents = there.reduce((sum, node) => sum + node.max_agents, 0);
  return {
    total_nodes: nodes.length,
    healthy_nodes: nodes.filter(({ healthy }) => healthy).length,
    online_nodes: nodes.filter(({ status }) => status === "online").length,
    total_agents,
    max_agents,
    utilization_pct: max_agents === 0 ? 0 : Math.round((1_000 * total_agents) / max_agents) / 10,
    nodes_by_role: countBy(nodes, ({ role }) => role),
    nodes_by_status: countBy(nodes, ({ status }) => status),
  };
}

function countBy(nodes: readonly NodeView[], keyOf: (node: NodeView) => string): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const node of nodes) counted[keyOf(node)] = (counted[keyOf(node)] ?? 0) + 1;
  return counted;
}
