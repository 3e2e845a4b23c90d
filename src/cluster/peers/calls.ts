/**
 * Requests to one peer that wait for their responses: ids, deadlines, chunked bodies. Lives as long as the
 * link; a lost connection ends every request, because nobody knows whether the peer has handled it.
 */
import { CaxtonError, type ErrorCode } from "../../base/errors.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { bodyLimit_bytes, type PeerFrame } from "../../wire/peer-frame.ts";
import { BodyAssembler, BodySource } from "./body.ts";
import type { PeerQueue } from "./queue.ts";
import { Unanswered } from "./unanswered.ts";

/** Requests to one peer at once, and the bytes of their bodies. */
export const callsLimit = 256;
const callsLimit_bytes = 128 * 1024 * 1024;

interface Call {
  readonly method: string;
  readonly source: BodySource;
  readonly body_bytes: number;
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: CaxtonError) => void;
  readonly timer: Timer;
  response: BodyAssembler | undefined;
}

export type ResponseFrame = Extract<PeerFrame, { readonly kind: "response" | "response_chunk" | "failure" }>;

export class PeerCalls {
  readonly #calls = new Map<number, Call>();
  #nextId = 0;
  #body_bytes = 0;
  /** Why the last attempt to reach the peer failed: tells more than "timed out". */
  #trouble = "";

  constructor(
    /** For error texts. */
    private readonly peer: string,
    private readonly queue: PeerQueue,
    private readonly clock: Clock,
    /** Something is queued. */
    private readonly wake: () => void,
    private readonly cancelled: (id: number) => void,
  ) {}

  get waiting(): number {
    return this.#calls.size;
  }

  call(method: string, body: Uint8Array, timeout_ms: number): Promise<Uint8Array> {
    if (body.length > bodyLimit_bytes) {
      const detail = `Cannot send ${body.length} bytes to "${this.peer}": at most ${bodyLimit_bytes}`;
      return Promise.reject(new CaxtonError("payload_too_large", detail));
    }
    if (this.#calls.size >= callsLimit || this.#body_bytes + body.length > callsLimit_bytes) {
      const detail = `Too many requests wait for "${this.peer}" (at most ${callsLimit}, ${callsLimit_bytes} bytes)`;
      return Promise.reject(new CaxtonError("queue_full", detail));
    }
    const id = this.#nextId;
    this.#nextId = (id + 1) % 0x1_0000_0000;
    return new Promise((resolve, reject) => {
      const source = new BodySource(
        body,
        (payload) => ({
          kind: "request",
          id,
          timeout_ms: Math.min(Math.max(0, Math.ceil(timeout_ms)), 0xffff_ffff),
          total_bytes: body.length,
          method,
          payload,
        }),
        (payload) => ({ kind: "request_chunk", id, payload }),
      );
      const timer = this.clock.after(timeout_ms, () => this.#expire(id, timeout_ms));
      this.#calls.set(id, {
        method,
        source,
        body_bytes: body.length,
        resolve,
        reject,
        timer,
        response: undefined,
      });
      this.#body_bytes += body.length;
      this.queue.addSource(source);
      this.wake();
    });
  }

  /** Answers that nobody waits for any more are dropped. Throws `WireError` for chunks that do not fit. */
  frame(frame: ResponseFrame): void {
    const call = this.#calls.get(frame.id);
    if (call === undefined) return;
    if (frame.kind === "failure") {
      this.#take(frame.id)?.reject(new CaxtonError(frame.code, frame.detail));
      return;
    }
    if (frame.kind === "response") call.response ??= new BodyAssembler(frame.total_bytes);
    const body = call.response?.push(frame.payload);
    if (body) this.#take(frame.id)?.resolve(body);
  }

  /** The connection is lost or could not be made: `detail` is what each caller gets. */
  fail(code: ErrorCode, detail: string): void {
    this.#trouble = detail;
    for (const id of [...this.#calls.keys()]) {
      const call = this.#take(id);
      call?.reject(call.source.begun ? new Unanswered(code, detail) : new CaxtonError(code, detail));
    }
  }

  #expire(id: number, timeout_ms: number): void {
    const call = this.#take(id);
    if (call === undefined) return;
    if (call.source.begun) this.cancelled(id);
    const trouble = this.#trouble === "" || call.source.begun ? "" : ` (${this.#trouble})`;
    const detail = `"${this.peer}" did not answer ${call.method}: timed out after ${timeout_ms} ms${trouble}`;
    call.reject(call.source.begun ? new Unanswered("timeout", detail) : new CaxtonError("timeout", detail));
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    this.#calls.delete(id);
    this.#body_bytes -= call.body_bytes;
    this.queue.removeSource(call.source);
    call.timer.cancel();
    return call;
  }
}
