/**
 * `prepareModule` beside the main thread, so that a large upload stalls nothing else. The thread
 * starts with the first module, takes one at a time, and ends when it has been idle; one that
 * exceeds its deadline is terminated with its module refused.
 */
import { Worker } from "node:worker_threads";
import { CaxtonError, isErrorCode } from "../base/errors.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { systemClock } from "../platform/node/clock.ts";
import type { PreparedModule, PrepareOptions } from "./prepare.ts";
import type { PrepareReply, PrepareRequest } from "./prepare-protocol.ts";

export const preparerDefaults = {
  /** From being handed to the thread to the answer. */
  deadline_ms: 20_000,
  idle_ms: 10_000,
  /** Modules waiting; a further one is refused with `too_many_requests`. */
  waiting_max: 16,
} as const;

export interface PreparerOptions {
  readonly deadline_ms?: number;
  readonly idle_ms?: number;
  readonly waiting_max?: number;
  readonly clock?: Clock;
}

export interface Preparer {
  /**
   * Like `prepareModule`, and the engine has validated the result. Rejects with `invalid_module`,
   * `too_many_requests`, or `unavailable` once closed. `bytes` are copied.
   */
  prepare(bytes: Uint8Array, options: PrepareOptions): Promise<PreparedModule>;
  /** Ends the thread; modules that wait are rejected. */
  close(): Promise<void>;
}

export function createPreparer(options: PreparerOptions = {}): Preparer {
  return new ThreadPreparer(options);
}

interface Job {
  readonly request: PrepareRequest;
  resolve(prepared: PreparedModule): void;
  reject(error: CaxtonError): void;
}

class ThreadPreparer implements Preparer {
  readonly #deadline_ms: number;
  readonly #idle_ms: number;
  readonly #waiting_max: number;
  readonly #clock: Clock;
  readonly #waiting: Job[] = [];
  #job: Job | null = null;
  #worker: Worker | null = null;
  /** The deadline of the job, or the end of idling. */
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: PreparerOptions) {
    this.#deadline_ms = options.deadline_ms ?? preparerDefaults.deadline_ms;
    this.#idle_ms = options.idle_ms ?? preparerDefaults.idle_ms;
    this.#waiting_max = options.waiting_max ?? preparerDefaults.waiting_max;
    this.#clock = options.clock ?? systemClock;
  }

  prepare(bytes: Uint8Array, options: PrepareOptions): Promise<PreparedModule> {
    if (this.#closed) return Promise.reject(closing());
    if (this.#waiting.length >= this.#waiting_max) {
      const detail = `Cannot take the module: ${this.#waiting.length} others are waiting; try again`;
      return Promise.reject(new CaxtonError("too_many_requests", detail));
    }
    const { promise, resolve, reject } = Promise.withResolvers<PreparedModule>();
    this.#waiting.push({ request: { bytes, options }, resolve, reject });
    this.#next();
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const jobs = [this.#job, ...this.#waiting.splice(0)];
    this.#job = null;
    for (const job of jobs) job?.reject(closing());
    await this.#end();
  }

  /** Hands the next module over, or begins to idle. */
  #next(): void {
    if (this.#job !== null) return;
    this.#timer?.cancel();
    const job = this.#waiting.shift();
    if (job === undefined) {
      this.#timer = this.#worker === null ? null : this.#clock.after(this.#idle_ms, () => void this.#end());
      return;
    }
    this.#job = job;
    this.#timer = this.#clock.after(this.#deadline_ms, () => this.#late());
    const worker = (this.#worker ??= this.#start());
    worker.postMessage(job.request);
  }

  #start(): Worker {
    const worker = new Worker(new URL("./prepare-worker.ts", import.meta.url));
    let failure = "it ended";
    worker.on("message", (reply: PrepareReply) => this.#answered(reply));
    worker.on("error", (error: Error) => (failure = error.message));
    worker.on("exit", () => {
      if (this.#worker === worker)
        this.#lost(new CaxtonError("internal", `The preparing thread failed: ${failure}`));
    });
    return worker;
  }

  #answered(reply: PrepareReply): void {
    const job = this.#job;
    this.#job = null;
    if (reply.kind === "prepared") job?.resolve(reply.prepared);
    else job?.reject(new CaxtonError(isErrorCode(reply.code) ? reply.code : "internal", reply.detail));
    this.#next();
  }

  #late(): void {
    const limit = `${this.#deadline_ms} ms`;
    const error = new CaxtonError(
      "invalid_module",
      `Module refused: it took more than ${limit} to check; make it smaller`,
    );
    void this.#end();
    this.#lost(error);
  }

  /** The thread is gone, and the module that it had with it; the next gets a new one. */
  #lost(error: CaxtonError): void {
    const job = this.#job;
    this.#worker = null;
    this.#job = null;
    job?.reject(error);
    this.#next();
  }

  async #end(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }
}

function closing(): CaxtonError {
  return new CaxtonError("unavailable", "Cannot take the module: the node is stopping");
}
