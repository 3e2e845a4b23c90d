/** The clock of leases, as their drivers see it. Not for timers: those are `Clock`'s. */

export interface BootClock {
  /**
   * Milliseconds since the machine was booted, fractional, never going back. One clock for all threads and processes of
   * a machine, and it goes on while the machine is asleep or the process stopped.
   */
  now_ms(): number;
}
