/** `/api/v1/cluster/…` of the commands that look: status, ping, verify-auth, performance. */
import * as v from "valibot";
import type { ApiRoutes } from "../http/endpoint.ts";
import { nodeIdField, timeSchema } from "../http/fields.ts";
import { authProblems, operations } from "../services.ts";

export const statusAnswer = v.object({
  cluster: v.string(),
  uuid: v.nullable(v.string()),
  node: v.string(),
  status: v.string(),
  operations: v.picklist(operations),
  nodes_active: v.number(),
  nodes_total: v.number(),
  queued_writes: v.number(),
  leader: v.nullable(v.string()),
  term: v.number(),
  voters: v.array(v.string()),
  /** Whether the node that answers may act for its agents, and for how long it may not. */
  lease: v.nullable(
    v.object({
      held: v.boolean(),
      losses: v.number(),
      without_ms: v.number(),
      /** What the leader said; a node of an earlier program says nothing. */
      why: v.optional(v.nullable(v.string())),
    }),
  ),
  /** Nodes that are there and get no lease: the leader `by` does not hear them. A node of an earlier program says nothing. */
  unheard: v.optional(v.array(v.object({ node: v.string(), by: v.string(), since: timeSchema }))),
  /** Nodes that operators keep from traffic. */
  isolated: v.array(v.string()),
  /** Of clients' messages. */
  shed_percentage: v.number(),
});
export type StatusAnswer = v.InferOutput<typeof statusAnswer>;

const roundTrip = v.nullable(v.number());
export const pingAnswer = v.object({
  node: v.string(),
  udp_ms: roundTrip,
  estimate_ms: roundTrip,
  stream_ms: roundTrip,
  message_ms: roundTrip,
  error: v.nullable(v.string()),
});
export type PingAnswer = v.InferOutput<typeof pingAnswer>;

const keyMatch = v.picklist(["match", "mismatch", "unknown"]);
export const verifyAuthAnswer = v.object({
  nodes: v.array(
    v.object({
      node: v.string(),
      gossip_key: keyMatch,
      certificate: keyMatch,
      /** Null where all is well. */
      problem: v.nullable(v.picklist(authProblems)),
      detail: v.string(),
    }),
  ),
});
export type VerifyAuthAnswer = v.InferOutput<typeof verifyAuthAnswer>;

export const performanceAnswer = v.object({
  rows: v.array(
    v.object({
      metric: v.string(),
      target_ms: v.number(),
      actual_ms: v.nullable(v.number()),
      ok: v.nullable(v.boolean()),
    }),
  ),
});
export type PerformanceAnswer = v.InferOutput<typeof performanceAnswer>;

export function addStatus(api: ApiRoutes): void {
  const { cluster } = api.services;
  api.add(
    "get",
    "/api/v1/cluster/status",
    { tag: "cluster", summary: "Is the cluster well, and what may it do", answer: statusAnswer },
    async () => {
      const { voters, isolated, lease, unheard, ...status } = await cluster.status();
      const held = lease && {
        held: lease.held,
        losses: lease.losses,
        without_ms: Math.round(lease.without_ms),
        why: lease.why,
      };
      return {
        ...status,
        voters: [...voters],
        isolated: [...isolated],
        lease: held,
        unheard: unheard.map(({ node, by, since_ms }) => ({
          node,
          by,
          since: new Date(since_ms).toISOString(),
        })),
      };
    },
  );
  api.add(
    "get",
    "/api/v1/cluster/ping",
    {
      tag: "cluster",
      summary: "Measure round trips to a node",
      query: v.strictObject({ node: nodeIdField }),
      answer: pingAnswer,
    },
    ({ query }) => cluster.ping(query.node),
  );
  api.add(
    "get",
    "/api/v1/cluster/verify-auth",
    { tag: "cluster", summary: "Do keys and certificates match on every node", answer: verifyAuthAnswer },
    async () => ({ nodes: [...(await cluster.verifyAuth())] }),
  );
  api.add(
    "get",
    "/api/v1/cluster/performance",
    { tag: "cluster", summary: "Measured figures beside their targets", answer: performanceAnswer },
    async () => ({ rows: [...(await cluster.performance())] }),
  );
}
