/**
 * The HTTP API of a node as one Hono app, portable to any runtime with `fetch`. What it needs of the
 * node comes in as `NodeServices`; who may do what is `permissions.ts`; a folder a noun holds the rest.
 */
import { Hono } from "hono";
import { cors } from "hono/cors";
import { CaxtonError } from "../base/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { PublicKeys } from "../security/jwks.ts";
import type { TokenVerifier } from "../security/tokens.ts";
import { logger } from "../telemetry/log.ts";
import { addAgents } from "./agents/agents.ts";
import { addDeploy } from "./agents/deploy.ts";
import { type AgentDefaults, agentDefaults } from "./agents/deploy-options.ts";
import { addBalance } from "./cluster/balance.ts";
import { addLeader } from "./cluster/leader.ts";
import { addMaintenance } from "./cluster/maintenance.ts";
import { addMembers } from "./cluster/members.ts";
import { addNodes } from "./cluster/nodes.ts";
import { addOperate } from "./cluster/operate.ts";
import { addPartition } from "./cluster/partition.ts";
import { addRegistration } from "./cluster/registration.ts";
import { addRehearsal } from "./cluster/rehearsal.ts";
import { addStateChecks } from "./cluster/state-checks.ts";
import { addStopping } from "./cluster/stopping.ts";
import { addStatus } from "./cluster/status.ts";
import { addEvents } from "./events/events.ts";
import type { BodyOptions } from "./http/body.ts";
import { ApiRoutes } from "./http/endpoint.ts";
import { Gate, type RequestObserver, problemResponse } from "./http/gate.ts";
import { GatedRouter, everyPath } from "./http/gated-router.ts";
import { internalError } from "./http/problem.ts";
import { pathOf } from "./http/path.ts";
import type { ApiContext, ApiEnv } from "./http/request.ts";
import { addKv } from "./kv/kv.ts";
import { addKvList } from "./kv/list.ts";
import { addLocks } from "./locks/locks.ts";
import { addDeadLetters } from "./messages/dead-letters.ts";
import { addHistory } from "./messages/history.ts";
import { addSend } from "./messages/send.ts";
import { addGossipKey } from "./security/gossip-key.ts";
import { addResources } from "./resources/resources.ts";
import type { NodeServices } from "./services.ts";
import { addHealth } from "./system/health.ts";
import { addJwks } from "./system/jwks.ts";
import { addOpenApi } from "./system/openapi.ts";
import { addTokens } from "./tokens/tokens.ts";

export interface ApiOptions {
  readonly verifier: Pick<TokenVerifier, "verify">;
  /** Published at `/.well-known/jwks.json`. */
  readonly keys: PublicKeys;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Of one request, where its route has no time of its own. 30 s unless given. */
  readonly requestTimeout_ms?: number;
  /** The listener speaks TLS. */
  readonly https?: boolean;
  /** Origins that browsers may call from; none unless given. */
  readonly corsOrigins?: readonly string[];
  readonly agentDefaults?: AgentDefaults;
  readonly bodies?: BodyOptions;
  readonly observer?: RequestObserver;
}

const requestTimeout_ms_default = 30_000;
const methods = ["GET", "POST", "PUT", "DELETE"] as const;

export function createApi(services: NodeServices, options: ApiOptions): Hono<ApiEnv> {
  const log = logger("api");
  const { verifier, keys, clock, entropy, https = false, observer = null } = options;
  const failed = (error: unknown, c: ApiContext): Response => {
    const { method, path } = c.req;
    log.error("{method} {path} failed", { method, path, request: c.var.request.id, error });
    return problemResponse(c, internalError(c.var.request.id));
  };
  const { partition } = services;
  const gate = new Gate({ verifier, clock, entropy, https, partition, observer, failed });
  const app = new Hono<ApiEnv>({ strict: true, router: new GatedRouter(gate), getPath: pathOf });
  if (options.corsOrigins !== undefined && options.corsOrigins.length > 0) {
    app.use(everyPath, cors({ origin: [...options.corsOrigins], allowMethods: [...methods], maxAge: 600 }));
  }

  const requestTimeout_ms = options.requestTimeout_ms ?? requestTimeout_ms_default;
  const api = new ApiRoutes(app, services, clock, requestTimeout_ms, options.bodies);
  addMembers(api);
  addStatus(api);
  addOperate(api);
  addNodes(api);
  addBalance(api);
  addRegistration(api);
  addMaintenance(api);
  addStopping(api);
  addResources(api);
  addLeader(api);
  addStateChecks(api);
  addPartition(api);
  addRehearsal(api);
  addDeploy(api, options.agentDefaults ?? agentDefaults);
  addAgents(api);
  addSend(api);
  addHistory(api);
  addDeadLetters(api);
  addKv(api);
  addKvList(api);
  addLocks(api);
  addEvents(api);
  addGossipKey(api);
  addTokens(api);
  addHealth(api);
  addJwks(api, keys);
  addOpenApi(api);

  app.notFound(
    gate.unmatched((c) => {
      const allowed = methodsOf(app, c.req.path);
      if (allowed.length === 0)
        return problemResponse(
          c,
          new CaxtonError("not_found", "No such path in this API. See /openapi.json"),
        );
      const detail = `${c.req.path} does not take ${c.req.method}, only ${allowed.join(", ")}`;
      const answer = problemResponse(c, new CaxtonError("method_not_allowed", detail));
      answer.headers.set("allow", allowed.join(", "));
      return answer;
    }),
  );
  return app;
}

/** The methods with a route at the path: matches that are more than the middlewares of every path. */
function methodsOf(app: Hono<ApiEnv>, path: string): readonly string[] {
  return methods.filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.path !== everyPath),
  );
}
