/** Time, as the drivers see it: one real implementation and one simulated. Cores get `now` as an argument. */

export interface Timer {
  /** After this the callback never runs. Harmless twice. */
  cancel(): void;
}

export interface Clock {
  /** Wall clock, Unix milliseconds; may jump. For timestamps only. */
  wall_ms(): number;
  /** Milliseconds since some fixed moment, never going back, fractional. For every duration and time-out. */
  now_ms(): number;
  /** Runs `callback` once, `delay_ms` from now or later. */
  after(delay_ms: number, callback: () => void): Timer;
}
