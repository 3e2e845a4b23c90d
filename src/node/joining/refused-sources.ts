/** Who was turned away lately, and why: for `cluster verify-auth`, the event log and the log. */
import { brokenHandshake } from "../../ports/streams.ts";
import { logger } from "../../telemetry/log.ts";
import type { EventLog } from "../events/event-log.ts";

const sourcesLimit = 256;
/** A stranger's streams come from another port each time. */
const port = /:\d+(?=\)?$)/;

export class RefusedSources {
  readonly #events: EventLog;
  /** By host and reason: the source as it was told. */
  readonly #told = new Map<string, { readonly source: string; readonly reason: string }>();

  constructor(events: EventLog) {
    this.#events = events;
  }

  /** A host that is refused for the same reason again, from whatever port, is told once; a broken handshake never. */
  add(source: string, reason: string): void {
    if (reason === brokenHandshake) return;
    const key = `${source.replace(port, "")}\n${reason}`;
    if (this.#told.has(key)) return;
    this.#told.set(key, { source, reason });
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= sourcesLimit) break;
      this.#told.delete(oldest);
    }
    logger("cluster").warn(`Refused ${source}: ${reason}`);
    this.#events.record("warn", "cluster.refused", `Refused ${source}: ${reason}`, { source, reason });
  }

  recent(): ReadonlyMap<string, string> {
    return new Map([...this.#told.values()].map(({ source, reason }) => [source, reason]));
  }
}
