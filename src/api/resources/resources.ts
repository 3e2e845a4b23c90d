/** `/api/v1/resources` and `/api/v1/cluster/analyze`: what nodes use, and what could be better. */
import * as v from "valibot";
import type { ApiRoutes } from "../http/endpoint.ts";

export const resourcesAnswer = v.object({
  nodes: v.array(
    v.object({
      node: v.string(),
      cpu_percent: v.number(),
      memory_bytes: v.number(),
      agents: v.number(),
      /** Of the file system of the data directory. */
      disk: v.nullable(v.object({ used_bytes: v.number(), total_bytes: v.number() })),
      /** Between nodes, since the node's start. */
      network: v.nullable(v.object({ sent_bytes: v.number(), received_bytes: v.number() })),
      detail: v.string(),
    }),
  ),
});
export type ResourcesAnswer = v.InferOutput<typeof resourcesAnswer>;

export const analyzeAnswer = v.object({
  suggestions: v.array(
    v.object({ topic: v.string(), measured: v.string(), expected: v.string(), suggestion: v.string() }),
  ),
  /** Figures that were looked at, and those of which nothing was measured yet. */
  looked: v.number(),
  missing: v.array(v.string()),
});
export type AnalyzeAnswer = v.InferOutput<typeof analyzeAnswer>;

export function addResources(api: ApiRoutes): void {
  const { operator } = api.services;
  api.add(
    "get",
    "/api/v1/resources",
    { tag: "cluster", summary: "What each node uses of its machine", answer: resourcesAnswer },
    async () => ({ nodes: [...(await operator.resources())] }),
  );
  api.add(
    "get",
    "/api/v1/cluster/analyze",
    { tag: "cluster", summary: "Suggestions, each with its measured figure", answer: analyzeAnswer },
    async () => {
      const { suggestions, looked, missing } = await operator.analyze();
      return { suggestions: [...suggestions], looked, missing: [...missing] };
    },
  );
}
