/** `GET /api/v1/events` as an async iterable that resumes where a broken connection ended. */
import type { EventAnswer } from "../api/events/events.ts";
import { CaxtonError } from "../base/errors.ts";
import { EventParser } from "./event-parser.ts";
import type { Transport } from "./transport.ts";

/** Waits between attempts to come back: doubled from the first to the last. */
const backoff_ms = { first: 200, last: 5_000 };
/** Without a byte for this long (the node sends a comment every 8 s) the connection counts as dead. */
const silence_ms_max = 30_000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Globs: `member.*`, `agent.trap`. All types unless given. */
  readonly types?: readonly string[];
  /** Also what only other nodes know (dead letters, traps), from now on. */
  readonly cluster?: boolean;
  /** The last id seen before. Only new events unless given. */
  readonly after?: number;
  /** Told when the connection broke and is tried again. */
  readonly broken?: (error: CaxtonError) => void;
  /** Told when the connection is there again after a break. */
  readonly back?: () => void;
}

export class EventsClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Events until the signal aborts. The first connection must succeed; a later break is tried again for
   * as long as the node may come back, but a refusal (an expired token) is thrown.
   */
  async *follow(options: FollowOptions): AsyncIterable<EventAnswer> {
    const { signal } = options;
    let after = options.after;
    let wait_ms = backoff_ms.first;
    for (let connected = false; !signal.aborted;) {
      const once = new AbortController();
      const both = AbortSignal.any([signal, once.signal]);
      try {
        const body = await this.#connect(options, after, both, () => once.abort());
        if (connected) options.back?.();
        connected = true;
        for await (const event of readEvents(body, both, () => once.abort())) {
          wait_ms = backoff_ms.first;
          after = event.id;
          yield event;
        }
      } catch (error) {
        if (signal.aborted) return;
        const failure =
          error instanceof CaxtonError
            ? error
            : new CaxtonError("unreachable", "The event stream broke", { cause: error });
        if (!connected || !failure.retryable) throw failure;
        options.broken?.(failure);
      } finally {
        once.abort();
      }
      await pause(wait_ms, signal);
      wait_ms = Math.min(wait_ms * 2, backoff_ms.last);
    }
  }

  async #connect(
    { types, cluster }: FollowOptions,
    after: number | undefined,
    signal: AbortSignal,
    abandon: () => void,
  ): Promise<ReadableStream<Uint8Array>> {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (after !== undefined) headers["last-event-id"] = String(after);
    const query = {
      types: types === undefined || types.length === 0 ? undefined : types.join(","),
      scope: cluster === true ? "cluster" : undefined,
    };
    const timer = setTimeout(abandon, this.#transport.requestTimeout_ms);
    try {
      const response = await this.#transport.open(
        { method: "GET", path: "/api/v1/events", query, headers },
        signal,
      );
      if (response.body === null) throw new CaxtonError("unreachable", "The event stream has no body");
      return response.body;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function* readEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  abandon: () => void,
): AsyncIterable<EventAnswer> {
  const parser = new EventParser();
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", cancel, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    for (;;) {
      timer = setTimeout(abandon, silence_ms_max);
      const { done, value } = await reader.read();
      clearTimeout(timer);
      if (done) return;
      for (const data of parser.push(value)) yield JSON.parse(data) as EventAnswer;
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

function pause(delay_ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delay_ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
