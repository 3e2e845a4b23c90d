/** Who was turned away lately, and why: for `cluster verify-auth`, the event log and the log. */
import { logger } from "../telemetry/log.ts";
import type { EventLog } from "./event-log.ts";

const sourcesLimit = 256;

export class RefusedSources {
  readonly #events: EventLog;
  readonly #sources = new Map<string, string>();

  constructor(events: EventLog) {
    this.#events = events;
  }

  /** Every refusal counts anew; the same one is told once. */
  add(source: string, reason: string): void {
    if (this.#sources.get(source) === reason) return;
    this.#sources.delete(source);
    this.#sources.set(source, reason);
    for (const oldest of this.#sources.keys()) {
      if (this.#sources.size <= sourcesLimit) break;
      this.#sources.delete(oldest);
    }
    logger("cluster").warn(`Refused ${source}: ${reason}`);
    this.#events.record("warn", "cluster.refused", `Refused ${source}: ${reason}`, { source, reason });
  }

  recent(): ReadonlyMap<string, string> {
    return this.#sources;
  }
}
