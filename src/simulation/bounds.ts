/**
 * How long things may take at most, from the protocol's own timing: what the checkers hold it to. Wide enough
 * that only a wrong rule breaks them, not bad luck: a member escapes k periods of probing with chance e^−k.
 */
import { suspicionBounds } from "../swim/suspicion.ts";
import { pushPullScale, type Timing, timingOf } from "../swim/timing.ts";
import type { Geography } from "./regions.ts";
import { longestRoundTrip_ms } from "./regions.ts";
import type { Scenario } from "./scenario.ts";

export interface Bounds {
  readonly timing: Timing;
  /** A crash is known to every well survivor. */
  readonly detection_ms: number;
  /** What a launcher certifies is known to everybody: well before anybody is suspected for long enough. */
  readonly certified_ms: number;
  /** After a disturbance: every accusation of it has run out or was refuted. */
  readonly grace_ms: number;
  /** Who is accused, and well again, has heard of it and its refutation is known. */
  readonly refutation_ms: number;
  /** Answers arrive in time: direct probes succeed without loss. */
  readonly probesFit: boolean;
  /** A change that a well node announces is known to every well node. */
  readonly news_ms: number;
  /** A process that starts is a member in everybody's eyes. */
  readonly joining_ms: number;
  /** Without any disturbance all agree on who is there and what they host. */
  readonly convergence_ms: number;
  /** A member that asks for tables in turn has asked somebody for one. */
  readonly table_ms: number;
  /** Also what is in tables only has come to everybody. */
  readonly tables_ms: number;
  /** Packets a node and second in a cluster where nothing happens. */
  readonly idlePackets: number;
}

const escapes = 14;
const spreading = 20;
/** Rounds of gossip: a few know it from the launcher. */
const certifying = 8;
/** A launcher sends it more than once. */
const certificates_ms = 100;
/** Delays vary. */
const slack = 1.2;

export function boundsOf(scenario: Scenario, geography: Geography): Bounds {
  const timing = timingOf(scenario.profile === "auto" ? "wan" : scenario.profile);
  const { probe_ms, gossip_ms, reconnectLimit_ms, streamTimeout_ms } = timing;
  const roundTrip_ms = longestRoundTrip_ms(geography);
  const { most_ms } = suspicionBounds(timing, scenario.nodes);
  const spread_ms = spreading * (gossip_ms + roundTrip_ms / 2);
  const detection_ms = (escapes + 2) * probe_ms + most_ms + spread_ms;
  const grace_ms = most_ms + 10 * probe_ms;
  const convergence_ms = 2 * reconnectLimit_ms + streamTimeout_ms + detection_ms;
  const table_ms = 1.25 * timing.pushPull_ms * pushPullScale(scenario.nodes) + spread_ms;
  const tables_ms = 1.5 * timing.pushPull_ms * pushPullScale(scenario.nodes) + spread_ms;
  return {
    timing,
    detection_ms,
    certified_ms: certifying * (gossip_ms + roundTrip_ms / 2) + certificates_ms,
    grace_ms,
    refutation_ms: 6 * probe_ms + roundTrip_ms,
    probesFit: roundTrip_ms * slack < timing.timeout_ms,
    news_ms: 15 * probe_ms + spread_ms,
    joining_ms: 2 * reconnectLimit_ms + spread_ms,
    convergence_ms,
    table_ms,
    tables_ms: Math.max(convergence_ms, tables_ms),
    idlePackets: ((2.5 + 25 * (scenario.network.loss + scenario.network.corruption)) * 1_000) / probe_ms,
  };
}
