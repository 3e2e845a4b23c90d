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
    version: async (c, consistency) => api.services.agents.revisionOf(await nameOf(c), consistency),
  };
}

export function nameInPath(c: ApiContext): string {
  return c.req.param("name") ?? "";
}
