/**
 * Headers on every answer. The API serves data, not pages: nothing of it may be framed, sniffed,
 * cached by others or run. `system/docs.ts` loosens the policy for its one page.
 */
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

interface Ids {
  readonly id: string;
  readonly traceparent: string;
}

/** Adds what every answer has; where the listener speaks TLS, browsers are told to stay with it. */
export function finishHeaders(headers: Headers, request: Ids & { readonly https: boolean }): void {
  headers.set("x-request-id", request.id);
  headers.set("traceparent", request.traceparent);
  for (const [name, value] of fixed) headers.set(name, value);
  for (const [name, value] of defaults) if (!headers.has(name)) headers.set(name, value);
  if (request.https) headers.set("strict-transport-security", strictTransport);
}

/** Of one listener's JSON answers: all but the request's ids made once, which costs less than adding them each time. */
export class JsonHeaders {
  readonly #headers = new Headers({ "content-type": "application/json" });

  constructor(https: boolean) {
    finishHeaders(this.#headers, { id: "none", traceparent: "none", https });
  }

  /** A response copies the headers that it is given, so those of the next request may be written over them. */
  response(text: string, status: number, { id, traceparent }: Ids): Response {
    this.#headers.set("x-request-id", id);
    this.#headers.set("traceparent", traceparent);
    return new Response(text, { status, headers: this.#headers });
  }
}

/** What an answer needs of its request, and notes there. */
interface Answered extends Ids {
  readonly json: JsonHeaders;
  finished: Response | null;
}

/** A JSON answer to `request`, which needs no more headers. */
export function jsonResponse(text: string, status: number, request: Answered): Response {
  const response = request.json.response(text, status, request);
  request.finished = response;
  return response;
}
