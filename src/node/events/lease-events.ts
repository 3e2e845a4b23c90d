/**
 * Tells people that this node lost its lease, so that its agents wait, why, and when it is back. A gap that is over at once
 * (a leader that changed late) is counted by the metrics and told to nobody.
 */
import { formatDuration } from "../../base/durations.ts";
import { unreachable } from "../../base/assert.ts";
import type { NodeLease, RefusedLease } from "../../cluster/leases/node-lease.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { logger } from "../../telemetry/log.ts";
import type { EventLog } from "./event-log.ts";

const patience_ms = 250;
/** A node that starts has none at first. */
const firstPatience_ms = 10_000;

export interface LeaseEventsOptions {
  readonly lease: Pick<NodeLease, "subscribe" | "onRefused" | "stats">;
  /** As configured here. */
  readonly ttl_ms: number;
  readonly events: Pick<EventLog, "record">;
  readonly clock: Clock;
}

export class LeaseEvents {
  readonly #options: LeaseEventsOptions;
  readonly #unsubscribe: readonly (() => void)[];
  #timer: Timer | undefined;
  /** What was told of its loss. */
  #told: string | null = null;
  /** What was told of shorter leases: who grants them, and for how long. */
  #shorter = "";

  constructor(options: LeaseEventsOptions) {
    this.#options = options;
    this.#unsubscribe = [
      options.lease.subscribe((held) => {
        if (held) this.#held();
        else this.#wait(patience_ms - options.lease.stats.without_ms);
      }),
      options.lease.onRefused((refused) => {
        if (refused.why === "term") this.#shortened(refused);
        else if (this.#told !== null) this.#lost();
      }),
    ];
    this.#wait(firstPatience_ms);
  }

  close(): void {
    this.#timer?.cancel();
    for (const end of this.#unsubscribe) end();
  }

  #wait(left_ms: number): void {
    this.#timer?.cancel();
    if (left_ms <= 0) this.#lost();
    else this.#timer = this.#options.clock.after(left_ms, () => this.#lost());
  }

  /** Told again where another reason is known by now. */
  #lost(): void {
    const { refused } = this.#options.lease.stats;
    const why = refused === null ? "" : `, since ${refusedText(refused)}`;
    const text = `This node has no lease${why}: its agents wait until the leader of the cluster renews it`;
    if (this.#told === text) return;
    this.#told = text;
    logger("lease").warn(text);
    this.#options.events.record("warn", "lease.lost", text, refused === null ? {} : { why: refused.why });
  }

  /** It goes on, for less long: agents are parked sooner when the leader falls silent. */
  #shortened({ leader, ttl_ms }: RefusedLease): void {
    const told = `${leader} ${ttl_ms}`;
    if (this.#shorter === told) return;
    this.#shorter = told;
    const [here, there] = [this.#options.ttl_ms, ttl_ms].map(formatDuration);
    const text =
      `failover.lease_ttl is ${here} here and ${there} at the leader (${leader}), whose leases last ${there}: ` +
      "give all nodes the same";
    logger("lease").warn(text);
    this.#options.events.record("warn", "lease.shorter", text, { leader, ttl_ms });
  }

  #held(): void {
    this.#timer?.cancel();
    if (this.#told === null) return;
    this.#told = null;
    const without_ms = Math.round(this.#options.lease.stats.gap_ms);
    const text = `This node has its lease again after ${formatDuration(without_ms)}: its agents go on`;
    logger("lease").info(text);
    this.#options.events.record("info", "lease.held", text, { without_ms });
  }
}

/** Why it has none, for a sentence. */
export function refusedText({ leader, why, ttl_ms }: RefusedLease): string {
  switch (why) {
    case "term":
      return `the leader (${leader}) grants leases for ${formatDuration(ttl_ms)} at most`;
    case "unregistered":
      return `the leader (${leader}) does not know this start of it yet`;
    case "given_away":
      return `the leader (${leader}) is giving its agents to others`;
    case "barred":
      return `the leader (${leader}) grants this start of it none any more`;
    default:
      return unreachable(why);
  }
}
