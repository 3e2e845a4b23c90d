/** What a consensus driver is made of: its disk, its state, its links, its clock, its settings. */
import type { ReplicatedState } from "../../control/replicated-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { RaftId } from "../../raft/configuration.ts";
import type { RaftLimits } from "../../raft/options.ts";
import type { RaftTiming } from "../../raft/timing.ts";
import type { RaftLog } from "../../store/raft-log.ts";
import type { ConsensusReport } from "./requests.ts";
import type { ConsensusTransport } from "./transport.ts";
import type { LeaseGround, LeaseHooks } from "../leases/driver.ts";

export interface ConsensusDriverOptions {
  readonly log: RaftLog;
  /** Null: a witness, which keeps no state. */
  readonly state: ReplicatedState | null;
  readonly clock: Clock;
  /** Runs the callback in a later turn of the loop, after what was written to sockets has left. */
  readonly soon: (callback: () => void) => void;
  readonly transport: ConsensusTransport;
  readonly report: (report: ConsensusReport) => void;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  /** Entries applied between two times that the state machine is made durable, and the log compacted. */
  readonly snapshotEvery_entries: number;
  readonly seed: number;
  /** What `heard` of the driver before this one was, on the same links; empty for the first. */
  readonly heard: ReadonlyMap<RaftId, number>;
  /** Leases, on the same links and thread; a witness has none. */
  readonly lease?: (ground: LeaseGround) => LeaseHooks;
}
