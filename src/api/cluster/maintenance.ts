/** `/api/v1/cluster/…` of the commands about one node at a time: add-node, isolate, rejoin, rebuild. */
import * as v from "valibot";
import { parseHostPort } from "../../base/host-port.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { durationField, nodeIdField } from "../http/fields.ts";

const drain_ms_max = 3_600_000;
/** Beyond the drain: for the setting to be agreed on, and the answer. */
const isolateMargin_ms = 30_000;
const add_ms = 40_000;
const rebuild_ms = 150_000;
const tag = "cluster";

const addressField = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    try {
      parseHostPort(dataset.value);
    } catch (error) {
      addIssue({ message: error instanceof Error ? error.message : String(error) });
    }
  }),
);

export const addNodeBody = v.strictObject({ address: addressField });
export const addNodeAnswer = v.object({ node: v.string(), address: v.string(), status: v.literal("joined") });
export type AddNodeAnswer = v.InferOutput<typeof addNodeAnswer>;

export const isolateBody = v.strictObject({
  node: nodeIdField,
  drain_timeout: v.optional(durationField(0, drain_ms_max), "60s"),
});
export const isolateAnswer = v.object({
  node: v.string(),
  status: v.literal("isolated"),
  moved: v.number(),
  /** Agents that are still there; the node goes on trying. */
  stayed: v.number(),
  not_reached: v.nullable(v.string()),
});
export type IsolateAnswer = v.InferOutput<typeof isolateAnswer>;

const nodeBody = v.strictObject({ node: nodeIdField });
export const rejoinAnswer = v.object({ node: v.string(), status: v.literal("rejoined") });
export type RejoinAnswer = v.InferOutput<typeof rejoinAnswer>;
export const rebuildAnswer = v.object({
  node: v.string(),
  status: v.literal("rebuilt"),
  /** Up to this entry of the log it has everything. */
  index: v.number(),
  took_ms: v.number(),
});
export type RebuildAnswer = v.InferOutput<typeof rebuildAnswer>;

const decidedNow = { kind: "refused", why: "it is meant for the cluster as it is now" } as const;

export function addMaintenance(api: ApiRoutes): void {
  const { operator } = api.services;
  api.add(
    "post",
    "/api/v1/cluster/add-node",
    {
      tag,
      summary: "Let a node in that runs and waits to be",
      description: "The node at the address is told where this cluster is. It must have the cluster's key.",
      body: addNodeBody,
      answer: addNodeAnswer,
      timeout_ms: add_ms,
    },
    async ({ body }) => {
      const { node, address } = await operator.addNode(parseHostPort(body.address));
      return { node, address, status: "joined" as const };
    },
  );
  api.add(
    "post",
    "/api/v1/cluster/isolate",
    {
      tag,
      summary: "Take a node out of traffic",
      description:
        "It gives its agents to others and takes none, nor messages of clients, until it rejoins, also after a restart. It " +
        "keeps its vote and its API.",
      body: isolateBody,
      answer: isolateAnswer,
      timeout_ms: drain_ms_max + isolateMargin_ms,
      inMinority: decidedNow,
    },
    async ({ body }) => {
      const { notReached, ...done } = await operator.isolate(body.node, body.drain_timeout);
      return { ...done, status: "isolated" as const, not_reached: notReached };
    },
  );
  api.add(
    "post",
    "/api/v1/cluster/rejoin",
    { tag, summary: "Take a node back", body: nodeBody, answer: rejoinAnswer, inMinority: decidedNow },
    async ({ body }) => {
      await operator.rejoin(body.node);
      return { node: body.node, status: "rejoined" as const };
    },
  );
  api.add(
    "post",
    "/api/v1/cluster/rebuild",
    {
      tag,
      summary: "Give a node its state anew from its peers",
      description:
        "Its log and its control state are set aside, and it has no vote until it has everything again. 409 where the " +
        "cluster would lose its quorum without it.",
      body: nodeBody,
      answer: rebuildAnswer,
      timeout_ms: rebuild_ms,
    },
    async ({ body }) => ({ ...(await operator.rebuild(body.node)), status: "rebuilt" as const }),
  );
}
