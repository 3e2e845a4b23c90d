/**
 * Server-sent events (https://html.spec.whatwg.org/#server-sent-events) out of an async iterable. The
 * reader pulls: nothing is taken from the source before there is room, so a slow reader fills the
 * source's own bounded queue and is ended there. A comment goes out when nothing else did for a while.
 */
import type { Clock, Timer } from "../../ports/clock.ts";

export interface ServerEvent {
  readonly id: number;
  readonly type: string;
  readonly data: unknown;
}

export interface EventStreamOptions {
  readonly source: (signal: AbortSignal) => AsyncIterable<ServerEvent>;
  readonly clock: Clock;
  readonly heartbeat_ms: number;
  /** The stream ends by then at the latest. */
  readonly lifetime_ms: number;
  /** Called once, however the stream ended. */
  readonly closed: (error: unknown) => void;
}

const retry_ms = 1_000;

export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { clock, heartbeat_ms } = options;
  const utf8 = new TextEncoder();
  const abort = new AbortController();
  const timers: { heartbeat?: Timer; lifetime?: Timer } = {};
  const events = options.source(abort.signal)[Symbol.asyncIterator]();
  let ended = false;
  const end = (error: unknown): void => {
    if (ended) return;
    ended = true;
    timers.heartbeat?.cancel();
    timers.lifetime?.cancel();
    abort.abort();
    options.closed(error);
  };
  const beat = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    timers.heartbeat?.cancel();
    timers.heartbeat = clock.after(heartbeat_ms, () => {
      if (ended) return;
      // A reader that does not even take comments gets none piled up.
      if ((controller.desiredSize ?? 0) > 0) controller.enqueue(utf8.encode(": still here\n\n"));
      beat(controller);
    });
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(utf8.encode(`retry: ${retry_ms}\n\n`));
      beat(controller);
      timers.lifetime = clock.after(options.lifetime_ms, () => end(null));
    },
    async pull(controller) {
      try {
        const next: IteratorResult<ServerEvent, unknown> = await events.next();
        if (next.done === true || ended) {
          end(null);
          controller.close();
          return;
        }
        controller.enqueue(
          utf8.encode(
            `id: ${next.value.id}\nevent: ${next.value.type}\ndata: ${JSON.stringify(next.value.data)}\n\n`,
          ),
        );
        beat(controller);
      } catch (error) {
        end(error);
        controller.close();
      }
    },
    cancel() {
      end(null);
    },
  });
}
