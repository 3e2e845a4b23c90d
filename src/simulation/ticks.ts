/**
 * Virtual time moves in steps of 1/1024 ms. Sums of these are exact, so a last digit in which two
 * runtimes' logarithms differ does not become another order of events.
 */
const perMillisecond = 1_024;

/** The next step at or after `duration_ms`. */
export function toTicks_ms(duration_ms: number): number {
  return Math.ceil(Math.max(0, duration_ms) * perMillisecond) / perMillisecond;
}

/** A moment as a whole number. */
export function ticksOf(moment_ms: number): number {
  return Math.round(moment_ms * perMillisecond);
}
