/**
 * A node in the shape of the documented `/api/cluster/nodes`: a member that gossips, or one that is registered by HTTP.
 * What is not known of it from here is null: the load average of who gossips, the uptime of who is not there.
 */
import * as v from "valibot";
import { formatDuration } from "../../base/durations.ts";
import { formatHostPort } from "../../base/host-port.ts";
import type { Member } from "../../cluster/membership.ts";
import { isStandby } from "../../placement/candidate.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { timeSchema } from "../http/fields.ts";
import type { RegisteredNode } from "../node-registry.ts";
import type { NodeServices } from "../services.ts";

export const nodeRoles = ["leader", "worker", "replica", "standby"] as const;
export const nodeStatuses = ["online", "offline", "draining", "unknown"] as const;

export const nodeSchema = v.object({
  id: v.string(),
  hostname: v.string(),
  address: v.string(),
  role: v.picklist(nodeRoles),
  status: v.picklist(nodeStatuses),
  healthy: v.boolean(),
  /** Online, healthy and below its maximum: it takes work. */
  available: v.boolean(),
  active_agents: v.number(),
  max_agents: v.number(),
  /** Free share of its agents' places: (max − active) / max, 0 when max is 0. */
  capacity: v.number(),
  /** 0.4 · CPU + 0.3 · memory + 0.3 · agents, each in percent. */
  load: v.number(),
  cpu_usage: v.number(),
  memory_usage: v.number(),
  disk_usage: v.nullable(v.number()),
  load_average: v.nullable(v.number()),
  uptime: v.nullable(v.string()),
  last_seen: timeSchema,
  region: v.string(),
  zone: v.string(),
  version: v.string(),
  services: v.array(v.string()),
  /** How it is known. */
  registered_by: v.picklist(["gossip", "heartbeat"]),
});
export type NodeView = v.InferOutput<typeof nodeSchema>;

export interface NodeViewer {
  readonly self: string;
  readonly leader: string | null;
  readonly startedAt_ms: number;
  readonly now_ms: number;
  /** Nodes that an operator keeps from traffic. */
  readonly isolated: ReadonlySet<string>;
  /** Nodes that are there and may not act for agents. */
  readonly unleased: ReadonlySet<string>;
  /** Agents that are assigned to each node that has any. */
  readonly agents: ReadonlyMap<string, number>;
}

/** A node that starts, or whose leader is a new one, may be without a lease for less. */
const leasePatience_ms = 5_000;

/** What this node knows of the cluster at one moment. */
export async function nodeViewer(
  { cluster, node: self, operator }: Pick<NodeServices, "cluster" | "node" | "operator">,
  now_ms: number,
): Promise<NodeViewer> {
  const { leader, unheard, lease } = await cluster.status();
  const unleased = new Set<string>(unheard.map(({ node }) => node));
  if (lease !== null && !lease.held && lease.without_ms >= leasePatience_ms) unleased.add(self);
  const startedAt_ms = cluster.startedAt_ms();
  const { isolated } = operator;
  return { self, leader, startedAt_ms, now_ms, isolated, unleased, agents: cluster.agentCounts() };
}

export function nodeView(member: Member, viewer: NodeViewer): NodeView {
  const { tags, load, id } = member;
  const status = nodeStatus(member, viewer.isolated);
  const healthy = member.status === "alive" && !viewer.unleased.has(id);
  const { cpu_percent: cpu, memory_percent: memory } = load;
  const active = member.status === "left" ? 0 : (viewer.agents.get(id) ?? 0);
  return {
    id,
    hostname: member.address.host,
    address: formatAddress(member.address),
    role: id === viewer.leader ? "leader" : roleOf(tags),
    status,
    healthy,
    available: status === "online" && healthy && active < tags.maxAgents,
    active_agents: active,
    max_agents: tags.maxAgents,
    ...figuresOf({ cpu, memory, active, max: tags.maxAgents }),
    disk_usage: load.disk_percent === undefined ? null : rounded(load.disk_percent),
    load_average: null,
    uptime: uptimeOf(member, viewer),
    last_seen: new Date(member.lastSeen_ms).toISOString(),
    region: tags.region,
    zone: tags.zone,
    version: tags.version,
    services: [...tags.services],
    registered_by: "gossip",
  };
}

/** A witness hosts nothing, a node of weight 0 only what no other can; a learner has the state and no vote. */
function roleOf({ weight, raft }: Member["tags"]): NodeView["role"] {
  if (raft?.role === "witness" || isStandby({ weight })) return "standby";
  return raft?.role === "learner" ? "replica" : "worker";
}

/** None of the cluster's agents is on it: it takes part in nothing but the list. */
export function registeredView(node: RegisteredNode): NodeView {
  const { id, hostname, host, port, role, region, zone, services, state, maxAgents, figures } = node;
  const status = state === "offline" ? "offline" : "online";
  const healthy = state === "online";
  const cpu = figures?.cpu_usage ?? 0;
  const memory = figures?.memory_usage ?? 0;
  return {
    id,
    hostname,
    address: formatHostPort({ host, port }),
    role,
    status,
    healthy,
    available: healthy && maxAgents > 0,
    active_agents: 0,
    max_agents: maxAgents,
    ...figuresOf({ cpu, memory, active: 0, max: maxAgents }),
    disk_usage: figures === null ? null : rounded(figures.disk_usage),
    load_average: figures?.load_average ?? null,
    uptime: null,
    last_seen: new Date(node.lastSeen_ms).toISOString(),
    region,
    zone,
    version: "",
    services: [...services],
    registered_by: "heartbeat",
  };
}

/** Percentages and numbers of agents. */
function figuresOf(of: {
  readonly cpu: number;
  readonly memory: number;
  readonly active: number;
  readonly max: number;
}): Pick<NodeView, "capacity" | "load" | "cpu_usage" | "memory_usage"> {
  const { cpu, memory, active, max } = of;
  const agents_percent = max === 0 ? 0 : (100 * active) / max;
  return {
    capacity: max === 0 ? 0 : Math.max(0, (max - active) / max),
    load: rounded(0.4 * cpu + 0.3 * memory + 0.3 * agents_percent),
    cpu_usage: rounded(cpu),
    memory_usage: rounded(memory),
  };
}

/** A suspected node may be either: `unknown`. One that has agents and takes none is giving them away. */
function nodeStatus(
  { id, status, tags, load }: Member,
  isolated: ReadonlySet<string>,
): (typeof nodeStatuses)[number] {
  if (status === "suspect") return "unknown";
  if (status !== "alive") return "offline";
  const drains = isolated.has(id) || (tags.maxAgents === 0 && load.agents > 0);
  return drains ? "draining" : "online";
}

/** Of another node by its boot epoch, the time of its own clock when it began: as right as the two clocks agree. */
function uptimeOf({ id, status, bootEpoch }: Member, viewer: NodeViewer): string | null {
  if (status !== "alive" && status !== "suspect") return null;
  const elapsed_ms = viewer.now_ms - (id === viewer.self ? viewer.startedAt_ms : bootEpoch);
  return formatDuration(Math.max(0, Math.floor(elapsed_ms / 1_000) * 1_000));
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
