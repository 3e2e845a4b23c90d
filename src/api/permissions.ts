/**
 * What each route asks of its caller. A route that is not in this table is refused to everyone
 * (default deny), and a test walks the app's routes to prove that each one is.
 */
import type { Permission } from "../security/roles.ts";

/** `public`: open without a token. */
export type Access = Permission | "public";

const table: Readonly<Record<string, Access>> = {
  "GET /livez": "public",
  "GET /readyz": "public",
  "GET /healthz": "public",
  "GET /openapi.json": "public",
  "GET /docs": "public",
  "GET /.well-known/jwks.json": "public",
  "GET /api/v1/version": "system:read",

  "GET /api/cluster/nodes": "cluster:read",
  "GET /api/cluster/nodes/:id": "cluster:read",
  "POST /api/cluster/nodes": "cluster:operate",
  "POST /api/cluster/nodes/:id": "cluster:operate",
  "DELETE /api/cluster/nodes/:id": "cluster:operate",
  "GET /api/cluster/assignments": "cluster:read",
  "GET /api/cluster/stats": "cluster:read",
  "GET /api/cluster/leader": "cluster:read",
  "POST /api/cluster/leader": "cluster:operate",
  "POST /api/cluster/balance": "cluster:operate",

  "GET /api/v1/cluster/members": "cluster:read",
  "GET /api/v1/cluster/status": "cluster:read",
  "GET /api/v1/cluster/ping": "cluster:read",
  "GET /api/v1/cluster/performance": "cluster:read",
  "GET /api/v1/cluster/verify-auth": "cluster:read",
  "GET /api/v1/cluster/balance": "cluster:read",
  "POST /api/v1/cluster/balance": "cluster:operate",
  "GET /api/v1/cluster/rebalance": "cluster:read",
  "POST /api/v1/cluster/rebalance": "cluster:operate",
  "GET /api/v1/cluster/leader": "cluster:read",
  "POST /api/v1/cluster/leader": "cluster:operate",
  "GET /api/v1/cluster/compare-state": "cluster:operate",
  "GET /api/v1/cluster/verify": "cluster:operate",
  "GET /api/v1/cluster/partition": "cluster:read",
  // These name keys.
  "GET /api/v1/cluster/partition/report": "kv:read",
  "GET /api/v1/cluster/partition/queued-writes": "kv:read",
  "GET /api/v1/cluster/partition/queued-writes/:id": "kv:read",
  "POST /api/v1/cluster/partition/resolve": "cluster:operate",
  "GET /api/v1/cluster/partition/rehearsal": "kv:read",
  "POST /api/v1/cluster/partition/rehearsal": "cluster:operate",
  "GET /api/v1/cluster/detect-partition": "cluster:read",
  "POST /api/v1/cluster/resolve-partition": "cluster:operate",
  "POST /api/v1/cluster/add-node": "cluster:operate",
  "POST /api/v1/cluster/isolate": "cluster:operate",
  "POST /api/v1/cluster/rejoin": "cluster:operate",
  "POST /api/v1/cluster/rebuild": "cluster:operate",
  "POST /api/v1/cluster/stop": "cluster:operate",
  "POST /api/v1/cluster/start": "cluster:operate",
  "GET /api/v1/cluster/shed-load": "cluster:read",
  "POST /api/v1/cluster/shed-load": "cluster:operate",
  "GET /api/v1/cluster/analyze": "cluster:read",
  "GET /api/v1/resources": "cluster:read",
  "POST /api/v1/cluster/leave": "cluster:operate",
  "POST /api/v1/cluster/remove": "cluster:operate",

  "POST /api/v1/security/rotate-gossip-key": "security:manage",
  "POST /api/v1/tokens": "security:manage",

  "GET /api/v1/agents": "agents:read",
  "POST /api/v1/agents": "agents:deploy",
  "GET /api/v1/agents/:name": "agents:read",
  "PUT /api/v1/agents/:name": "agents:deploy",
  "DELETE /api/v1/agents/:name": "agents:deploy",
  "POST /api/v1/agents/:name/suspend": "agents:operate",
  "POST /api/v1/agents/:name/resume": "agents:operate",
  "POST /api/v1/agents/:name/migrate": "agents:operate",
  "GET /api/v1/agents/:name/logs": "agents:logs",

  "GET /api/v1/messages": "messages:read",
  "POST /api/v1/messages": "messages:send",
  "GET /api/v1/conversations": "messages:read",
  "GET /api/v1/conversations/:id": "messages:read",
  "GET /api/v1/dead-letters": "messages:read",
  "POST /api/v1/dead-letters/replay": "dead-letters:manage",
  "DELETE /api/v1/dead-letters": "dead-letters:manage",

  "GET /api/v1/kv": "kv:read",
  "GET /api/v1/kv/:key{[^]+}": "kv:read",
  "PUT /api/v1/kv/:key{[^]+}": "kv:write",
  "DELETE /api/v1/kv/:key{[^]+}": "kv:write",
  "GET /api/v1/locks/:name": "locks:read",
  "POST /api/v1/locks/:name": "locks:use",
  "DELETE /api/v1/locks/:name": "locks:use",

  "GET /api/v1/events": "events:read",
};
const byRoute = new Map(Object.entries(table));

/** Undefined for a route that the table forgot: nobody may. */
export function accessOf(route: string): Access | undefined {
  return byRoute.get(route);
}

export const listedRoutes: readonly string[] = [...byRoute.keys()];
