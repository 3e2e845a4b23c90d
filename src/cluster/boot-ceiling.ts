/** The highest boot epoch that anybody may claim: of gossip packets, hellos, certificates and streams alike. */
import type { Clock } from "../ports/clock.ts";

/** No clock of the cluster is a day ahead of this one; a machine without a set clock cannot judge. */
const clockAhead_ms = 24 * 3_600_000;
const clockIsSet_ms = Date.UTC(2020, 0, 1);

/** Boot epochs are wall times of starts (or small counts), so one of the far future is poison. */
export function bootCeiling(clock: Pick<Clock, "wall_ms">): number {
  const wall_ms = clock.wall_ms();
  return wall_ms > clockIsSet_ms ? wall_ms + clockAhead_ms : Infinity;
}
