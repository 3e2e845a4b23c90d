/**
 * A node in the shape of the documented `/api/cluster/nodes`. Until an election exists every node is
 * a worker; what only the node itself knows (its uptime) is null for the others.
 */
import * as v from "valibot";
import { formatDuration } from "../../base/durations.ts";
import type { Member } from "../../cluster/membership.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { timeSchema } from "../http/fields.ts";

export const nodeRoles = ["leader", "worker", "replica", "standby"] as const;
export const nodeStatuses = ["online", "offline", "draining", "unknown"] as const;

export const nodeSchema = v.object({
  id: v.string(),
  hostname: v.string(),
  address: v.string(),
  role: v.picklist(nodeRoles),
  status: v.picklist(nodeStatuses),
  healthy: v.boolean(),
  active_agents: v.number(),
  max_agents: v.number(),
  /** Free share of its agents' places: (max − active) / max, 0 when max is 0. */
  capacity: v.number(),
  /** 0.4 · CPU + 0.3 · memory + 0.3 · agents, each in percent. */
  load: v.number(),
  cpu_usage: v.number(),
  memory_usage: v.number(),
  uptime: v.nullable(v.string()),
  last_seen: timeSchema,
  region: v.string(),
  zone: v.string(),
  version: v.string(),
  services: v.array(v.string()),
});
export type NodeView = v.InferOutput<typeof nodeSchema>;

export interface NodeViewer {
  readonly self: string;
  readonly leader: string | null;
  readonly startedAt_ms: number;
  readonly now_ms: number;
}

export function nodeView(member: Member, viewer: NodeViewer): NodeView {
  const { tags, load } = member;
  const max = tags.maxAgents;
  const agents_percent = max === 0 ? 0 : (100 * load.agents) / max;
  return {
    id: member.id,
    hostname: member.address.host,
    address: formatAddress(member.address),
    role: member.id === viewer.leader ? "leader" : "worker",
    status: nodeStatus(member),
    healthy: member.status === "alive",
    active_agents: load.agents,
    max_agents: max,
    capacity: max === 0 ? 0 : Math.max(0, (max - load.agents) / max),
    load: rounded(0.4 * load.cpu_percent + 0.3 * load.memory_percent + 0.3 * agents_percent),
    cpu_usage: rounded(load.cpu_percent),
    memory_usage: rounded(load.memory_percent),
    uptime: member.id === viewer.self ? uptime(viewer.now_ms - viewer.startedAt_ms) : null,
    last_seen: new Date(member.lastSeen_ms).toISOString(),
    region: tags.region,
    zone: tags.zone,
    version: tags.version,
    services: [...tags.services],
  };
}

/** A suspected node may be either: `unknown`. */
export function nodeStatus(member: Member): (typeof nodeStatuses)[number] {
  if (member.status === "alive") return "online";
  return member.status === "suspect" ? "unknown" : "offline";
}

function uptime(elapsed_ms: number): string {
  return formatDuration(Math.max(0, Math.floor(elapsed_ms / 1_000) * 1_000));
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
