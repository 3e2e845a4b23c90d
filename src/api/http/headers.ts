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

/** `https`: the listener speaks TLS, so browsers are told to stay with it. */
export function finishHeaders(headers: Headers, request: RequestInfo, https: boolean): void {
  headers.set("x-request-id", request.id);
  headers.set("traceparent", request.traceparent);
  for (const [name, value] of fixed) headers.set(name, value);
  for (const [name, value] of defaults) if (!headers.has(name)) headers.set(name, value);
  if (https) headers.set("strict-transport-security", "max-age=31536000");
}
