/**
 * Errors as problem documents (RFC 9457): `type title status detail instance code trace_id`, and
 * `errors` for each field of a refused request. What is no `CaxtonError` is a bug: the client learns
 * its request id and nothing else, the log the rest.
 */
import * as v from "valibot";
import { CaxtonError, type ErrorCode, errorCodes } from "../../base/errors.ts";
import { traceIdOf } from "./trace.ts";

export const problemSchema = v.object({
  type: v.string(),
  title: v.string(),
  status: v.pipe(v.number(), v.integer()),
  detail: v.string(),
  instance: v.string(),
  code: v.picklist(errorCodes),
  trace_id: v.string(),
  request_id: v.string(),
  retryable: v.boolean(),
  errors: v.optional(v.array(v.object({ field: v.string(), message: v.string() }))),
});
export type Problem = v.InferOutput<typeof problemSchema>;

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** A `CaxtonError` that names the fields at fault. */
export class FieldsError extends CaxtonError {
  constructor(
    code: ErrorCode,
    detail: string,
    readonly fields: readonly FieldError[],
  ) {
    super(code, detail);
  }
}

/** Detail is cut here: it may quote what the client sent. */
const detailLength_max = 2_000;

export function problemOf(
  error: CaxtonError,
  request: { readonly id: string; readonly traceparent: string },
  path: string,
): Problem {
  return {
    type: `urn:caxton:problem:${error.code}`,
    title: error.title,
    status: error.http,
    detail: error.message.slice(0, detailLength_max),
    instance: path,
    code: error.code,
    trace_id: traceIdOf(request.traceparent),
    request_id: request.id,
    retryable: error.retryable,
    ...(error instanceof FieldsError ? { errors: [...error.fields] } : {}),
  };
}

/** What the client is told of a bug. */
export function internalError(requestId: string): CaxtonError {
  return new CaxtonError(
    "internal",
    `The node failed to answer; its log has the reason under request ${requestId}`,
  );
}

/** Extra headers of an error: RFC 6750 for 401, when to come back for 429 and 503. */
export function problemHeaders(error: CaxtonError, tokenGiven: boolean): Record<string, string> {
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (error.http === 401) {
    headers["www-authenticate"] = tokenGiven
      ? `Bearer realm="caxton", error="invalid_token", error_description="${error.message.replace(/[^ !#-[\]-~]/g, "'")}"`
      : 'Bearer realm="caxton"';
  } else if (error.http === 415) {
    // RFC 7694: which encodings a request may have.
    headers["accept-encoding"] = "identity";
  } else if (error.http === 429 || error.http === 503) {
    headers["retry-after"] = "1";
  }
  return headers;
}
