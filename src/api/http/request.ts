/** What every handler knows of its request; set by the gate before anything else runs. */
import type { Context } from "hono";
import type { Principal } from "../../security/tokens.ts";
import type { JsonHeaders } from "./headers.ts";

export interface RequestInfo {
  readonly id: string;
  readonly traceId: string;
  readonly traceparent: string;
  readonly started_ms: number;
  /** Null on public routes, and until the gate knows. */
  principal: Principal | null;
  /** The listener speaks TLS. */
  readonly https: boolean;
  readonly json: JsonHeaders;
  /** The answer that was made with all its headers, so that none is added. */
  finished: Response | null;
}

export interface ApiEnv {
  Variables: { request: RequestInfo };
}

export type ApiContext = Context<ApiEnv>;
