/** `/api/v1/cluster/compare-state` and `verify`: are the replicas the same, and is what each holds sound. */
import * as v from "valibot";
import type { ApiRoutes } from "../http/endpoint.ts";
import { nodeIdField } from "../http/fields.ts";

export const compareAnswer = v.object({
  index: v.number(),
  nodes: v.array(
    v.object({
      node: v.string(),
      hash: v.nullable(v.string()),
      same: v.nullable(v.boolean()),
      detail: v.string(),
    }),
  ),
  difference: v.nullable(
    v.object({ node: v.string(), section: v.string(), key: v.nullable(v.string()), detail: v.string() }),
  ),
});
export type CompareAnswer = v.InferOutput<typeof compareAnswer>;

export const verifyAnswer = v.object({
  ok: v.boolean(),
  checks: v.array(v.object({ node: v.string(), check: v.string(), ok: v.boolean(), detail: v.string() })),
});
export type VerifyAnswer = v.InferOutput<typeof verifyAnswer>;

/** A deep check reads every row of every node. */
const verify_ms = 300_000;

export function addStateChecks(api: ApiRoutes): void {
  const { cluster } = api.services;
  api.add(
    "get",
    "/api/v1/cluster/compare-state",
    {
      tag: "cluster",
      summary: "Compare the control state of all nodes at one index",
      description: "Commits a mark, so it needs a quorum; nodes that cannot be asked are listed as such.",
      answer: compareAnswer,
    },
    async () => {
      const { index, nodes, difference } = await cluster.compareState();
      return { index, nodes: [...nodes], difference };
    },
  );
  api.add(
    "get",
    "/api/v1/cluster/verify",
    {
      tag: "cluster",
      summary: "Check what the nodes hold",
      description: "Hashes, and with `deep` every row against its hash.",
      query: v.strictObject({
        node: v.optional(nodeIdField),
        deep: v.optional(v.picklist(["true", "false"]), "false"),
      }),
      answer: verifyAnswer,
      timeout_ms: verify_ms,
    },
    async ({ query }) => {
      const checks = await cluster.verify(query.node ?? null, query.deep === "true");
      return { ok: checks.every(({ ok }) => ok), checks: [...checks] };
    },
  );
}
