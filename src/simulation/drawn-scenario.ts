/**
 * The scenario of `caxton simulate` without a file: an opening in which one thing after another happens to a calm
 * cluster, faults at random, a closing (`closing.ts`) and quiet. So a run with all kinds of faults looks at every invariant.
 */
import { type Bounds, boundsOf } from "./bounds.ts";
import { drawClosing, openingRemoved } from "./closing.ts";
import { messageRetry_ms } from "./messaging.ts";
import { nodeName } from "./node-set.ts";
import { type FaultName, randomFaults } from "./random-schedule.ts";
import { geographyOf } from "./regions.ts";
import { type Fault, perfectNetwork, type RegionPlan, type Scenario } from "./scenario.ts";
import type { TimingProfile } from "../swim/timing.ts";

export interface Wish {
  readonly seed: number;
  readonly nodes: number;
  readonly regions: RegionPlan;
  /** `lan` unless given, `wan` for cities. */
  readonly profile?: TimingProfile;
  readonly duration_ms?: number;
  readonly faults: readonly FaultName[];
  /** Of one datagram, from 0 to 1. */
  readonly loss: number;
  readonly agents: number;
  /** Of all nodes together, in a second. */
  readonly messages: number;
}

/** Random faults have so long. */
const random_ms = 45_000;
/** Everybody joined by then. */
const joined_ms = 5_000;
/** Between what makes the opening, and before what comes at random. */
const breath_ms = 1_000;
/** So long everybody is seen to agree at the end. */
const agreed_ms = 3_000;
/** Of the retrying of the last message that was sent, to see its end. */
const messageSlack_ms = 38_000;
/** Of a duration that was asked for, so much is quiet at most. */
const quietMost = 0.6;
/** Fewer nodes have nobody to spare for the opening. */
const openingNodes = 5;
const deployed = 20;

export function drawScenario(wish: Wish): Scenario {
  const { seed, nodes, regions, agents, faults: names } = wish;
  const base: Scenario = {
    seed,
    nodes,
    regions,
    profile: wish.profile ?? (regions === "cities" ? "wan" : "lan"),
    duration_ms: 0,
    agents,
    ...(wish.messages > 0 && agents > 0 && { messages: wish.messages / nodes }),
    network: { ...perfectNetwork, loss: wish.loss },
    faults: [],
  };
  const bounds = boundsOf(base, geographyOf(regions));
  const messagesEnd_ms = base.messages === undefined ? 0 : messageRetry_ms + messageSlack_ms;
  const needed_ms = Math.max(Math.ceil(bounds.convergence_ms) + agreed_ms, messagesEnd_ms);
  const opening = wish.duration_ms === undefined ? openingFaults(nodes, names, bounds) : [];
  const opened_ms = opening.length === 0 ? 2 * joined_ms : openingEnd_ms(bounds);
  if (wish.duration_ms !== undefined) {
    const { duration_ms } = wish;
    const timed = { ...base, duration_ms };
    const quiet_ms = Math.min(needed_ms, quietMost * duration_ms);
    return { ...timed, faults: randomFaults(timed, names, quiet_ms, opened_ms) };
  }
  const closing = drawClosing({ seed, nodes, names, bounds }, opened_ms + random_ms);
  const timed = { ...base, duration_ms: closing.end_ms + needed_ms };
  const random = randomFaults(timed, names, timed.duration_ms - opened_ms - random_ms, opened_ms);
  return { ...timed, faults: [...opening, ...random, ...closing.faults] };
}

/** A crash, a removal, a goodbye and new agents, each where nothing else hides what comes of it. */
function openingFaults(nodes: number, names: readonly FaultName[], bounds: Bounds): Fault[] {
  if (nodes < openingNodes) return [];
  const calm_ms = calmFrom_ms(bounds);
  const for_ms = openingEnd_ms(bounds) - joined_ms;
  const cast = {
    by: nodeName(0),
    owner: nodeName(1),
    leaver: nodeName(2),
    crashed: nodeName(3),
    removed: nodeName(openingRemoved),
  };
  const opening: readonly (readonly [FaultName, Fault])[] = [
    // Nothing but probes tells of this one.
    ["crash", { kind: "crash", at_ms: joined_ms, for_ms, nodes: cast.crashed, silent: true }],
    ["remove", { kind: "crash", at_ms: joined_ms, nodes: cast.removed, certified: true }],
    ["remove", { kind: "remove", at_ms: calm_ms, nodes: cast.removed, by: cast.by }],
    ["leave", { kind: "leave", at_ms: calm_ms, for_ms, nodes: cast.leaver }],
    ["deploy", { kind: "deploy", at_ms: calm_ms, nodes: cast.owner, count: deployed }],
  ];
  return opening.flatMap(([name, fault]) => (names.includes(name) ? [fault] : []));
}

/** Checkers look at who was well for that long. */
function calmFrom_ms({ grace_ms }: Bounds): number {
  return Math.ceil(grace_ms) + joined_ms;
}

function openingEnd_ms(bounds: Bounds): number {
  const known_ms = Math.max(joined_ms + bounds.detection_ms, calmFrom_ms(bounds) + bounds.news_ms);
  return Math.ceil(known_ms) + 2 * breath_ms;
}
