/**
 * One request to a node's API: token, time-out, ids in, and every failure as a `CaxtonError`: the
 * problem's own code, or `unreachable` and `timeout` when no answer came. Nothing is retried here.
 */
import { formatDuration } from "../base/durations.ts";
import { CaxtonError, type ErrorCode, isErrorCode, reasonOf } from "../base/errors.ts";
import type { FieldError } from "../api/http/problem.ts";

export interface ClientOptions {
  /** `http://127.0.0.1:8080`; a path is kept. */
  readonly url: string;
  /** Null for the public routes only. */
  readonly token: string | null;
  readonly requestTimeout_ms: number;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** PEM of the authority to trust for `https`, where the runtime's fetch takes one (Bun). */
  readonly ca?: string;
}

export interface ClientRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly json?: unknown;
  readonly body?: { readonly bytes: Uint8Array; readonly type: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** Added to the request's time-out, for what waits on purpose. */
  readonly patience_ms?: number;
  readonly signal?: AbortSignal;
}

/** An answer is refused beyond this: a message of 10 MiB in base64, and lists. */
const answer_bytes_max = 64 * 1024 * 1024;

export class Transport {
  readonly #options: ClientOptions;
  readonly url: string;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.url = baseUrl(options.url);
  }

  get requestTimeout_ms(): number {
    return this.#options.requestTimeout_ms;
  }

  /** The JSON of a successful answer. Throws `CaxtonError`. */
  async json<T>(request: ClientRequest): Promise<T> {
    const abort = new AbortController();
    const timeout_ms = this.#options.requestTimeout_ms + (request.patience_ms ?? 0);
    const timer = setTimeout(() => abort.abort(), timeout_ms);
    const signal =
      request.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, request.signal]);
    try {
      const response = await this.open(request, signal);
      const answer = await readAnswer(response);
      if (response.status === 202) refuseQueued(answer);
      return answer as T;
    } catch (error) {
      if (abort.signal.aborted && !(error instanceof CaxtonError && error.code !== "unreachable")) {
        throw new CaxtonError("timeout", `No answer from ${this.url} within ${formatDuration(timeout_ms)}`, {
          cause: error,
        });
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The response of a successful request, its body unread. Throws `CaxtonError`, for a problem too. */
  async open(request: ClientRequest, signal: AbortSignal): Promise<Response> {
    const { token, ca } = this.#options;
    const send = this.#options.fetch ?? ((url: string, init: RequestInit) => fetch(url, init));
    const headers: Record<string, string> = { accept: "application/json", ...request.headers };
    if (token !== null) headers["authorization"] = `Bearer ${token}`;
    const init: RequestInit & { tls?: { ca: string } } = {
      method: request.method,
      headers,
      signal,
      redirect: "error",
    };
    // Bun's fetch repeats a PUT or DELETE by itself when a kept connection closed: never keep theirs.
    if (request.method === "PUT" || request.method === "DELETE") init.keepalive = false;
    if (ca !== undefined) init.tls = { ca };
    if (request.json !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(request.json);
    } else if (request.body !== undefined) {
      headers["content-type"] = request.body.type;
      init.body = request.body.bytes as Uint8Array<ArrayBuffer>;
    }
    let response: Response;
    try {
      response = await send(this.url + request.path + queryText(request.query), init);
    } catch (error) {
      if (request.signal?.aborted === true) throw error;
      const reason = networkReason(error);
      throw new CaxtonError(
        "unreachable",
        `Cannot reach ${this.url}: ${reason}. ${adviceFor(this.url, reason)}`,
        { cause: error },
      );
    }
    if (response.ok || (response.status === 503 && isHealth(response, request))) return response;
    throw await problemError(response);
  }
}

/** A node that is not ready says so in a health document with 503: an answer, not an error. */
function isHealth(response: Response, request: ClientRequest): boolean {
  const type = response.headers.get("content-type") ?? "";
  return /^\/(?:livez|readyz|healthz)$/.test(request.path) && type.startsWith("application/json");
}

function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new CaxtonError(
      "invalid_argument",
      `API address ${JSON.stringify(text.slice(0, 200))} is not like http://127.0.0.1:8080`,
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function queryText(query: ClientRequest["query"]): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  return given.length === 0
    ? ""
    : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

async function readAnswer(response: Response): Promise<unknown> {
  const length = Number(response.headers.get("content-length") ?? 0);
  if (length > answer_bytes_max)
    throw new CaxtonError("payload_too_large", `The node's answer is ${length} bytes`);
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    throw new CaxtonError("unreachable", `The connection to the node broke: ${networkReason(error)}`, {
      cause: error,
    });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CaxtonError(
      "internal",
      `The answer is not JSON (status ${response.status}): is this address a Caxton node?`,
    );
  }
}

/** A write that waits in a minority's queue is not done: who asked for it must not take it for that. */
function refuseQueued(answer: unknown): void {
  const { queued_write: id, detail } = (answer ?? {}) as {
    readonly queued_write?: unknown;
    readonly detail?: unknown;
  };
  if (typeof id === "string")
    throw new CaxtonError("degraded", `Queued as ${id}, not done yet: ${String(detail)}`);
}

/** The error that a problem document stands for; of one that is none, by its status. */
async function problemError(response: Response): Promise<CaxtonError> {
  const text = await response.text().catch(() => "");
  let problem: {
    readonly code?: unknown;
    readonly detail?: unknown;
    readonly errors?: readonly FieldError[];
  } = {};
  try {
    problem = (JSON.parse(text) ?? {}) as typeof problem;
  } catch {
    // A proxy's page, perhaps: the status has to do.
  }
  const code =
    typeof problem.code === "string" && isErrorCode(problem.code)
      ? problem.code
      : codeOfStatus(response.status);
  const detail =
    typeof problem.detail === "string" ? problem.detail : `The node answered with status ${response.status}`;
  return new CaxtonError(code, detail);
}

const statusCodes: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  405: "method_not_allowed",
  409: "conflict",
  412: "precondition_failed",
  413: "payload_too_large",
  415: "unsupported_media_type",
  422: "invalid_body",
  429: "too_many_requests",
  502: "unreachable",
  503: "unavailable",
  504: "timeout",
  507: "disk_full",
};

function codeOfStatus(status: number): ErrorCode {
  return statusCodes[status] ?? (status < 500 ? "invalid_argument" : "internal");
}

/** What closes a connection without an answer in HTTP is often one that speaks TLS. */
function adviceFor(url: string, reason: string): string {
  if (reason !== "connection closed" || !url.startsWith("http:")) return "Is the node running?";
  return `If it speaks TLS, it is https:${url.slice("http:".length)}`;
}

/** Words for what the runtimes call differently. */
function networkReason(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  const seen = `${codeOf(error)} ${reasonOf(error)} ${codeOf(cause)} ${reasonOf(cause)}`;
  if (/ECONNREFUSED|ConnectionRefused|Unable to connect|connection refused/i.test(seen))
    return "connection refused";
  if (/ENOTFOUND|EAI_AGAIN|FailedToOpenSocket|getaddrinfo|dns error/i.test(seen)) return "no such host";
  if (/ECONNRESET|ConnectionClosed|socket.*closed|connection.*closed|reset/i.test(seen))
    return "connection closed";
  if (/cert|CERT|self.signed|UNABLE_TO_VERIFY|TLS|SSL/i.test(seen))
    return `its certificate is not trusted (${reasonOf(error)})`;
  if (/abort/i.test(seen)) return "no answer in time";
  return reasonOf(error);
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "";
}
