/** The machine's clocks, on Bun, Deno and Node. Nothing else in the product reads time by itself. */
import type { Clock } from "../../ports/clock.ts";

/** Timers above this are clamped by the runtimes to 1 ms; longer delays are taken in steps. */
const longestTimer_ms = 2 ** 31 - 1;

export const systemClock: Clock = {
  wall_ms: () => Date.now(),
  now_ms: () => performance.now(),
  after(delay_ms, callback) {
    const due_ms = performance.now() + delay_ms;
    let handle: ReturnType<typeof setTimeout>;
    const arm = (): void => {
      const rest_ms = due_ms - performance.now();
      if (rest_ms > longestTimer_ms) handle = setTimeout(arm, longestTimer_ms);
      // Rounded up: a timer of the runtime counts whole milliseconds and must not fire before its time.
      else handle = setTimeout(callback, Math.max(0, Math.ceil(rest_ms)));
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};
