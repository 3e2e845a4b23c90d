/**
 * The one middleware of the API: ids, the token, the route's permission, the headers of every
 * answer, and the observer's note of it. A route that the permission table lacks is refused.
 */
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { CaxtonError } from "../../base/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import { allows } from "../../security/roles.ts";
import type { Principal, TokenVerifier } from "../../security/tokens.ts";
import { type Access, accessOf } from "../permissions.ts";
import { finishHeaders } from "./headers.ts";
import { problemHeaders, problemOf } from "./problem.ts";
import type { ApiContext, ApiEnv, RequestInfo } from "./request.ts";
import { RequestIds } from "./trace.ts";

export interface GateOptions {
  readonly verifier: Pick<TokenVerifier, "verify">;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly https: boolean;
  readonly observer: RequestObserver | null;
}

/** Told of every answer, for metrics. `route` is a pattern of the API or "none": bounded values only. */
export interface RequestObserver {
  answered(answer: {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly duration_ms: number;
  }): void;
}

export const unmatchedRoute = "none";
const bearer = /^Bearer +([^ ]+)$/i;

export function gate(options: GateOptions): MiddlewareHandler<ApiEnv> {
  const { clock, https, observer } = options;
  const ids = new RequestIds(options.entropy);
  return async (c, next) => {
    const headers = c.req.raw.headers;
    const started_ms = clock.now_ms();
    const id = ids.requestId(headers.get("x-request-id"));
    const trace = ids.trace(headers.get("traceparent"));
    const { traceId, traceparent } = trace;
    const request: RequestInfo = {
      id,
      traceId,
      traceparent,
      started_ms,
      principal: null,
      https,
      finished: null,
    };
    c.set("request", request);
    const method = c.req.method === "HEAD" ? "GET" : c.req.method;
    const path = routePath(c, -1);
    const matched = path !== gatePath;
    if (matched) {
      try {
        const access = accessOf(`${method} ${path}`);
        if (access !== "public") {
          const authenticated = authenticate(options.verifier, headers.get("authorization"));
          const principal = authenticated instanceof Promise ? await authenticated : authenticated;
          request.principal = principal;
          permit(principal, access, path);
        }
        await next();
      } catch (error) {
        if (!(error instanceof CaxtonError)) throw error;
        c.res = problemResponse(c, error);
      }
    } else await next();
    if (c.res !== request.finished) finishHeaders(c.res.headers, request);
    observer?.answered({
      method: matched ? method : unmatchedRoute,
      route: matched ? path : unmatchedRoute,
      status: c.res.status,
      duration_ms: clock.now_ms() - started_ms,
    });
  };
}

/** Where the gate is mounted: what `routePath` gives when no route matched. */
export const gatePath = "/*";

export function problemResponse(c: ApiContext, error: CaxtonError): Response {
  const problem = problemOf(error, c.var.request, c.req.path);
  const headers = problemHeaders(error, c.req.raw.headers.has("authorization"));
  return new Response(JSON.stringify(problem), { status: error.http, headers });
}

function authenticate(
  verifier: Pick<TokenVerifier, "verify">,
  header: string | null,
): Principal | Promise<Principal> {
  if (header === null)
    throw new CaxtonError("unauthenticated", "This needs a token: Authorization: Bearer TOKEN");
  const token = bearer.exec(header)?.[1];
  if (token === undefined)
    throw new CaxtonError("unauthenticated", "The Authorization header is not: Bearer TOKEN");
  return verifier.verify(token);
}

function permit(principal: Principal, access: Access | undefined, path: string): void {
  if (access === undefined) throw new CaxtonError("forbidden", `No role may use ${path}`);
  if (access === "public" || allows(principal.roles, access)) return;
  const held = principal.roles.length === 0 ? "no role" : `the role ${principal.roles.join(", ")}`;
  throw new CaxtonError(
    "forbidden",
    `${principal.subject} has ${held}, which lacks the permission ${access}`,
  );
}
