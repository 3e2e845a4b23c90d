/**
 * Request bodies: read piece by piece and given up at the limit, never first read whole and then measured. All that
 * are read at once share a budget of bytes, and each has its time: else many slow ones would take the node's memory.
 */
import { formatDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { formatLimit } from "../../base/sizes.ts";
import type { Clock } from "../../ports/clock.ts";
import { WireError, decodeUtf8 } from "../../wire/cursor.ts";
import { parseJson } from "./json-text.ts";

/** Of the buffers of all bodies that are being read at a time. */
export const bodiesLimit_bytes = 256 * 1024 * 1024;
/** Once the node stops, a body that is not there by then has half a request before it: it counts as nothing. */
const lastBodies_ms = 500;
/** A buffer begins with this and doubles: never more than twice what came, nor more than what may come. */
const firstBuffer_bytes = 16 * 1024;
/** What reading a body leaves (pieces, text, values) is several times its size: collected after so many bytes of bodies. */
const collectAfter_bytes = 64 * 1024 * 1024;
/** Any body may take this long, and the time that its limit takes at the slowest rate. */
const bodyTime_ms = 30_000;
const slowest_bytesAMs = 256;
/** A body that is said to be no longer is read in one piece by the runtime, in half the time of a stream. */
const small_bytes = 16 * 1024;

export interface BodyOptions {
  /** Frees what nobody holds; without it that is left to the runtime, which may let it grow to gigabytes. */
  readonly collect?: (() => void) | undefined;
  /** Aborted when the node stops. */
  readonly stopping?: AbortSignal | undefined;
}

/** What the bodies being read have taken so far, and the clock that ends them. */
export class BodyBudget {
  #held_bytes = 0;
  /** What was read of the requests whose bodies may be needed again; null until it was. */
  readonly #read = new WeakMap<Request, Uint8Array<ArrayBuffer> | null>();
  #garbage_bytes = 0;
  readonly #hurries = new Set<() => void>();

  constructor(
    readonly clock: Clock,
    private readonly options: BodyOptions = {},
  ) {
    const hurryAll = (): void => {
      for (const hurry of this.#hurries) hurry();
    };
    options.stopping?.addEventListener("abort", hurryAll, { once: true });
  }

  /** Calls `giveUp` when the time is over, which is soon once the node stops; ended by what it returns. */
  bounded(time_ms: number, giveUp: (why: CaxtonError) => void): () => void {
    const tooLate = `The body did not come within ${formatDuration(time_ms)}`;
    let timer = this.clock.after(time_ms, () => giveUp(new CaxtonError("timeout", tooLate)));
    const hurry = (): void => {
      timer.cancel();
      const why = new CaxtonError(
        "unavailable",
        "This node stops, and the body has not come; nothing was done",
      );
      timer = this.clock.after(lastBodies_ms, () => giveUp(why));
    };
    if (this.options.stopping?.aborted === true) hurry();
    else this.#hurries.add(hurry);
    return () => {
      timer.cancel();
      this.#hurries.delete(hurry);
    };
  }

  /** Throws `too_many_requests` when they have too much. */
  take(bytes: number): void {
    if (this.#held_bytes + bytes > bodiesLimit_bytes) {
      const detail = `This node reads ${formatLimit(bodiesLimit_bytes)} of request bodies already; retry later`;
      throw new CaxtonError("too_many_requests", detail);
    }
    this.#held_bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#held_bytes -= bytes;
  }

  /** Its body will be kept when it was read, for as long as the request lives, so that it can be read again. */
  remember(request: Request): void {
    if (!this.#read.has(request)) this.#read.set(request, null);
  }

  keep(request: Request, body: Uint8Array<ArrayBuffer>): void {
    if (this.#read.has(request)) this.#read.set(request, body);
  }

  kept(request: Request): Uint8Array<ArrayBuffer> | null {
    return this.#read.get(request) ?? null;
  }

  /** A body of so many bytes was read, and what that took is garbage. */
  left(bytes: number): void {
    this.#garbage_bytes += bytes;
    if (this.#garbage_bytes < collectAfter_bytes) return;
    this.#garbage_bytes = 0;
    this.options.collect?.();
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
  if (kept !== null) return kept;
  const encoding = request.headers.get("content-encoding") ?? "";
  if (encoding !== "" && encoding.toLowerCase() !== "identity") {
    throw new CaxtonError(
      "unsupported_media_type",
      `Content-Encoding ${quote(encoding)} is not accepted: send the body as it is, without encoding`,
    );
  }
  const length = request.headers.get("content-length");
  const declared = Number(length ?? limit_bytes);
  if (declared > limit_bytes) throw tooLarge(limit_bytes);
  if (length !== null && declared <= small_bytes) {
    const body = await readSmall(request, { limit_bytes, declared_bytes: declared }, budget);
    budget.keep(request, body);
    return body;
  }
  if (request.body === null) return new Uint8Array(0);
  // No more than a hint: the runtime judges the header, and the limit holds whatever it says.
  const declared_bytes = Number.isSafeInteger(declared) ? declared : limit_bytes;
  const body = await readStream(request.body, { limit_bytes, declared_bytes }, budget);
  budget.keep(request, body);
  return body;
}

interface Bounds {
  readonly limit_bytes: number;
  readonly declared_bytes: number;
}

/** The runtime ends it at the declared length, and has all of it in memory meanwhile, however slowly it comes. */
async function readSmall(
  request: Request,
  { limit_bytes, declared_bytes }: Bounds,
  budget: BodyBudget,
): Promise<Uint8Array<ArrayBuffer>> {
  budget.take(declared_bytes);
  const late = Promise.withResolvers<never>();
  const ended = budget.bounded(bodyTime_ms, late.reject);
  try {
    const body = new Uint8Array(await Promise.race([request.arrayBuffer(), late.promise]));
    if (body.length > limit_bytes) throw tooLarge(limit_bytes);
    return body;
  } catch (error) {
    if (error instanceof CaxtonError) throw error;
    throw new CaxtonError("invalid_body", "The body ended early", { cause: error });
  } finally {
    ended();
    budget.giveBack(declared_bytes);
    budget.left(declared_bytes);
  }
}

async function readStream(
  body: ReadableStream<Uint8Array>,
  { limit_bytes, declared_bytes }: Bounds,
  budget: BodyBudget,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  const buffer = new BodyBuffer(declared_bytes, budget);
  const time_ms = bodyTime_ms + Math.ceil(limit_bytes / slowest_bytesAMs);
  let late: CaxtonError | undefined;
  const ended = budget.bounded(time_ms, (why) => {
    late = why;
    reader.cancel().catch(() => undefined);
  });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) throw late;
      if (done) break;
      if (buffer.length + value.length > limit_bytes) throw tooLarge(limit_bytes);
      buffer.add(value);
    }
    return buffer.whole();
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    if (error instanceof CaxtonError) throw error;
    throw new CaxtonError("invalid_body", "The body ended early", { cause: error });
  } finally {
    ended();
    buffer.free();
    budget.left(buffer.length);
  }
}

/** One body as it comes, in one buffer: pieces that were kept until the end would be there twice then. */
class BodyBuffer {
  length = 0;
  #buffer = new ArrayBuffer(0);
  readonly #expected_bytes: number;
  readonly #budget: BodyBudget;

  constructor(expected_bytes: number, budget: BodyBudget) {
    this.#expected_bytes = expected_bytes;
    this.#budget = budget;
  }

  add(piece: Uint8Array): void {
    const needed = this.length + piece.length;
    if (needed > this.#buffer.byteLength) this.#grow(needed);
    new Uint8Array(this.#buffer).set(piece, this.length);
    this.length = needed;
  }

  /** The body, which is its reader's from now on; the budget is for bodies that are still to come. */
  whole(): Uint8Array<ArrayBuffer> {
    this.#budget.giveBack(this.#buffer.byteLength);
    const { length } = this;
    const whole = new Uint8Array(
      length === this.#buffer.byteLength ? this.#buffer : this.#buffer.transfer(length),
    );
    this.#buffer = new ArrayBuffer(0);
    return whole;
  }

  /** Nothing after `whole`. */
  free(): void {
    this.#budget.giveBack(this.#buffer.byteLength);
    this.#buffer = this.#buffer.transfer(0);
  }

  #grow(needed: number): void {
    const doubled = Math.max(firstBuffer_bytes, 2 * this.#buffer.byteLength);
    const size = Math.max(needed, Math.min(doubled, this.#expected_bytes));
    this.#budget.take(size - this.#buffer.byteLength);
    // `transfer` frees the old one at once; a copy would wait for the collector.
    this.#buffer = this.#buffer.transfer(size);
  }
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
  } finally {
    // Now, and not when the collector comes; but who may read it again needs it.
    if (budget.kept(request) === null) bytes.buffer.transfer(0);
  }
}

/** Lower-case type without parameters; empty when there is none. */
export function mediaType(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function tooLarge(limit_bytes: number): CaxtonError {
  return new CaxtonError("payload_too_large", `The body is larger than ${formatLimit(limit_bytes)}`);
}
