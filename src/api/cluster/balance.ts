/**
 * How agents are spread: the strategy, by `/api/v1/cluster/balance` and the documented `/api/cluster/balance`, and
 * `/api/v1/cluster/rebalance`: what would be moved (GET), and moving it (POST).
 */
import * as v from "valibot";
import { quote } from "../../base/ids.ts";
import { nearest } from "../../base/nearest.ts";
import { rebalanceStrategies } from "../../placement/rebalance-plan.ts";
import { type PlacementStrategy, placementStrategies } from "../../wire/agent-spec.ts";
import { type ApiRoutes, jsonBody_bytes } from "../http/endpoint.ts";
import { choiceField } from "../http/fields.ts";
import { FieldsError } from "../http/problem.ts";

const rebalance_ms_max = 660_000;

export const balanceBody = v.strictObject({ strategy: v.string() });
const backendSchema = v.object({
  node: v.string(),
  chosen: v.number(),
  failed: v.number(),
  in_flight: v.number(),
  connections: v.number(),
});
export const balanceAnswer = v.object({
  strategy: v.string(),
  round_robin_index: v.number(),
  /** As the node that answers has used each since it started. */
  backends: v.array(backendSchema),
});
export type BalanceAnswer = v.InferOutput<typeof balanceAnswer>;

const planFields = {
  strategy: v.picklist(rebalanceStrategies),
  moves: v.array(v.object({ agent: v.string(), from: v.string(), to: v.string(), why: v.string() })),
  limit: v.number(),
};
export const planAnswer = v.object(planFields);
export type PlanAnswer = v.InferOutput<typeof planAnswer>;
export const rebalanceAnswer = v.object({
  ...planFields,
  moved: v.number(),
  failed: v.array(v.object({ agent: v.string(), reason: v.string() })),
  seconds: v.number(),
});
export type RebalanceAnswer = v.InferOutput<typeof rebalanceAnswer>;

const strategyField = v.optional(choiceField(rebalanceStrategies), "even_distribution");

export function addBalance(api: ApiRoutes): void {
  const { cluster, balancing } = api.services;
  const tag = "cluster";
  const view = (): BalanceAnswer => {
    const { strategy, round_robin_index, backends } = { ...balancing.view(), ...cluster.balancing() };
    return { strategy, round_robin_index, backends: [...backends] };
  };
  api.add(
    "get",
    "/api/v1/cluster/balance",
    { tag, summary: "The placement strategy in use, and what it chose", answer: balanceAnswer },
    view,
  );
  api.add(
    "post",
    "/api/v1/cluster/balance",
    {
      tag,
      summary: "Choose the placement strategy",
      body: balanceBody,
      answer: balanceAnswer,
      inMinority: { kind: "queued", body_bytes: jsonBody_bytes, subject: () => "cluster/balance" },
    },
    async ({ body }) => {
      await cluster.setBalancing(knownStrategy(body.strategy));
      return view();
    },
  );
  api.add(
    "post",
    "/api/cluster/balance",
    {
      tag: "cluster (documented shapes)",
      summary: "Choose the placement strategy",
      query: v.strictObject({ strategy: v.string() }),
      answer: v.object({ success: v.boolean(), strategy: v.string() }),
      inMinority: { kind: "queued", body_bytes: 0, subject: () => "cluster/balance" },
    },
    async ({ query }) => {
      await cluster.setBalancing(knownStrategy(query.strategy));
      return { success: true, strategy: cluster.balancing().strategy };
    },
  );
  addRebalance(api, tag);
}

function addRebalance(api: ApiRoutes, tag: string): void {
  const { balancing } = api.services;
  api.add(
    "get",
    "/api/v1/cluster/rebalance",
    {
      tag,
      summary: "Which agents a rebalance would move",
      query: v.strictObject({ strategy: strategyField }),
      answer: planAnswer,
    },
    async ({ query }) => {
      const { strategy, moves, limit } = await balancing.plan(query.strategy);
      return { strategy, moves: [...moves], limit };
    },
  );
  api.add(
    "post",
    "/api/v1/cluster/rebalance",
    {
      tag,
      summary: "Move agents so that the nodes carry their part; answered when it is done",
      body: v.strictObject({ strategy: strategyField }),
      answer: rebalanceAnswer,
      timeout_ms: rebalance_ms_max,
    },
    async ({ body }) => {
      const { moves, failed, ...rest } = await balancing.rebalance(body.strategy);
      return { ...rest, moves: [...moves], failed: [...failed] };
    },
  );
}

/** Throws 422 with the nearest one. */
function knownStrategy(text: string): PlacementStrategy {
  const canonical = text.toLowerCase().replaceAll("-", "_");
  const known = placementStrategies.find((name) => name === canonical);
  if (known !== undefined) return known;
  const near = nearest(canonical, placementStrategies);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  const message = `not one of ${placementStrategies.join(", ")}`;
  throw new FieldsError("invalid_body", `Strategy ${quote(text)} is ${message}${hint}`, [
    { field: "strategy", message },
  ]);
}
