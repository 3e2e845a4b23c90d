/**
 * Mail for nodes that a partition keeps from this one, and mail of a node that may not act. A cut that lasts is no
 * reason for a dead letter: what is on disk waits for its end, within a bound. What is in memory only ends in its time.
 */
import type { Item } from "./lane.ts";

/** What is in the outbox waits for the end of a partition for so long at most. */
const holdLimit_ms = 24 * 3_600_000;
/** After the end of a partition: until nodes that are reached again are known to be. */
const held_ms = 30_000;

/** The node of its receiver is out of reach for a partition's sake, or this node may not send it yet. */
export function holdOn(item: Item, now_ms: number): void {
  if (!item.durable) return;
  item.holdUntil_ms ??= now_ms + holdLimit_ms;
  item.giveUpAt_ms = Math.max(item.giveUpAt_ms, Math.min(item.holdUntil_ms, now_ms + held_ms));
}
