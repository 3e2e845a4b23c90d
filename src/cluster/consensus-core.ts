/** The Raft core as a node runs it: with hints, and so without lease reads. */
import type { Clock } from "../ports/clock.ts";
import type { RaftLimits } from "../raft/options.ts";
import { Raft } from "../raft/raft.ts";
import type { RaftTiming } from "../raft/timing.ts";
import type { RaftLog } from "../store/raft-log.ts";

export interface CoreOptions {
  readonly log: RaftLog;
  /** Null: a witness. */
  readonly state: object | null;
  readonly clock: Clock;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly seed: number;
}

export function coreOf(options: CoreOptions, appliedIndex: number): Raft {
  const { log, state, clock, timing, limits, seed } = options;
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
    log.stored(appliedIndex),
    log,
    clock.now_ms(),
  );
}
