/**
 * Heartbeats and election time-outs. A profile names the least values; a measured round trip raises them, so that
 * a time-out is never below ten round trips (an election costs two, and loss must not look like death).
 */
export interface RaftTiming {
  readonly heartbeat_ms: number;
  /** E: followers campaign after a random time in [E, 2E) without a leader; a leader without a quorum for E steps down. */
  readonly election_ms: number;
}

export type RaftProfile = "local" | "lan" | "wan";

const profiles: Readonly<Record<RaftProfile, RaftTiming>> = {
  local: { heartbeat_ms: 50, election_ms: 150 },
  lan: { heartbeat_ms: 100, election_ms: 500 },
  wan: { heartbeat_ms: 300, election_ms: 2_000 },
};

export const roundTripsPerElection = 10;
/** Above this a measurement is taken for an error. */
export const roundTripLimit_ms = 5_000;

export function raftTimingOf(profile: RaftProfile): RaftTiming {
  return profiles[profile];
}

/** The timing in use over a path of `roundTrip_ms`; heartbeats keep their share of the election time-out. */
export function stretched(timing: RaftTiming, roundTrip_ms: number): RaftTiming {
  const least_ms = roundTripsPerElection * Math.min(Math.max(roundTrip_ms, 0), roundTripLimit_ms);
  if (least_ms <= timing.election_ms) return timing;
  const factor = least_ms / timing.election_ms;
  return { heartbeat_ms: timing.heartbeat_ms * factor, election_ms: least_ms };
}
