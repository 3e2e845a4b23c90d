/** The Raft core on what the disk holds, with the choices that this program makes for every participant. */
import type { ReplicatedState } from "../../control/replicated-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { RaftLimits } from "../../raft/options.ts";
import { Raft } from "../../raft/raft.ts";
import type { RaftTiming } from "../../raft/timing.ts";
import type { RaftLog } from "../../store/raft-log.ts";

interface CoreParts {
  readonly log: RaftLog;
  /** Null of a witness. */
  readonly state: ReplicatedState | null;
  readonly clock: Clock;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly seed: number;
}

export function coreOf({ log, state, clock, timing, limits, seed }: CoreParts): Raft {
  return new Raft(
    {
      self: log.boots.self,
      witness: state === null,
      timing,
      hints: true,
      leaseReads: false,
      clockDrift: 0.01,
      limits,
      seed,
    },
    log.stored(state === null ? log.base.index : state.applied.index),
    log,
    clock.now_ms(),
  );
}
