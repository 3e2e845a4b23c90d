/** Waits for a condition of the real world, which nothing announces. Fails when it never comes true. */
import { setTimeout as sleep } from "node:timers/promises";
import { patience_ms } from "./patience.ts";

const poll_ms = 5;

/** Counts its own looks, not time: while the machine stands still, nothing is missed. */
export async function until(condition: () => boolean): Promise<void> {
  for (let waited_ms = 0; waited_ms < patience_ms; waited_ms += poll_ms) {
    if (condition()) return;
    await sleep(poll_ms);
  }
  throw new Error(`Not within ${patience_ms} ms: ${condition.toString()}`);
}
