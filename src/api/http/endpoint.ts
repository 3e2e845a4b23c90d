/**
 * How a route is written: its schemas, its words for OpenAPI and its handler in one place. The
 * wrapper validates, bounds the body and the time, and turns what the handler returns into JSON.
 */
import type { Hono } from "hono";
import { type DescribeRouteOptions, uniqueSymbol } from "hono-openapi";
import type * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { formatDuration } from "../../base/durations.ts";
import type { Clock } from "../../ports/clock.ts";
import type { NodeServices } from "../services.ts";
import { BodyBudget, type BodyOptions, readBody, readJson } from "./body.ts";
import { describeEndpoint } from "./describe.ts";
import { jsonResponse } from "./headers.ts";
import { type InMinority, MinorityWrites } from "./minority-writes.ts";
import type { ApiContext, ApiEnv } from "./request.ts";
import { type AnySchema, checkEscapes, readQuery, validate } from "./validate.ts";

export const jsonBody_bytes = 1024 * 1024;

export interface Endpoint<
  Q extends AnySchema,
  P extends AnySchema,
  B extends AnySchema,
  R extends AnySchema,
> {
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Strict object of text fields; without it any query is refused. */
  readonly query?: Q;
  readonly params?: P;
  readonly body?: B;
  readonly bodyLimit_bytes?: number;
  /** The handler reads the body itself: its media types, for the document. */
  readonly media?: readonly string[];
  /** Schema of the JSON answer with `status` (200 unless given). */
  readonly answer?: R;
  readonly status?: 200 | 201 | 202;
  /** For the document where the answer is not JSON. */
  readonly answerMedia?: string;
  /** 0: no limit (streams). Otherwise the API's own. */
  readonly timeout_ms?: number;
  /** A write that needs the quorum: what becomes of it without one. Left out, it goes ahead as ever. */
  readonly inMinority?: InMinority;
}

export interface Input<Q extends AnySchema, P extends AnySchema, B extends AnySchema> {
  readonly query: v.InferOutput<Q>;
  readonly params: v.InferOutput<P>;
  readonly body: v.InferOutput<B>;
}

type Method = "get" | "post" | "put" | "delete";
type Answer<T> = T | Response | Promise<T | Response>;

/** What the nouns' files get: services, and a way to add routes. */
export class ApiRoutes {
  /** For handlers that read the body themselves, too. */
  readonly bodies: BodyBudget;
  readonly #minority: MinorityWrites;

  constructor(
    readonly app: Hono<ApiEnv>,
    readonly services: NodeServices,
    readonly clock: Clock,
    readonly requestTimeout_ms: number,
    bodies: BodyOptions = {},
  ) {
    this.bodies = new BodyBudget(clock, bodies);
    this.#minority = new MinorityWrites(services.partition);
  }

  add<Q extends AnySchema, P extends AnySchema, B extends AnySchema, R extends AnySchema>(
    method: Method,
    path: string,
    endpoint: Endpoint<Q, P, B, R>,
    handle: (input: Input<Q, P, B>, c: ApiContext) => Answer<v.InferInput<R>>,
  ): void {
    const timeout_ms = endpoint.timeout_ms ?? this.requestTimeout_ms;
    const readInput = queryReader(path, endpoint.query);
    const { body: schema, bodyLimit_bytes = jsonBody_bytes, inMinority } = endpoint;
    const takesNoBody = method !== "get" && endpoint.body === undefined && endpoint.media === undefined;
    const inputOf = (c: ApiContext): Omit<Input<Q, P, B>, "body"> => {
      const query = readInput(c.req.raw.url);
      if (endpoint.params !== undefined) checkEscapes(pathPart(c.req.raw.url), "path");
      if (takesNoBody) refuseBody(c.req.raw.headers, path);
      const params = endpoint.params && validate(endpoint.params, c.req.param(), "invalid_argument", "Path");
      return { query, params };
    };
    const bodyOf = (c: ApiContext, of: B): Promise<v.InferOutput<B>> =>
      readJson(c.req.raw, bodyLimit_bytes, this.bodies).then((value) =>
        validate(of, value, "invalid_body", "Body"),
      );
    const go = (c: ApiContext): Response | Promise<Response> => {
      const input = inputOf(c);
      if (schema === undefined)
        return this.#answer(handle({ ...input, body: undefined }, c), endpoint, timeout_ms, c);
      const handled = bodyOf(c, schema).then((body) => handle({ ...input, body }, c));
      return this.#answer(handled, endpoint, timeout_ms, c);
    };
    const check = async (c: ApiContext): Promise<Uint8Array> => {
      inputOf(c);
      if (schema !== undefined) await bodyOf(c, schema);
      const limit_bytes = inMinority?.kind === "queued" ? inMinority.body_bytes : 0;
      return await readBody(c.req.raw, limit_bytes, this.bodies);
    };
    const run =
      inMinority === undefined
        ? go
        : (c: ApiContext) => {
            this.bodies.remember(c.req.raw);
            return this.#minority.pass(
              c,
              inMinority,
              () => check(c),
              () => go(c),
            );
          };
    const spec: DescribeRouteOptions = describeEndpoint(endpoint);
    this.app.on(method.toUpperCase(), path, Object.assign(run, { [uniqueSymbol]: { spec } }));
  }

  #answer(
    handled: Answer<unknown>,
    endpoint: { readonly status?: number | undefined },
    timeout_ms: number,
    c: ApiContext,
  ): Response | Promise<Response> {
    if (!(handled instanceof Promise)) return toResponse(handled, endpoint.status, c);
    const answered = handled.then((value) => toResponse(value, endpoint.status, c));
    return timeout_ms === 0 ? answered : this.#inTime(answered, timeout_ms);
  }

  #inTime<T>(work: Promise<T>, timeout_ms: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(timeout_ms, () => {
        reject(new CaxtonError("timeout", `No answer within ${formatDuration(timeout_ms)}`));
      });
      work.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

function pathPart(url: string): string {
  const mark = url.indexOf("?");
  return mark < 0 ? url : url.slice(0, mark);
}

/** Who sends one means something by it. That of a GET means nothing (RFC 9110, 9.3.1) and is not looked at. */
function refuseBody(headers: Headers, path: string): void {
  const isEmpty = (headers.get("content-length") ?? "0") === "0" && !headers.has("transfer-encoding");
  if (!isEmpty)
    throw new CaxtonError("invalid_argument", `${path} takes no body: send what it is to do in the query`);
}

const noText: Readonly<Record<string, string>> = {};

/** Validates a URL's query; what comes of none is remembered, since most requests have none. */
function queryReader<Q extends AnySchema>(
  path: string,
  schema: Q | undefined,
): (url: string) => v.InferOutput<Q> | undefined {
  const check = (text: Readonly<Record<string, string>>) =>
    schema && validate(schema, text, "invalid_argument", "Query");
  let ofNone: { readonly query: v.InferOutput<Q> | undefined } | undefined;
  return (url) => {
    const text = url.includes("?") ? readQuery(url) : noText;
    if (Object.keys(text).length === 0) return (ofNone ??= { query: check(text) }).query;
    if (schema === undefined) {
      throw new CaxtonError("invalid_argument", `Query refused: ${path} takes no parameters`);
    }
    return check(text);
  };
}

function toResponse(value: unknown, status = 200, c: ApiContext): Response {
  if (value instanceof Response) return value;
  return jsonResponse(JSON.stringify(value), status, c.get("request"));
}
