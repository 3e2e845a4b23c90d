/** Writes about an agent on a node that is cut off: what they are about, and which revision they were meant for. */
import type { ApiRoutes } from "../http/endpoint.ts";
import type { InMinority } from "../http/minority-writes.ts";
import type { ApiContext } from "../http/request.ts";

type Queued = Extract<InMinority, { kind: "queued" }>;

export function queuedAgentWrite(
  api: ApiRoutes,
  body_bytes: number,
  nameOf: (c: ApiContext) => string | Promise<string>,
): Queued {
  return {
    kind: "queued",
    body_bytes,
    subject: async (c) => `agent/${await nameOf(c)}`,
    version: async (c) => revisionOf(api, await nameOf(c)),
  };
}

export function nameInPath(c: ApiContext): string {
  return c.req.param("name") ?? "";
}

/** 0 where there is no such agent. */
export function revisionOf(api: ApiRoutes, name: string): number {
  return api.services.agents.list().find((agent) => agent.name === name)?.revision ?? 0;
}
