/** `/api/v1/cluster/…` of the commands that act on members: leave and remove. */
import * as v from "valibot";
import type { ApiRoutes } from "../http/endpoint.ts";
import { durationField, nodeIdField } from "../http/fields.ts";

const drain_ms_max = 3_600_000;
/** An answer comes this long after the drain at the latest. */
const leaveMargin_ms = 30_000;

export const leaveBody = v.strictObject({
  /** The node that answers unless given. */
  node: v.optional(nodeIdField),
  drain_timeout: v.optional(durationField(0, drain_ms_max), "60s"),
  /** Whether its agents go to others first; else they are expected back with it. */
  hand_over: v.optional(v.boolean(), true),
  /** Even where the others lose their quorum with it. */
  force: v.optional(v.boolean(), false),
});
export const leaveAnswer = v.object({ node: v.string(), status: v.literal("leaving") });

export const removeBody = v.strictObject({ node: nodeIdField, force: v.optional(v.boolean(), false) });
export const removeAnswer = v.object({ node: v.string(), status: v.literal("removed") });

export function addOperate(api: ApiRoutes): void {
  const { cluster, node: self } = api.services;
  api.add(
    "post",
    "/api/v1/cluster/leave",
    {
      tag: "cluster",
      summary: "Let a node leave gracefully",
      description:
        "Refused where its vote is needed for the quorum, unless forced or not handing over (a stop).",
      body: leaveBody,
      answer: leaveAnswer,
      status: 202,
      timeout_ms: drain_ms_max + leaveMargin_ms,
    },
    async ({ body }) => {
      const node = body.node ?? self;
      const { drain_timeout: drain_timeout_ms, hand_over: handOver, force } = body;
      await cluster.leave(node, { drain_timeout_ms, handOver, force });
      return { node, status: "leaving" as const };
    },
  );
  api.add(
    "post",
    "/api/v1/cluster/remove",
    {
      tag: "cluster",
      summary: "Take a member out of the cluster",
      description:
        "Refused for a node that is alive unless forced, and without a quorum. A node that is alive, or shows up " +
        "later in the same life, is told of it and ends its process; a restart joins again.",
      body: removeBody,
      answer: removeAnswer,
      inMinority: {
        kind: "refused",
        why:
          "who is a member is decided by a quorum. Start one of the lost voters again, or run it at a node of the " +
          "majority; caxton cluster status tells which side a node is on",
      },
    },
    async ({ body }) => {
      await cluster.remove(body.node, body.force);
      return { node: body.node, status: "removed" as const };
    },
  );
}
