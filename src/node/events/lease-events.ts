/**
 * Tells people that this node lost its lease, so that its agents wait, and when it is back. A gap that is over at once
 * (a leader that changed late) is counted by the metrics and told to nobody.
 */
import { formatDuration } from "../../base/durations.ts";
import type { NodeLease } from "../../cluster/leases/node-lease.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { logger } from "../../telemetry/log.ts";
import type { EventLog } from "./event-log.ts";

const patience_ms = 250;
/** A node that starts has none at first. */
const firstPatience_ms = 10_000;

export interface LeaseEventsOptions {
  readonly lease: Pick<NodeLease, "subscribe" | "stats">;
  readonly events: Pick<EventLog, "record">;
  readonly clock: Clock;
}

export class LeaseEvents {
  readonly #options: LeaseEventsOptions;
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;
  #told = false;

  constructor(options: LeaseEventsOptions) {
    this.#options = options;
    this.#unsubscribe = options.lease.subscribe((held) => {
      if (held) this.#held();
      else this.#wait(patience_ms - options.lease.stats.without_ms);
    });
    this.#wait(firstPatience_ms);
  }

  close(): void {
    this.#timer?.cancel();
    this.#unsubscribe();
  }

  #wait(left_ms: number): void {
    this.#timer?.cancel();
    if (left_ms <= 0) this.#lost();
    else this.#timer = this.#options.clock.after(left_ms, () => this.#lost());
  }

  #lost(): void {
    this.#told = true;
    const text = "This node has no lease: its agents wait until the leader of the cluster renews it";
    logger("lease").warn(text);
    this.#options.events.record("warn", "lease.lost", text, {});
  }

  #held(): void {
    this.#timer?.cancel();
    if (!this.#told) return;
    this.#told = false;
    const without_ms = Math.round(this.#options.lease.stats.gap_ms);
    const text = `This node has its lease again after ${formatDuration(without_ms)}: its agents go on`;
    logger("lease").info(text);
    this.#options.events.record("info", "lease.held", text, { without_ms });
  }
}
