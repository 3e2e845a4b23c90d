/** `/api/v1/cluster/…` of the commands about all nodes at once: stop, start, shed-load. */
import * as v from "valibot";
import type { NodeAnswer } from "../operator-service.ts";
import type { ApiRoutes } from "../http/endpoint.ts";

const tag = "cluster";

export const stopBody = v.strictObject({
  all: v.literal(true, "must be true: one node is stopped by `leave`"),
});
export const toldAnswer = v.object({
  nodes: v.array(v.object({ node: v.string(), ok: v.boolean(), detail: v.string() })),
});
export type ToldAnswer = v.InferOutput<typeof toldAnswer>;

export const shedBody = v.strictObject({
  /** 0 ends it. */
  percentage: v.pipe(v.number(), v.integer("not a whole number"), v.minValue(0), v.maxValue(100)),
});
export const shedAnswer = v.object({
  percentage: v.number(),
  /** By the node that answers, since its start. */
  refused: v.number(),
});
export type ShedAnswer = v.InferOutput<typeof shedAnswer>;

export function addStopping(api: ApiRoutes): void {
  const { operator } = api.services;
  api.add(
    "post",
    "/api/v1/cluster/stop",
    {
      tag,
      summary: "Close intake and databases of every node",
      description: "Processes and their APIs stay; agents are where they were after a start.",
      body: stopBody,
      answer: toldAnswer,
      status: 202,
    },
    async () => told(await operator.stopAll()),
  );
  api.add(
    "post",
    "/api/v1/cluster/start",
    { tag, summary: "Start every node that was stopped", answer: toldAnswer, status: 202 },
    async () => told(await operator.startAll()),
  );
  api.add(
    "get",
    "/api/v1/cluster/shed-load",
    { tag, summary: "The share of clients' messages that is refused", answer: shedAnswer },
    () => operator.shedding,
  );
  api.add(
    "post",
    "/api/v1/cluster/shed-load",
    {
      tag,
      summary: "Refuse a share of clients' messages",
      description: "Of those below the priority critical, at every node, until it is set to 0.",
      body: shedBody,
      answer: shedAnswer,
      inMinority: { kind: "refused", why: "it is meant for the load that there is now" },
    },
    async ({ body }) => await operator.shedLoad(body.percentage),
  );
}

function told(nodes: readonly NodeAnswer[]): ToldAnswer {
  return { nodes: [...nodes] };
}
