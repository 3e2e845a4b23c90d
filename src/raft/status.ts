/** What a core tells of itself: a value, made anew at each call. */
import type { Configuration, RaftId } from "./configuration.ts";
import type { RaftRole } from "./effects.ts";

export interface PeerStatus {
  readonly id: RaftId;
  /** The highest index that the leader knows to be on its disk; null on any other participant. */
  readonly match: number | null;
  /** When it was last heard of, ms on the core's clock; null never. */
  readonly heard_ms: number | null;
  /** Probing, replicating, or being sent a snapshot; null where this is not the leader. */
  readonly progress: "probe" | "replicate" | "snapshot" | null;
  /** A learner (or anyone) near enough to the end of the log to become a voter. */
  readonly caughtUp: boolean;
}

export interface RaftStatus {
  readonly role: RaftRole;
  readonly term: number;
  readonly leader: RaftId | null;
  readonly configuration: Configuration;
  readonly commit: number;
  readonly applied: number;
  readonly last: number;
  /** The last compacted index. */
  readonly base: number;
  readonly peers: readonly PeerStatus[];
  /** Leads with a quorum heard of within an election time-out, or has heard of a leader within one. */
  readonly quorum: boolean;
  /** A leader that has committed an entry of its own term: it answers reads and changes of members. */
  readonly ready: boolean;
  /** Witnesses count toward commit now, since no majority of data voters is in reach. */
  readonly witnessCounts: boolean;
  /** Why this participant takes no part any more; null while it does. */
  readonly stopped: string | null;
}
