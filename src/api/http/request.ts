/** What every handler knows of its request; set by the gate before anything else runs. */
import type { Context } from "hono";
import type { CommandWay } from "../../control/command-batch.ts";
import type { Principal } from "../../security/tokens.ts";
import type { JsonHeaders } from "./headers.ts";

export interface RequestInfo {
  readonly id: string;
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

/** A queued write that is done now: for whom, and what is known of its subject. */
export interface Replay {
  readonly principal: Principal;
  /** An earlier try of it was begun, and may have taken effect. */
  readonly begun: boolean;
  /** The version of its subject that the client could see, or that an earlier write of the queue left. */
  readonly expected: number | null;
  /** Through which its command goes, where others are done with it. */
  readonly way?: CommandWay | undefined;
  /** Noted on the way: the subject's version before and after. */
  before: number | null;
  after: number | null;
}

export interface ApiEnv {
  Variables: { request: RequestInfo };
  Bindings: { readonly replay?: Replay };
}

export type ApiContext = Context<ApiEnv>;

/** Undefined for a request from outside: those come without an environment. */
export function replayOf(c: ApiContext): Replay | undefined {
  const environment = c.env as ApiEnv["Bindings"] | undefined;
  return environment?.replay;
}

/** A handler tells which version its write left; what is read afterwards may be somebody else's already. */
export function noteVersion(c: ApiContext, version: number): void {
  const replay = replayOf(c);
  if (replay !== undefined) replay.after = version;
}
