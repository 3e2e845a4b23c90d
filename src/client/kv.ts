/** `/api/v1/kv`. Values are bytes with a media type; versions are for compare-and-set. */
import type { KvDeletedAnswer, KvDocument, KvWrittenAnswer } from "../api/kv/kv.ts";
import type { KvListAnswer } from "../api/kv/list.ts";
import { pathSegment } from "./path-segment.ts";
import type { Transport } from "./transport.ts";

export interface KvWriteOptions {
  /** Only over this version; "absent" only where there is no value. */
  readonly ifVersion?: number | "absent";
  /** Only while this lock is held under this token. */
  readonly fence?: { readonly lock: string; readonly token: number };
  readonly idempotencyKey?: string;
}

export class KvClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Throws `not_found`. */
  get(key: string, consistency: "linearizable" | "local" = "linearizable"): Promise<KvDocument> {
    return this.#transport.json({ method: "GET", path: pathOf(key), query: { format: "json", consistency } });
  }

  /** Throws `precondition_failed`. */
  put(
    key: string,
    value: { readonly bytes: Uint8Array; readonly type: string },
    options: KvWriteOptions = {},
  ): Promise<KvWrittenAnswer> {
    return this.#transport.json({ method: "PUT", path: pathOf(key), body: value, ...written(options) });
  }

  /** Throws `not_found`, `precondition_failed`. */
  delete(key: string, options: KvWriteOptions = {}): Promise<KvDeletedAnswer> {
    return this.#transport.json({ method: "DELETE", path: pathOf(key), ...written(options) });
  }

  /** In the order of their bytes, so many at once. */
  list(
    prefix: string,
    page: { readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<KvListAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/kv", query: { prefix, ...page } });
  }
}

/** Slashes stay slashes, so that keys read as paths, but where a part of one would be taken for a place. */
function pathOf(key: string): string {
  const parts = key.split("/");
  const isPath = !parts.some((part) => part === "." || part === "..");
  return `/api/v1/kv/${isPath ? parts.map(pathSegment).join("/") : pathSegment(key)}`;
}

function written({ ifVersion, fence, idempotencyKey }: KvWriteOptions) {
  const headers: Record<string, string> = {};
  if (ifVersion === "absent") headers["if-none-match"] = "*";
  else if (ifVersion !== undefined) headers["if-match"] = `"${ifVersion}"`;
  if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
  return { headers, query: { lock: fence?.lock, fencing_token: fence?.token } };
}
