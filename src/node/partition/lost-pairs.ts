/**
 * Tells people that this node and another, which is there and reaches the rest, do not reach each other, and when they do
 * again. Both ends tell of it; who follows the events of all is shown it once (`cluster-events.ts`). A node that is cut off
 * itself tells of that instead, and one that nobody hears fails.
 */
import type { NodeId } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { PartitionMonitor } from "../../cluster/partition-monitor.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { logger } from "../../telemetry/log.ts";
import type { EventLog } from "../events/event-log.ts";

export const pairEvent = "partition.pair";

const look_ms = 1_000;
/** Longer than a lost stream takes to be dialled anew after a cut of all, or a pause. */
const patience_ms = 10_000;
/** Told of at a time; what is worse is for `detect-partition`. */
const pairsLimit = 20;

export interface LostPairsOptions {
  readonly membership: Pick<Membership, "self" | "member">;
  readonly monitor: Pick<PartitionMonitor, "view" | "minority">;
  readonly events: Pick<EventLog, "record">;
  readonly clock: Clock;
}

export class LostPairs {
  readonly #options: LostPairsOptions;
  /** Since when each is lost, on the monotonic clock. */
  #since_ms: ReadonlyMap<NodeId, number> = new Map();
  readonly #told = new Set<NodeId>();
  #timer: Timer | undefined;

  constructor(options: LostPairsOptions) {
    this.#options = options;
    this.#lookSoon();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #lookSoon(): void {
    this.#timer = this.#options.clock.after(look_ms, () => {
      this.#look();
      this.#lookSoon();
    });
  }

  #look(): void {
    const { membership, monitor, clock } = this.#options;
    const now_ms = clock.now_ms();
    const statusOf = (node: NodeId): string | undefined => membership.member(node)?.status;
    const { silent } = monitor.view();
    const there = monitor.minority ? [] : silent.filter((node) => statusOf(node) === "alive");
    this.#since_ms = new Map(there.map((node) => [node, this.#since_ms.get(node) ?? now_ms]));
    for (const node of this.#told) {
      // That it failed, or left, is told as such.
      if (statusOf(node) !== "alive" && statusOf(node) !== "suspect") this.#told.delete(node);
      else if (!silent.includes(node)) this.#tell(node, false);
    }
    for (const [node, since_ms] of this.#since_ms) {
      if (now_ms - since_ms < patience_ms || this.#told.has(node)) continue;
      if (this.#told.size < pairsLimit) this.#tell(node, true);
    }
  }

  #tell(node: NodeId, isLost: boolean): void {
    const { membership, events } = this.#options;
    const nodes = [membership.self, node].toSorted();
    const text = isLost
      ? `${nodes.join(" and ")} do not reach each other`
      : `${nodes.join(" and ")} reach each other again`;
    if (isLost) this.#told.add(node);
    else this.#told.delete(node);
    if (isLost) logger("partition").warn(text);
    else logger("partition").info(text);
    events.record(isLost ? "warn" : "info", pairEvent, text, { nodes, lost: isLost });
  }
}
