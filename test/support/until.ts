/** Waits for a condition of the real world, which nothing announces. Fails when it never comes true. */
import { setTimeout as sleep } from "node:timers/promises";

const poll_ms = 5;
/** Below the deadline of a test, so that the failure names the condition. */
const limit_ms = 20_000;

export async function until(condition: () => boolean): Promise<void> {
  for (let waited_ms = 0; waited_ms < limit_ms; waited_ms += poll_ms) {
    if (condition()) return;
    await sleep(poll_ms);
  }
  throw new Error(`Not within ${limit_ms} ms: ${condition.toString()}`);
}
