/** What is asked of the consensus driver and what it answers and tells: plain data, for a thread's channel and the simulator. */
import type { NodeId } from "../../base/ids.ts";
import type { LogInspection } from "./log-inspection.ts";
import type { ConsensusStats, ConsensusStatus, Consistency, MemberChange, StateCheck } from "./consensus.ts";

/** Each has a number that its asker never uses twice; every one is answered, at its time-out at the latest. */
export type ConsensusRequest = { readonly request: number; readonly timeout_ms: number } & (
  | { readonly kind: "propose"; readonly command: Uint8Array }
  | { readonly kind: "read"; readonly query: Uint8Array; readonly consistency: Consistency }
  | { readonly kind: "transfer"; readonly to: NodeId | null }
  | { readonly kind: "membership"; readonly changes: readonly MemberChange[] }
  | { readonly kind: "check" }
  | { readonly kind: "compact" }
  | { readonly kind: "inspect"; readonly from: number }
  | { readonly kind: "stats" }
  /** Ends what waits for a leader or its answer, each with what is true of it. */
  | { readonly kind: "give_up" }
);

/** What the driver answers: the log is looked at by its opener. */
export type DriverRequest = Exclude<ConsensusRequest, { kind: "inspect" }>;

export type ConsensusAnswer = { readonly request: number } & (
  | {
      readonly kind: "committed";
      readonly index: number;
      readonly term: number;
      readonly outcome: Uint8Array;
    }
  | { readonly kind: "read"; readonly bytes: Uint8Array; readonly appliedIndex: number }
  | { readonly kind: "transferred"; readonly to: NodeId }
  | { readonly kind: "changed"; readonly index: number }
  | { readonly kind: "checked"; readonly check: StateCheck }
  | { readonly kind: "compacted"; readonly index: number }
  | { readonly kind: "inspected"; readonly inspection: LogInspection }
  | { readonly kind: "stats"; readonly stats: ConsensusStats }
  | { readonly kind: "given_up" }
  | { readonly kind: "failed"; readonly code: string; readonly detail: string }
);

export type ConsensusReport =
  | { readonly kind: "answer"; readonly answer: ConsensusAnswer }
  /** `changed`: something besides indices is another than was told last. */
  | { readonly kind: "status"; readonly status: ConsensusStatus; readonly changed: boolean }
  /** The log could not be written: this driver takes no further part. */
  | { readonly kind: "failed"; readonly code: string; readonly detail: string }
  /** A voter has heard of a later boot of this log than its own disk has: the disk is an old copy. */
  | { readonly kind: "outdated"; readonly detail: string };
