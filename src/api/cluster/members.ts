/** `GET /api/v1/cluster/members`: who is in the cluster, as this node sees it. */
import * as v from "valibot";
import type { ApiRoutes } from "../http/endpoint.ts";
import { pageFields, timeSchema } from "../http/fields.ts";
import { jsonResponse } from "../http/headers.ts";
import { pageOf } from "../http/page.ts";
import { TimeText } from "../http/time-text.ts";
import { memberSchema, memberTexts } from "./member.ts";

export const membersQuery = v.strictObject({
  ...pageFields,
  status: v.optional(
    v.picklist(["alive", "suspect", "failed", "left"], "not alive, suspect, failed or left"),
  ),
});

export const membersAnswer = v.object({
  /** The node that answers. */
  self: v.string(),
  /** Its clock, to read `last_seen` against. */
  now: timeSchema,
  members: v.array(memberSchema),
  next_cursor: v.nullable(v.string()),
});
export type MembersAnswer = v.InferOutput<typeof membersAnswer>;

export function addMembers(api: ApiRoutes): void {
  const { cluster, node } = api.services;
  const self = JSON.stringify(node);
  const time = new TimeText();
  api.add(
    "get",
    "/api/v1/cluster/members",
    { tag: "cluster", summary: "List the members", query: membersQuery, answer: membersAnswer },
    ({ query }, c) => {
      const all = cluster.members();
      const wanted = query.status === undefined ? all : all.filter(({ status }) => status === query.status);
      const { items, next_cursor } = pageOf(wanted, ({ id }) => id, query);
      const head = `{"self":${self},"now":"${time.of(api.clock.wall_ms())}","members":[`;
      const cursor = next_cursor === null ? "null" : JSON.stringify(next_cursor);
      const text = `${head}${memberTexts(items)}],"next_cursor":${cursor}}`;
      return jsonResponse(text, 200, c.get("request"));
    },
  );
}
