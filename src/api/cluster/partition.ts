/** `/api/v1/cluster/partition/…`: on which side of a partition this node is, and what became of queued writes. */
import * as v from "valibot";
import { partitionActions } from "../../ownership/partition-policy.ts";
import { partitionStates } from "../../ownership/partition-state.ts";
import { queuedWriteStates } from "../../store/queued-writes-table.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { nodeIdField, pageFields, timeSchema } from "../http/fields.ts";
import type { PartitionReport, QueuedWriteView } from "../partition-service.ts";

const state = v.picklist(partitionStates);
export const overviewAnswer = v.object({
  node: v.string(),
  state,
  since: timeSchema,
  groups: v.array(
    v.object({ nodes: v.array(v.string()), side: v.picklist(["majority", "minority", "unknown"]) }),
  ),
  blind: v.array(v.object({ from: v.string(), to: v.string() })),
  /** Not said, as what follows, by a node of an earlier program. */
  unasked: v.optional(v.array(v.string())),
  leader: v.optional(v.nullable(v.string())),
  unheard: v.optional(v.array(v.object({ node: v.string(), by: v.string() }))),
  voters_reached: v.number(),
  voters: v.number(),
  needed: v.number(),
  action: v.nullable(v.picklist(partitionActions)),
  queued_writes: v.number(),
});
export type OverviewAnswer = v.InferOutput<typeof overviewAnswer>;

export const queuedWriteSchema = v.object({
  id: v.string(),
  position: v.number(),
  node: v.string(),
  state: v.picklist(queuedWriteStates),
  method: v.string(),
  path: v.string(),
  principal: v.string(),
  idempotency_key: v.nullable(v.string()),
  /** The version of what it is about that could be seen when it was queued; 0 where there was nothing. */
  observed: v.nullable(v.number()),
  size: v.number(),
  queued_at: timeSchema,
  settled_at: v.nullable(timeSchema),
  detail: v.string(),
});
export type QueuedWriteAnswer = v.InferOutput<typeof queuedWriteSchema>;

export const reportAnswer = v.object({
  nodes: v.array(
    v.object({
      node: v.string(),
      state,
      counts: v.object(v.entriesFromList(queuedWriteStates, v.number())),
      writes: v.array(queuedWriteSchema),
      /** There are more writes than are listed; `queued-writes` of that node has all. */
      more: v.boolean(),
    }),
  ),
  missing: v.array(v.object({ node: v.string(), reason: v.string() })),
});
export type ReportAnswer = v.InferOutput<typeof reportAnswer>;

const queuedWritesAnswer = v.object({
  writes: v.array(queuedWriteSchema),
  next_cursor: v.nullable(v.string()),
});

export const resolveBody = v.strictObject({
  prefer: v.union([v.literal("majority"), nodeIdField]),
  drop_queued: v.optional(v.boolean(), false),
});
export const resolveAnswer = v.object({ lines: v.array(v.string()) });
export type ResolveAnswer = v.InferOutput<typeof resolveAnswer>;

const tag = "cluster";
const root = "/api/v1/cluster/partition";

export function addPartition(api: ApiRoutes): void {
  const { partition } = api.services;
  // Under the command's name, too.
  for (const path of [root, "/api/v1/cluster/detect-partition"]) {
    api.add(
      "get",
      path,
      { tag, summary: "Is the cluster partitioned, as this node sees it", answer: overviewAnswer },
      async () => {
        const { since_ms, queued, groups, blind, unasked, unheard, ...view } = await partition.overview();
        return {
          ...view,
          since: new Date(since_ms).toISOString(),
          groups: groups.map(({ nodes, side }) => ({ nodes: [...nodes], side })),
          blind: [...blind],
          unasked: [...unasked],
          unheard: [...unheard],
          queued_writes: queued,
        };
      },
    );
  }
  api.add(
    "get",
    `${root}/report`,
    {
      tag,
      summary: "What became of the writes that minorities queued",
      description: "Of every node that answers; `since` leaves out what was queued before.",
      query: v.strictObject({ since: v.optional(timeSchema) }),
      answer: reportAnswer,
    },
    async ({ query }) =>
      reportOf(await partition.report(query.since === undefined ? 0 : Date.parse(query.since))),
  );
  addQueuedWrites(api);
  for (const path of [`${root}/resolve`, "/api/v1/cluster/resolve-partition"]) {
    api.add(
      "post",
      path,
      {
        tag,
        summary: "Hasten the end of a partition",
        description:
          "Tries lost nodes again and replays now. No side can be preferred over the quorum: what that acknowledged stays. " +
          "`drop_queued` refuses a minority's waiting writes instead of replaying them.",
        body: resolveBody,
        answer: resolveAnswer,
      },
      async ({ body }) => ({
        lines: [...(await partition.resolve({ prefer: body.prefer, drop: body.drop_queued }))],
      }),
    );
  }
}

function addQueuedWrites(api: ApiRoutes): void {
  const { partition } = api.services;
  api.add(
    "get",
    `${root}/queued-writes`,
    {
      tag,
      summary: "Writes that this node queued, the newest first",
      query: v.strictObject(pageFields),
      answer: queuedWritesAnswer,
    },
    async ({ query }) => {
      const page = await partition.writes({ limit: query.limit, cursor: query.cursor ?? null });
      return { writes: page.items.map(queuedWriteOf), next_cursor: page.next };
    },
  );
  api.add(
    "get",
    `${root}/queued-writes/:id`,
    {
      tag,
      summary: "One queued write, and what became of it",
      params: v.object({ id: v.pipe(v.string(), v.regex(/^[0-9a-f-]{36}$/, "not a queued write's id")) }),
      answer: queuedWriteSchema,
    },
    async ({ params }) => queuedWriteOf(await partition.write(params.id)),
  );
}

export function reportOf({ nodes, missing }: PartitionReport): ReportAnswer {
  return {
    nodes: nodes.map(({ writes, counts, ...node }) => ({
      ...node,
      counts: { ...counts },
      writes: writes.map(queuedWriteOf),
    })),
    missing: [...missing],
  };
}

function queuedWriteOf({ at_ms, settled_ms, size_bytes, ...write }: QueuedWriteView): QueuedWriteAnswer {
  return {
    ...write,
    size: size_bytes,
    queued_at: new Date(at_ms).toISOString(),
    settled_at: settled_ms === null ? null : new Date(settled_ms).toISOString(),
  };
}
