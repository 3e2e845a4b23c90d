/** Answers of an edge function itself: the same problem documents, ids and headers as a node's. */
import { finishHeaders } from "../../src/api/http/headers.ts";
import { internalError, problemHeaders, problemOf } from "../../src/api/http/problem.ts";
import type { RequestIds } from "../../src/api/http/trace.ts";
import { CaxtonError } from "../../src/base/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Entropy } from "../../src/ports/entropy.ts";

export interface EdgeRequest {
  readonly id: string;
  readonly traceparent: string;
}

/** Web Crypto's, which every runtime has. */
export const webEntropy: Entropy = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

/** The runtime's own clock. */
export const webClock: Clock = {
  wall_ms: () => Date.now(),
  now_ms: () => Date.now(),
  after(delay_ms, callback) {
    const timer = setTimeout(callback, delay_ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

export function edgeRequest(ids: RequestIds, headers: Headers): EdgeRequest {
  return {
    id: ids.requestId(headers.get("x-request-id")),
    traceparent: ids.traceparent(headers.get("traceparent")),
  };
}

export function finished(response: Response, request: EdgeRequest, https: boolean): Response {
  finishHeaders(response.headers, { ...request, https });
  return response;
}

/** The problem document of anything thrown; a bug shows nothing of itself. */
export function failure(error: unknown, request: Request, ids: EdgeRequest): Response {
  const known = error instanceof CaxtonError ? error : internalError(ids.id);
  if (!(error instanceof CaxtonError)) {
    // An edge runtime's log is its console.
    // oxlint-disable-next-line no-console
    console.error(JSON.stringify({ level: "error", request: ids.id, error: String(error) }));
  }
  const problem = problemOf(known, ids, new URL(request.url).pathname);
  const headers = problemHeaders(known, request.headers.has("authorization"));
  return new Response(JSON.stringify(problem), { status: known.http, headers });
}
