/**
 * A cluster's status as one JSON document, for a public page or a monitor outside the cluster; on Bun,
 * Deno, Node and workerd. Asks every configured node whether it is ready, and with a token the first
 * that is for the members. 200 while any node is ready, 503 when none is.
 *
 * Settings: CAXTON_NODES, CAXTON_TOKEN (a viewer's is enough; see edge/settings.ts).
 */
import type { MembersAnswer } from "../src/api/cluster/members.ts";
import type { HealthAnswer } from "../src/api/system/health.ts";
import { RequestIds } from "../src/api/http/trace.ts";
import { CaxtonError, reasonOf } from "../src/base/errors.ts";
import { edgeRequest, failure, finished, webEntropy } from "./edge/answer.ts";
import { type Settings, readSettings } from "./edge/settings.ts";
import { getJson } from "./edge/upstream.ts";

const check = { timeout_ms: 2_000, limit_bytes: 64 * 1024 };
const members = { timeout_ms: 3_000, limit_bytes: 4 * 1024 * 1024 };
/** One answer serves everyone who asks within this. */
const fresh_ms = 2_000;

interface NodeStatus {
  readonly url: string;
  readonly node: string | null;
  readonly ready: boolean;
  readonly latency_ms: number;
  /** Names of failing checks, or why the node could not be asked. */
  readonly problems: readonly string[];
}

export interface ClusterStatusDocument {
  readonly status: "ok" | "degraded" | "down";
  readonly checked_at: string;
  readonly nodes: readonly NodeStatus[];
  /** Null without a token, or when no node gave them. */
  readonly members:
    | readonly { readonly id: string; readonly status: string; readonly agents: number }[]
    | null;
}

function createStatus(): { fetch(request: Request, env?: unknown): Promise<Response> } {
  const ids = new RequestIds(webEntropy);
  let last: {
    readonly key: string;
    readonly at_ms: number;
    readonly document: ClusterStatusDocument;
  } | null = null;
  const answer = async (request: Request, env: unknown): Promise<Response> => {
    if (new URL(request.url).pathname !== "/") throw new CaxtonError("not_found", "The status is at /");
    if (request.method !== "GET" && request.method !== "HEAD")
      throw new CaxtonError("method_not_allowed", "The status is read with GET");
    const settings = readSettings(env);
    const key = JSON.stringify(settings);
    if (last === null || last.key !== key || Date.now() - last.at_ms >= fresh_ms) {
      last = { key, document: await gather(settings), at_ms: Date.now() };
    }
    const headers = {
      "content-type": "application/json",
      "cache-control": "public, max-age=2",
      "access-control-allow-origin": "*",
    };
    const body = request.method === "HEAD" ? null : JSON.stringify(last.document);
    return new Response(body, { status: last.document.status === "down" ? 503 : 200, headers });
  };
  return {
    async fetch(request, env) {
      const own = edgeRequest(ids, request.headers);
      const response = await answer(request, env).catch((error: unknown) => failure(error, request, own));
      return finished(response, own, new URL(request.url).protocol === "https:");
    },
  };
}

async function gather(settings: Settings): Promise<ClusterStatusDocument> {
  const nodes = await Promise.all(settings.nodes.map(askNode));
  const ready = nodes.filter((node) => node.ready);
  const known = await askMembers(settings, ready);
  const failed = known?.some(({ status }) => status === "failed" || status === "suspect") ?? false;
  return {
    status: ready.length === 0 ? "down" : ready.length < nodes.length || failed ? "degraded" : "ok",
    checked_at: new Date().toISOString(),
    nodes,
    members: known,
  };
}

async function askNode(url: string): Promise<NodeStatus> {
  const begun_ms = Date.now();
  try {
    const { status, json } = await getJson(`${url}/readyz`, check);
    const health = json as Partial<HealthAnswer> | null;
    const checks = Array.isArray(health?.checks) ? health.checks : [];
    const problems = checks.filter(({ ok }) => ok !== true).map(({ name }) => String(name).slice(0, 64));
    const node = typeof health?.node === "string" ? health.node : null;
    return { url, node, ready: status === 200, latency_ms: Date.now() - begun_ms, problems };
  } catch (error) {
    return {
      url,
      node: null,
      ready: false,
      latency_ms: Date.now() - begun_ms,
      problems: [reasonOf(error).slice(0, 200)],
    };
  }
}

async function askMembers(
  settings: Settings,
  ready: readonly NodeStatus[],
): Promise<ClusterStatusDocument["members"]> {
  if (settings.token === "") return null;
  for (const { url } of ready) {
    try {
      const { status, json } = await getJson(`${url}/api/v1/cluster/members?limit=1000`, {
        ...members,
        token: settings.token,
      });
      const list = status === 200 ? (json as Partial<MembersAnswer>).members : undefined;
      if (list !== undefined)
        return list.map(({ id, status: seen, agents }) => ({ id, status: seen, agents }));
    } catch (error) {
      if (!(error instanceof CaxtonError)) throw error;
    }
  }
  return null;
}

export default createStatus();
