/** `GET /api/v1/cluster/members`: who is in the cluster, as this node sees it. */
import * as v from "valibot";
import { hashText } from "../../base/hash-text.ts";
import { formatHostPort } from "../../base/host-port.ts";
import type { Member } from "../../cluster/membership.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { pageFields, timeSchema } from "../http/fields.ts";
import { jsonResponse } from "../http/headers.ts";
import { pageOf } from "../http/page.ts";
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
  /** Of the whole list as the node has it: the same where two nodes know the same of the same lives of all. */
  list_version: v.string(),
  /** Members that an operator keeps from agents and messages. */
  isolated: v.array(v.string()),
  members: v.array(memberSchema),
  next_cursor: v.nullable(v.string()),
});
export type MembersAnswer = v.InferOutput<typeof membersAnswer>;

export function addMembers(api: ApiRoutes): void {
  const { cluster, node, operator } = api.services;
  const texts = new MembersText(node);
  api.add(
    "get",
    "/api/v1/cluster/members",
    { tag: "cluster", summary: "List the members", query: membersQuery, answer: membersAnswer },
    ({ query }, c) => {
      const all = cluster.members();
      const wanted = query.status === undefined ? all : all.filter(({ status }) => status === query.status);
      const { items, next_cursor } = pageOf(wanted, ({ id }) => id, query);
      const text = texts.of(all, items, next_cursor, operator.isolated, api.clock.wall_ms());
      return jsonResponse(text, 200, c.get("request"));
    },
  );
}

/** 8 hexadecimal digits of who is there, at which address, in which life and state; loads and times leave it as it is. */
export function membersVersion(members: readonly Member[]): string {
  let hash: number | undefined;
  for (const { id, address, status, bootEpoch, incarnation } of members)
    hash = hashText(`${id} ${formatHostPort(address)} ${status} ${bootEpoch}.${incarnation}\n`, hash);
  return (hash ?? 0).toString(16).padStart(8, "0");
}

/** An answer's text. At thousands a second most of a millisecond are alike: the latest one is kept. */
class MembersText {
  readonly #self: string;
  #all: readonly Member[] = [];
  #version = membersVersion([]);
  #items: readonly Member[] = [];
  #cursor: string | null = null;
  #isolated = "[]";
  #at_ms = Number.NaN;
  #text = "";

  constructor(self: string) {
    this.#self = JSON.stringify(self);
  }

  /** `all` and `items` are never altered. */
  of(
    all: readonly Member[],
    items: readonly Member[],
    next_cursor: string | null,
    isolated: ReadonlySet<string>,
    at_ms: number,
  ): string {
    if (all !== this.#all) {
      this.#all = all;
      this.#version = membersVersion(all);
      this.#at_ms = Number.NaN;
    }
    const apart = JSON.stringify([...isolated]);
    if (apart !== this.#isolated) this.#at_ms = Number.NaN;
    this.#isolated = apart;
    if (items === this.#items && at_ms === this.#at_ms && next_cursor === this.#cursor) return this.#text;
    this.#items = items;
    this.#cursor = next_cursor;
    this.#at_ms = at_ms;
    const now = new Date(at_ms).toISOString();
    const cursor = next_cursor === null ? "null" : JSON.stringify(next_cursor);
    const head = `{"self":${this.#self},"now":"${now}","list_version":"${this.#version}","isolated":${apart},"members":[`;
    this.#text = `${head}${memberTexts(items)}],"next_cursor":${cursor}}`;
    return this.#text;
  }
}
