/** `/api/v1/cluster/partition/rehearsal`: a drill that cuts nodes of the live cluster off for a while. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { durationField, nodeIdField, timeSchema } from "../http/fields.ts";
import type { Rehearsal } from "../partition-service.ts";
import { reportAnswer, reportOf } from "./partition.ts";

const nodes_max = 1_000;
const duration_ms_min = 1_000;
const duration_ms_max = 600_000;

export const rehearseBody = v.strictObject({
  isolate: v.pipe(v.array(nodeIdField), v.minLength(1, "names no node"), v.maxLength(nodes_max)),
  duration: durationField(duration_ms_min, duration_ms_max),
  /** Also where no side would keep a quorum. */
  force: v.optional(v.boolean(), false),
});

export const rehearsalAnswer = v.object({
  id: v.string(),
  isolated: v.array(v.string()),
  duration_ms: v.number(),
  started_at: timeSchema,
  phase: v.picklist(["cut", "healing", "ended"]),
  report: v.nullable(reportAnswer),
  troubles: v.array(v.string()),
});
export type RehearsalAnswer = v.InferOutput<typeof rehearsalAnswer>;

const tag = "cluster";
const path = "/api/v1/cluster/partition/rehearsal";

export function addRehearsal(api: ApiRoutes): void {
  const { partition } = api.services;
  api.add(
    "post",
    path,
    {
      tag,
      summary: "Cut nodes off for a while, as a drill",
      description:
        "Every live node agrees beforehand and undoes it by its own clock, whatever becomes of the node that asked. " +
        "409 where it would leave no side with a quorum, unless `force`.",
      body: rehearseBody,
      answer: rehearsalAnswer,
      status: 202,
    },
    async ({ body }) => {
      const { isolate, duration: duration_ms, force } = body;
      return answerOf(await partition.rehearse({ isolate, duration_ms, force }));
    },
  );
  api.add(
    "get",
    path,
    { tag, summary: "The latest drill commanded from this node", answer: rehearsalAnswer },
    () => {
      const rehearsal = partition.rehearsal();
      if (rehearsal === null) throw new CaxtonError("not_found", "No drill was commanded from this node");
      return answerOf(rehearsal);
    },
  );
}

function answerOf({ isolated, started_ms, report, troubles, ...rehearsal }: Rehearsal): RehearsalAnswer {
  return {
    ...rehearsal,
    isolated: [...isolated],
    started_at: new Date(started_ms).toISOString(),
    report: report === null ? null : reportOf(report),
    troubles: [...troubles],
  };
}
