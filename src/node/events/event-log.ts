/**
 * What happened on and around this node, as one numbered stream: the last events in a ring, and
 * live followers. A follower that cannot keep up is ended, and resumes by the last id it saw.
 */
import type { ClusterEvent } from "../../api/services.ts";
import type { Clock } from "../../ports/clock.ts";

const keptEvents = 10_000;
/** Events waiting for one follower; beyond it the follower is ended. */
const followerLimit = 2_000;

interface Follower {
  readonly queue: ClusterEvent[];
  wake: () => void;
  ended: boolean;
}

export class EventLog {
  readonly #clock: Clock;
  readonly #events: ClusterEvent[] = [];
  readonly #followers = new Set<Follower>();
  #nextId: number;

  /** `firstId` continues above the ids of earlier boots, so that a resumed reader misses nothing new. */
  constructor(clock: Clock, firstId: number) {
    this.#clock = clock;
    this.#nextId = firstId;
  }

  record(
    level: "info" | "warn",
    type: string,
    text: string,
    data: Readonly<Record<string, unknown>> = {},
  ): void {
    const event: ClusterEvent = { id: this.#nextId++, type, level, at_ms: this.#clock.wall_ms(), text, data };
    this.#events.push(event);
    if (this.#events.length > keptEvents * 1.1) this.#events.splice(0, this.#events.length - keptEvents);
    for (const follower of this.#followers) {
      if (follower.queue.length >= followerLimit) follower.ended = true;
      else follower.queue.push(event);
      follower.wake();
    }
  }

  /** The id of the last event so far. */
  get last(): number {
    return this.#nextId - 1;
  }

  /** Kept events with an id above `after`, the oldest first, at most `limit`. */
  since(after: number, limit: number): readonly ClusterEvent[] {
    return this.#events.filter(({ id }) => id > after).slice(0, limit);
  }

  /** Kept events with an id above `after` (none when null), then live ones. */
  async *follow(after: number | null, signal: AbortSignal): AsyncIterable<ClusterEvent> {
    const earlier = after === null ? [] : this.#events.filter((event) => event.id > after);
    const follower: Follower = { queue: earlier, wake: () => {}, ended: false };
    const abort = (): void => follower.wake();
    signal.addEventListener("abort", abort, { once: true });
    this.#followers.add(follower);
    try {
      while (!signal.aborted) {
        const next = follower.queue.shift();
        if (next !== undefined) yield next;
        else if (follower.ended) return;
        else await new Promise<void>((resolve) => (follower.wake = resolve));
      }
    } finally {
      this.#followers.delete(follower);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Ends every follower, for shutdown. */
  close(): void {
    for (const follower of this.#followers) {
      follower.ended = true;
      follower.wake();
    }
  }
}
