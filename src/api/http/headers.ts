/**
 * Headers on every answer. The API serves data, not pages: nothing of it may be framed, sniffed,
 * cached by others or run. `system/docs.ts` loosens the policy for its one page.
 */
import type { RequestInfo } from "./request.ts";

const fixed: readonly (readonly [string, string])[] = [
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-resource-policy", "same-origin"],
];
const defaults: readonly (readonly [string, string])[] = [
  ["cache-control", "no-store"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
];

const strictTransport = "max-age=31536000";
const ofJson: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  ...Object.fromEntries(fixed),
  ...Object.fromEntries(defaults),
};

/** A JSON answer with all its headers at once, which costs less than adding them to one that is made. */
export function jsonResponse(text: string, status: number, request: RequestInfo): Response {
  const { id, traceparent, https } = request;
  const headers: Record<string, string> = { ...ofJson, "x-request-id": id, traceparent };
  if (https) headers["strict-transport-security"] = strictTransport;
  const response = new Response(text, { status, headers });
  request.finished = response;
  return response;
}

/** Adds what every answer has; where the listener speaks TLS, browsers are told to stay with it. */
export function finishHeaders(
  headers: Headers,
  request: Pick<RequestInfo, "id" | "traceparent" | "https">,
): void {
  headers.set("x-request-id", request.id);
  headers.set("traceparent", request.traceparent);
  for (const [name, value] of fixed) headers.set(name, value);
  for (const [name, value] of defaults) if (!headers.has(name)) headers.set(name, value);
  if (request.https) headers.set("strict-transport-security", strictTransport);
}
