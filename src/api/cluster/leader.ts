/** Who leads, and handing leadership over: the documented shape, and consensus as this node sees it. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { nodeIdField } from "../http/fields.ts";
import { nodeSchema, nodeView, nodeViewer } from "./node.ts";

export const leaderAnswer = v.object({
  /** Null while there is none that this node knows. */
  leader: v.nullable(v.string()),
  term: v.number(),
  self: v.string(),
  role: v.picklist(["follower", "pre-candidate", "candidate", "leader"]),
  /** Whether a majority of the voters can decide, as this node sees it. */
  quorum: v.boolean(),
  commit: v.number(),
  applied: v.number(),
  members: v.array(
    v.object({
      node: v.string(),
      role: v.picklist(["voter", "learner", "witness"]),
      contact: v.boolean(),
      /** How far its log is known to be; only the leader knows. */
      match: v.nullable(v.number()),
      /** Whether it could be taken down now without the loss of the quorum; only the leader knows, of who runs. */
      safe_to_stop: v.nullable(v.boolean()),
      why: v.nullable(v.string()),
    }),
  ),
  changing: v.boolean(),
  trouble: v.nullable(v.string()),
});
export type LeaderAnswer = v.InferOutput<typeof leaderAnswer>;

export const transferBody = v.strictObject({
  /** The voter that is furthest unless given. */
  to: v.optional(nodeIdField),
});
export const transferAnswer = v.object({ leader: v.string() });
export type TransferAnswer = v.InferOutput<typeof transferAnswer>;

/** A transfer ends or is given up within an election time-out; this is far above. */
const transfer_ms = 15_000;

const noTransfer = {
  kind: "refused",
  why: "leadership is given by a quorum, to a node that it reaches",
} as const;

export function addLeader(api: ApiRoutes): void {
  const { cluster, node: self } = api.services;
  const tag = "cluster (documented shapes)";
  api.add(
    "get",
    "/api/cluster/leader",
    { tag, summary: "The current leader", answer: v.object({ leader: nodeSchema }) },
    async () => {
      const { leader } = cluster.leader();
      const member = cluster.members().find(({ id }) => id === leader);
      if (member === undefined) throw new CaxtonError("not_found", "The cluster has no elected leader");
      const by = await nodeViewer(api.services, api.clock.wall_ms());
      return { leader: nodeView(member, { ...by, leader }) };
    },
  );
  api.add(
    "post",
    "/api/cluster/leader",
    {
      tag,
      summary: "Transfer leadership to this node",
      answer: v.object({ success: v.boolean(), is_leader: v.boolean(), leader: v.string() }),
      timeout_ms: transfer_ms,
      inMinority: noTransfer,
    },
    async () => {
      const leader = await cluster.transferLeadership(self);
      return { success: leader === self, is_leader: leader === self, leader };
    },
  );
  api.add(
    "get",
    "/api/v1/cluster/leader",
    { tag: "cluster", summary: "The leader, its term, and who votes", answer: leaderAnswer },
    () => {
      const { joint, members, ...view } = cluster.leader();
      return {
        ...view,
        changing: joint,
        members: members.map(({ node, role, contact, match, stoppable }) => ({
          node,
          role,
          contact,
          match,
          safe_to_stop: stoppable?.safe ?? null,
          why: stoppable?.why ?? null,
        })),
      };
    },
  );
  api.add(
    "post",
    "/api/v1/cluster/leader",
    {
      tag: "cluster",
      summary: "Transfer leadership",
      body: transferBody,
      answer: transferAnswer,
      timeout_ms: transfer_ms,
      inMinority: noTransfer,
    },
    async ({ body }) => ({ leader: await cluster.transferLeadership(body.to ?? null) }),
  );
}
