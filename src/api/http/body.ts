/**
 * Request bodies: read piece by piece and given up at the limit, never first read whole and then measured. All that
 * are read at once share a budget of bytes, and each has its time: else many slow ones would take the node's memory.
 */
import { formatDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { formatSize } from "../../base/sizes.ts";
import type { Clock } from "../../ports/clock.ts";
import { WireError, decodeUtf8 } from "../../wire/cursor.ts";
import { parseJson } from "./json-text.ts";

/** Of all bodies that are being read at a time. */
export const bodiesLimit_bytes = 256 * 1024 * 1024;
/** Any body may take this long, and the time that its limit takes at the slowest rate. */
const bodyTime_ms = 30_000;
const slowest_bytesAMs = 256;

/** What the bodies being read have taken so far, and the clock that ends them. */
export class BodyBudget {
  #held_bytes = 0;
  /** What was read of a request that still lives, so that it can be read again. */
  readonly #read = new WeakMap<Request, Uint8Array<ArrayBuffer>>();

  constructor(readonly clock: Clock) {}

  /** Throws `too_many_requests` when they have too much. */
  take(bytes: number): void {
    if (this.#held_bytes + bytes > bodiesLimit_bytes) {
      const detail = `This node reads ${formatSize(bodiesLimit_bytes)} of request bodies already; retry later`;
      throw new CaxtonError("too_many_requests", detail);
    }
    this.#held_bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#held_bytes -= bytes;
  }

  keep(request: Request, body: Uint8Array<ArrayBuffer>): void {
    this.#read.set(request, body);
  }

  kept(request: Request): Uint8Array<ArrayBuffer> | undefined {
    return this.#read.get(request);
  }
}

/**
 * The whole body. Throws `payload_too_large` as soon as it is known to be, and `unsupported_media_type` for
 * one that is compressed: its size would be no bound, and taken as it is it would be something else.
 */
export async function readBody(
  request: Request,
  limit_bytes: number,
  budget: BodyBudget,
): Promise<Uint8Array<ArrayBuffer>> {
  const kept = budget.kept(request);
  if (kept !== undefined) return kept;
  const encoding = request.headers.get("content-encoding") ?? "";
  if (encoding !== "" && encoding.toLowerCase() !== "identity") {
    throw new CaxtonError(
      "unsupported_media_type",
      `Content-Encoding ${quote(encoding)} is not accepted: send the body as it is, without encoding`,
    );
  }
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > limit_bytes) throw tooLarge(limit_bytes);
  if (request.body === null) return new Uint8Array(0);
  const body = await readStream(request.body, limit_bytes, budget);
  budget.keep(request, body);
  return body;
}

async function readStream(
  body: ReadableStream<Uint8Array>,
  limit_bytes: number,
  budget: BodyBudget,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  const time_ms = bodyTime_ms + Math.ceil(limit_bytes / slowest_bytesAMs);
  let [length, late] = [0, false];
  const timer = budget.clock.after(time_ms, () => {
    late = true;
    reader.cancel().catch(() => undefined);
  });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) throw new CaxtonError("timeout", `The body did not come within ${formatDuration(time_ms)}`);
      if (done) break;
      if (length + value.length > limit_bytes) throw tooLarge(limit_bytes);
      budget.take(value.length);
      length += value.length;
      parts.push(value);
    }
    return joined(parts, length);
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    if (error instanceof CaxtonError) throw error;
    throw new CaxtonError("invalid_body", "The body ended early", { cause: error });
  } finally {
    timer.cancel();
    budget.giveBack(length);
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Refuses another media type (`unsupported_media_type`), a body that is not UTF-8 or not JSON (`invalid_body`). */
export async function readJson(request: Request, limit_bytes: number, budget: BodyBudget): Promise<unknown> {
  const type = mediaType(request);
  if (type !== "application/json") {
    const given = type === "" ? "none was given" : `not ${type.slice(0, 80)}`;
    throw new CaxtonError("unsupported_media_type", `The body must be application/json, ${given}`);
  }
  const bytes = await readBody(request, limit_bytes, budget);
  if (bytes.length === 0) throw new CaxtonError("invalid_body", "The body is empty, expected JSON");
  try {
    return parseJson(decodeUtf8(bytes));
  } catch (error) {
    if (error instanceof WireError) throw new CaxtonError("invalid_body", "The body is not valid UTF-8");
    throw error;
  }
}

/** Lower-case type without parameters; empty when there is none. */
export function mediaType(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function tooLarge(limit_bytes: number): CaxtonError {
  return new CaxtonError("payload_too_large", `The body is larger than ${formatSize(limit_bytes)}`);
}
