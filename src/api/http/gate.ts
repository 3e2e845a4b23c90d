/**
 * The gate that every request of the API passes: ids, the token, the route's permission, the headers
 * of every answer, and the observer's note of it. A route that the permission table lacks is refused.
 * It waits for nothing that is known already, so that the common read is answered in one turn.
 */
import type { Context, Handler } from "hono";
import { CaxtonError } from "../../base/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import { allows } from "../../security/roles.ts";
import type { Principal, TokenVerifier } from "../../security/tokens.ts";
import { type Access, accessOf } from "../permissions.ts";
import { JsonHeaders, finishHeaders } from "./headers.ts";
import { problemHeaders, problemOf } from "./problem.ts";
import type { PartitionService } from "../partition-service.ts";
import { type ApiContext, type ApiEnv, type RequestInfo, replayOf } from "./request.ts";
import { RequestIds } from "./trace.ts";

export interface GateOptions {
  readonly verifier: Pick<TokenVerifier, "verify">;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** The listener speaks TLS. */
  readonly https: boolean;
  /** Whether this node is cut off from the majority: every answer then says so. */
  readonly partition: Pick<PartitionService, "minority" | "action">;
  readonly observer: RequestObserver | null;
  /** What the client is told of an error that is no `CaxtonError`. */
  readonly failed: (error: unknown, c: ApiContext) => Response;
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

interface Route {
  readonly method: string;
  readonly path: string;
  readonly access: Access | undefined;
}

const unmatched: Route = { method: "none", path: "none", access: "public" };
const scheme = "Bearer ";
const partitionHeader = "caxton-partition";
const bearer = /^Bearer +([^ ]+)$/i;

export class Gate {
  readonly #options: GateOptions;
  readonly #ids: RequestIds;
  readonly #json: JsonHeaders;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#ids = new RequestIds(options.entropy);
    this.#json = new JsonHeaders(options.https);
  }

  /** The handler of a route, behind the gate. */
  guard(method: string, path: string, handle: Handler<ApiEnv>): Handler<ApiEnv> {
    const route = { method, path, access: accessOf(`${method} ${path}`) };
    return (c, next) => this.#pass(route, c, () => handle(c, next) as Response | Promise<Response>);
  }

  /** The answer to what no route is there for. */
  unmatched(answer: (c: ApiContext) => Response): (c: ApiContext) => Response | Promise<Response> {
    return (c) => this.#pass(unmatched, c, () => answer(c));
  }

  #pass(
    route: Route,
    c: Context<ApiEnv>,
    handle: () => Response | Promise<Response>,
  ): Response | Promise<Response> {
    const request = this.#begin(c);
    let answer: Response | Promise<Response>;
    try {
      answer = route.access === "public" ? handle() : this.#authorized(route, c, request, handle);
    } catch (error) {
      answer = this.#refusal(error, c);
    }
    if (!(answer instanceof Promise)) return this.#end(route, request, answer);
    return answer.then(
      (response) => this.#end(route, request, response),
      (error: unknown) => this.#end(route, request, this.#refusal(error, c)),
    );
  }

  #begin(c: Context<ApiEnv>): RequestInfo {
    const { clock, https } = this.#options;
    const { headers } = c.req.raw;
    const started_ms = clock.now_ms();
    const id = this.#ids.requestId(headers.get("x-request-id"));
    const traceparent = this.#ids.traceparent(headers.get("traceparent"));
    const json = this.#json;
    const request = { id, traceparent, started_ms, principal: null, https, json, finished: null };
    c.set("request", request);
    return request;
  }

  #authorized(
    { access, path }: Route,
    c: Context<ApiEnv>,
    request: RequestInfo,
    handle: () => Response | Promise<Response>,
  ): Response | Promise<Response> {
    if (this.#options.partition.action === "stop") refuseStopped(path);
    const replay = replayOf(c);
    if (replay !== undefined) {
      request.principal = replay.principal;
      permit(replay.principal, access, path);
      return handle();
    }
    const authenticated = authenticate(this.#options.verifier, c.req.raw.headers.get("authorization"));
    const enter = (principal: Principal): Response | Promise<Response> => {
      request.principal = principal;
      permit(principal, access, path);
      return handle();
    };
    return authenticated instanceof Promise ? authenticated.then(enter) : enter(authenticated);
  }

  #refusal(error: unknown, c: ApiContext): Response {
    return error instanceof CaxtonError ? problemResponse(c, error) : this.#options.failed(error, c);
  }

  #end(route: Route, request: RequestInfo, response: Response): Response {
    const { clock, observer, partition } = this.#options;
    if (response !== request.finished) finishHeaders(response.headers, request);
    if (partition.minority) response.headers.set(partitionHeader, "minority");
    observer?.answered({
      method: route.method,
      route: route.path,
      status: response.status,
      duration_ms: clock.now_ms() - request.started_ms,
    });
    return response;
  }
}

/** What an operator needs to see and end a partition stays open under the action `stop`. */
function refuseStopped(path: string): void {
  if (path.startsWith("/api/v1/cluster") || path.startsWith("/api/cluster") || path === "/api/v1/events")
    return;
  throw new CaxtonError(
    "degraded",
    "This node is cut off from the majority, and its partition policy is to stop until that has healed",
  );
}

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
  const token = tokenOf(header);
  if (token === undefined)
    throw new CaxtonError("unauthenticated", "The Authorization header is not: Bearer TOKEN");
  return verifier.verify(token);
}

function tokenOf(header: string): string | undefined {
  // As nearly everyone writes it, which costs less than the rule.
  if (header.length > scheme.length && header.startsWith(scheme) && !header.includes(" ", scheme.length)) {
    return header.slice(scheme.length);
  }
  return bearer.exec(header)?.[1];
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
