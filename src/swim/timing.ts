/**
 * The timing of failure detection as a table of profiles, and what scales with the size of the cluster.
 * Times are for a healthy node; awareness stretches probes, size stretches suspicion and push-pull.
 */

export interface Timing {
  /** Protocol period P: one member is probed in each. */
  readonly probe_ms: number;
  /** For a direct ack; then helpers and a stream are asked for the rest of the period. */
  readonly timeout_ms: number;
  /** Suspicion lasts at least `suspicionMultiplier · max(1, log10 N) · P`, at most that many times more. */
  readonly suspicionMultiplier: number;
  readonly suspicionMaxMultiplier: number;
  /** Distinct accusers beyond the first that bring suspicion down to its least time. */
  readonly suspicionConfirmations: number;
  /** News goes to `gossipFanout` members each `gossip_ms`, only while there is news. */
  readonly gossip_ms: number;
  readonly gossipFanout: number;
  /** One piece of news is sent `retransmitMultiplier · ceil(log10(N + 1) + 1/2)` times. */
  readonly retransmitMultiplier: number;
  /** Helpers asked after a missed direct ack. */
  readonly indirectProbes: number;
  /** Whole tables are exchanged with one member this often, times `pushPullScale`. */
  readonly pushPull_ms: number;
  /** One failed member is told that it is accused this often: so a partition heals. */
  readonly deadProbe_ms: number;
  /** A seed or lost peer is contacted by stream this soon after a failure, doubling up to the limit. */
  readonly reconnect_ms: number;
  readonly reconnectLimit_ms: number;
  readonly streamTimeout_ms: number;
  /** News of load, at most this often. */
  readonly load_ms: number;
  /** The failed and the left are forgotten after these, and may not return unnoticed for `grave_ms`. */
  readonly reapFailed_ms: number;
  readonly reapLeft_ms: number;
  readonly grave_ms: number;
}

export const timingProfiles = ["local", "lan", "wan", "auto"] as const;
export type TimingProfile = (typeof timingProfiles)[number];

const minute_ms = 60_000;
const hour_ms = 60 * minute_ms;

const lan: Timing = {
  probe_ms: 300,
  timeout_ms: 150,
  suspicionMultiplier: 6,
  suspicionMaxMultiplier: 2,
  suspicionConfirmations: 2,
  gossip_ms: 100,
  gossipFanout: 3,
  retransmitMultiplier: 4,
  indirectProbes: 3,
  pushPull_ms: 15_000,
  deadProbe_ms: 1_000,
  reconnect_ms: 500,
  reconnectLimit_ms: 15_000,
  streamTimeout_ms: 3_000,
  load_ms: 3_000,
  reapFailed_ms: 24 * hour_ms,
  reapLeft_ms: 10 * minute_ms,
  grave_ms: 48 * hour_ms,
};

const profiles: Readonly<Record<Exclude<TimingProfile, "auto">, Timing>> = {
  local: { ...lan, probe_ms: 200, timeout_ms: 100, deadProbe_ms: 500, reconnectLimit_ms: 5_000 },
  lan,
  wan: {
    ...lan,
    probe_ms: 1_000,
    timeout_ms: 600,
    suspicionMultiplier: 5,
    suspicionMaxMultiplier: 4,
    gossip_ms: 300,
    pushPull_ms: 30_000,
    deadProbe_ms: 3_000,
    reconnect_ms: 1_000,
    reconnectLimit_ms: 30_000,
    streamTimeout_ms: 10_000,
    load_ms: 5_000,
  },
};

/** What an operator may set by hand; it wins over any profile. */
export type TimingOverrides = Partial<
  Pick<
    Timing,
    "probe_ms" | "timeout_ms" | "suspicionMultiplier" | "gossip_ms" | "gossipFanout" | "indirectProbes"
  >
>;

/** `auto` begins as `lan`, and follows what is measured: see `autoTiming`. */
export function timingOf(profile: TimingProfile, overrides: TimingOverrides = {}): Timing {
  return { ...profiles[profile === "auto" ? "lan" : profile], ...overrides };
}

/** Below this many samples the present choice stays. */
const autoSamples = 20;
const autoUp_ms = 50;
const autoDown_ms = 25;

/**
 * By the number of present members: the fewer, the less it costs all of them to be asked often. The last is `lan`,
 * in which a hundred still know of a silent one within 5 s.
 */
const autoSizes: readonly (Pick<Timing, "probe_ms" | "timeout_ms"> & { readonly below: number })[] = [
  { below: 10, probe_ms: 200, timeout_ms: 100 },
  { below: 51, probe_ms: 250, timeout_ms: 125 },
  { below: Infinity, probe_ms: lan.probe_ms, timeout_ms: lan.timeout_ms },
];
/** A cluster that shrinks is asked more often only when it is this share below the border. */
const autoSizeGap = 0.8;

/**
 * The timing that measured round trips and the size of the cluster ask for, with a gap between up and down, so that
 * it does not flap. `current` stays until there are enough round trips.
 */
export function autoTiming(
  current: Timing,
  roundTrips_ms: readonly number[],
  members: number,
  overrides: TimingOverrides = {},
): Timing {
  if (roundTrips_ms.length < autoSamples) return current;
  const sorted = roundTrips_ms.toSorted((a, b) => a - b);
  const high_ms = sorted[Math.floor(sorted.length * 0.9)] ?? 0;
  const isFar = current.pushPull_ms === profiles.wan.pushPull_ms;
  if (high_ms > (isFar ? autoDown_ms : autoUp_ms)) return timingOf("wan", overrides);
  const size = autoSizes.find(
    ({ below, probe_ms }) => members < (current.probe_ms > probe_ms ? below * autoSizeGap : below),
  );
  return {
    ...lan,
    probe_ms: size?.probe_ms ?? lan.probe_ms,
    timeout_ms: size?.timeout_ms ?? lan.timeout_ms,
    ...overrides,
  };
}

/**
 * As among ten members, however few there are: of eight that had just met, one in fifteen times one missed another's
 * join with half of it, and heard of it only by a whole table.
 */
const retransmitScale_min = 2;
/**
 * Each takes its news from others at random, so that of N some miss what each sends k times with a chance of N · e^-k:
 * without this one of a hundred members missed one of eighty pieces of news, and a removal for up to a minute. So it is
 * at most one in a hundred, and one in five hundred from 32 members on.
 */
const retransmitMargin = 0.5;

/**
 * How often one piece of news is sent in a cluster of `members`. In a storm of joins once more by `multiplier`: who
 * sends it knows only some of those that are to hear it.
 */
export function retransmitLimit(multiplier: number, members: number, stormy: boolean): number {
  const scale = Math.max(retransmitScale_min, Math.ceil(Math.log10(members + 1) + retransmitMargin));
  return multiplier * (stormy ? scale + 1 : scale);
}

/** Push-pull slows down above 32 members, so that its load per node stays bounded. */
export function pushPullScale(members: number): number {
  return members <= 32 ? 1 : 1 + Math.ceil(Math.log2(members / 32));
}
