/**
 * Requests that came over one connection: gathers their bodies, runs the handlers, writes the responses. What
 * a handler throws travels as a failure with its code; nothing of it reaches the event loop.
 */
import { CaxtonError, type ErrorCode, reasonOf } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { WireError } from "../../wire/cursor.ts";
import { bodyLimit_bytes, type PeerFrame } from "../../wire/peer-frame.ts";
import { BodyAssembler, BodySource } from "./body.ts";
import type { PeerQueue } from "./queue.ts";

/** Requests of one connection at once. */
export const answersLimit = 256;
/** Bodies of requests and responses in work, over all peers. */
const answersLimit_bytes = 256 * 1024 * 1024;
/** A caller may not ask for more time than this. */
const answerLife_ms = 600_000;

/** Bytes of all connections' requests, shared by them. */
export class AnswerBudget {
  #bytes = 0;

  take(bytes: number): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > answersLimit_bytes) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

export type RequestFrame = Extract<PeerFrame, { readonly kind: "request" | "request_chunk" | "cancel" }>;
/** Answers one method; throws what the caller is to get. */
export type Answer = (body: Uint8Array) => Promise<Uint8Array>;

interface Work {
  readonly body: BodyAssembler;
  readonly answer: Answer;
  readonly timer: Timer;
  held_bytes: number;
  running: boolean;
}

export interface AnswerOptions {
  readonly queue: PeerQueue;
  readonly clock: Clock;
  readonly budget: AnswerBudget;
  readonly answerOf: (method: string) => Answer | undefined;
  /** A small frame to write before others. */
  readonly control: (frame: PeerFrame) => void;
  /** Something is queued. */
  readonly wake: () => void;
}

export class PeerAnswers {
  readonly #work = new Map<number, Work>();
  #closed = false;

  constructor(private readonly options: AnswerOptions) {}

  /** Throws `WireError` for frames that do not fit together. */
  frame(frame: RequestFrame): void {
    switch (frame.kind) {
      case "request":
        this.#begin(frame);
        break;
      case "request_chunk": {
        const work = this.#work.get(frame.id);
        // Chunks of a request that was refused or has ended are still on their way.
        if (work === undefined) break;
        if (work.running) throw new WireError("chunk after the body's end");
        this.#gather(frame.id, work, frame.payload);
        break;
      }
      case "cancel":
        this.#drop(frame.id);
        break;
    }
  }

  /** The connection is gone: results of running handlers go nowhere. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#work.keys()]) this.#drop(id);
  }

  #begin(frame: Extract<RequestFrame, { kind: "request" }>): void {
    const { id, method, total_bytes } = frame;
    if (this.#work.has(id)) throw new WireError("request id in use");
    const answer = this.options.answerOf(method);
    if (answer === undefined) {
      this.#fail(id, "not_found", `This node does not answer ${quote(method)}`);
      return;
    }
    if (this.#work.size >= answersLimit || !this.options.budget.take(total_bytes)) {
      this.#fail(id, "queue_full", `Too many requests in work for ${quote(method)}`);
      return;
    }
    const timer = this.options.clock.after(Math.min(frame.timeout_ms, answerLife_ms), () => this.#drop(id));
    const body = new BodyAssembler(total_bytes);
    const work: Work = { body, answer, timer, held_bytes: total_bytes, running: false };
    this.#work.set(id, work);
    this.#gather(id, work, frame.payload);
  }

  #gather(id: number, work: Work, chunk: Uint8Array): void {
    const body = work.body.push(chunk);
    if (body === undefined) return;
    work.running = true;
    work
      .answer(body)
      .then((response) => this.#respond(id, work, response))
      .catch((error: unknown) => {
        if (this.#work.get(id) !== work) return;
        this.#drop(id);
        const code = error instanceof CaxtonError ? error.code : "internal";
        this.#fail(id, code, reasonOf(error));
      });
  }

  #respond(id: number, work: Work, response: Uint8Array): void {
    if (this.#closed || this.#work.get(id) !== work) return;
    const { budget, queue, wake } = this.options;
    if (response.length > bodyLimit_bytes) {
      throw new CaxtonError(
        "payload_too_large",
        `The response has ${response.length} bytes, at most ${bodyLimit_bytes}`,
      );
    }
    budget.give(work.held_bytes);
    work.held_bytes = 0;
    if (!budget.take(response.length))
      throw new CaxtonError("queue_full", "Too many responses wait to be sent");
    work.held_bytes = response.length;
    const source = new BodySource(
      response,
      (payload) => ({ kind: "response", id, total_bytes: response.length, payload }),
      (payload) => ({ kind: "response_chunk", id, payload }),
    );
    queue.addSource({
      next: () => {
        const frame = this.#work.get(id) === work ? source.next() : undefined;
        if (frame === undefined && this.#work.get(id) === work) this.#drop(id);
        return frame;
      },
    });
    wake();
  }

  #fail(id: number, code: ErrorCode, detail: string): void {
    if (!this.#closed) this.options.control({ kind: "failure", id, code, detail });
  }

  #drop(id: number): void {
    const work = this.#work.get(id);
    if (work === undefined) return;
    this.#work.delete(id);
    work.timer.cancel();
    this.options.budget.give(work.held_bytes);
  }
}
