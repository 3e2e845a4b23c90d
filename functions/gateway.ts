/**
 * A stateless gateway in front of a cluster, for Bun, Deno, Node and workerd: checks the token against
 * the cluster's public keys, then carries the request to a healthy node. GET, HEAD and OPTIONS are
 * tried once more, at another ready node, when the first cannot be reached or is not ready. Nothing
 * else is: a body is streamed and cannot be sent twice, and a POST with an Idempotency-Key is the
 * client's to repeat.
 *
 * Settings: CAXTON_NODES, CAXTON_ISSUER (see edge/settings.ts).
 */
import { RequestIds } from "../src/api/http/trace.ts";
import { accessOf } from "../src/api/permissions.ts";
import { CaxtonError } from "../src/base/errors.ts";
import { TokenVerifier } from "../src/security/tokens.ts";
import { type EdgeRequest, edgeRequest, failure, finished, webClock, webEntropy } from "./edge/answer.ts";
import { forward } from "./edge/forward.ts";
import { NodeHealth } from "./edge/node-health.ts";
import { RemoteKeys } from "./edge/remote-keys.ts";
import { type Settings, readSettings } from "./edge/settings.ts";

/** What may be forgotten at any moment: keys, who was healthy, checked tokens. One for each issuer. */
interface Memory {
  readonly issuer: string;
  readonly keys: RemoteKeys;
  readonly verifier: TokenVerifier;
}

const repeatable = new Set(["GET", "HEAD", "OPTIONS"]);
const bearer = /^Bearer +([^ ]+)$/i;

function createGateway(): { fetch(request: Request, env?: unknown): Promise<Response> } {
  const ids = new RequestIds(webEntropy);
  const health = new NodeHealth(webClock);
  let memory: Memory | null = null;
  const remember = (issuer: string): Memory => {
    if (memory?.issuer === issuer) return memory;
    const keys = new RemoteKeys(webClock);
    memory = { issuer, keys, verifier: new TokenVerifier({ keys, clock: webClock, issuer }) };
    return memory;
  };
  const answer = async (request: Request, env: unknown, own: EdgeRequest): Promise<Response> => {
    const settings = readSettings(env);
    await authenticate(request, settings, remember);
    return await carry(request, settings, health, own);
  };
  return {
    async fetch(request, env) {
      const own = edgeRequest(ids, request.headers);
      const response = await answer(request, env, own).catch((error: unknown) =>
        failure(error, request, own),
      );
      return finished(response, own, new URL(request.url).protocol === "https:");
    },
  };
}

/** Public routes need no token; every other path does, also one that no node knows. */
async function authenticate(
  request: Request,
  settings: Settings,
  remember: (issuer: string) => Memory,
): Promise<void> {
  const method = request.method === "HEAD" ? "GET" : request.method;
  if (accessOf(`${method} ${new URL(request.url).pathname}`) === "public") return;
  const token = bearer.exec(request.headers.get("authorization") ?? "")?.[1];
  if (token === undefined)
    throw new CaxtonError("unauthenticated", "This needs a token: Authorization: Bearer TOKEN");
  if (settings.issuer === "")
    throw new CaxtonError("invalid_config", "CAXTON_ISSUER is not set: it names the cluster's token issuer");
  const { keys, verifier } = remember(settings.issuer);
  await keys.ensure(keyIdOf(token), settings.nodes);
  await verifier.verify(token);
}

/** The `kid` of a token's header, not yet believed. */
function keyIdOf(token: string): unknown {
  try {
    const header = token
      .slice(0, Math.min(token.indexOf("."), 1_024))
      .replaceAll("-", "+")
      .replaceAll("_", "/");
    return (JSON.parse(atob(header)) as { readonly kid?: unknown } | null)?.kid;
  } catch {
    return undefined;
  }
}

async function carry(
  request: Request,
  settings: Settings,
  health: NodeHealth,
  own: EdgeRequest,
): Promise<Response> {
  const ids = { "x-request-id": own.id, traceparent: own.traceparent };
  const node = await health.choose(settings.nodes);
  const again = repeatable.has(request.method);
  try {
    const response = await forward(request, node, ids);
    if (response.status !== 502 && response.status !== 503) return response;
    health.failed(node);
    if (!again) return response;
    await response.body?.cancel();
  } catch (error) {
    if (!(error instanceof CaxtonError) || error.code !== "unreachable") throw error;
    health.failed(node);
    if (!again) throw error;
  }
  return await forward(request, await health.another(node, settings.nodes), ids);
}

export default createGateway();
