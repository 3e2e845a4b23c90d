/**
 * What follows the random faults of a drawn scenario, each where nothing else hides what comes of it: machines that
 * stand still, and then either removals that one node each misses, or the loss of all seeds and a cut.
 */
import type { Bounds } from "./bounds.ts";
import { generatorOf } from "./generator.ts";
import { formatNodeSet, nodeName } from "./node-set.ts";
import type { FaultName } from "./random-schedule.ts";
import { type Fault, seedsCount } from "./scenario.ts";

/** Fewer nodes have nobody to spare. */
export const closingNodes = 5;
/** Is gone for good since the opening. */
export const openingRemoved = 4;
const breath_ms = 1_000;
/** One is suspected because of it, others sleep over the end of that suspicion. */
const shortPause_ms = 1_200;
const nap_ms = 4_000;
/** A machine loses its network before its processor stands still: so a probe may be under way. */
const networkFirst_ms = 150;
/** Longer than news goes round, shorter than a suspicion. */
const missed_ms = 1_900;
const missersMost = 3;

export interface Closing {
  readonly faults: readonly Fault[];
  /** When all of it is over. */
  readonly end_ms: number;
}

interface Plan {
  readonly seed: number;
  readonly nodes: number;
  readonly names: readonly FaultName[];
  readonly bounds: Bounds;
}

/** From `at_ms` on. */
export function drawClosing({ seed, nodes, names, bounds }: Plan, at_ms: number): Closing {
  const has = (...needed: readonly FaultName[]): boolean => needed.every((name) => names.includes(name));
  if (nodes < closingNodes || names.length === 1) return { faults: [], end_ms: at_ms };
  const prng = generatorOf(seed, "closing");
  const seeds = Math.min(seedsCount, nodes);
  const others = prng.shuffle(range(nodes).filter((node) => node >= seeds && node !== openingRemoved));
  const naps_ms = at_ms + Math.ceil(bounds.grace_ms) + breath_ms;
  const naps = has("pause", "cut") ? nap(others.slice(0, 1 + napping(nodes)), naps_ms) : [];
  const rest_ms = naps_ms + shortPause_ms + nap_ms + breath_ms;
  const losesSeeds = prng.chance(0.4);
  // Nobody is left by whom to join again: the halves must find each other.
  if (losesSeeds && has("crash", "cut")) {
    const cut = others.slice(0, Math.ceil(others.length / 2));
    // So long that nobody of the other half is even suspected any more.
    const cut_ms = Math.ceil(1.5 * bounds.detection_ms);
    const lost: Fault[] = [
      { kind: "crash", at_ms, nodes: formatNodeSet(range(seeds)) },
      { kind: "cut", at_ms: rest_ms, for_ms: cut_ms, nodes: formatNodeSet(cut.toSorted(ascending)) },
    ];
    return { faults: [...naps, ...lost], end_ms: rest_ms + cut_ms };
  }
  if (!has("remove", "cut")) return { faults: naps, end_ms: rest_ms };
  const missers = Math.max(1, Math.min(missersMost, Math.floor(others.length / 3)));
  const removed_ms = Math.max(rest_ms, at_ms + Math.ceil(bounds.detection_ms) + breath_ms);
  const cast = { removed: others.slice(-missers), missers: others.slice(0, missers) };
  const faults = [...naps, ...missedRemovals(cast, formatNodeSet(range(seeds)), at_ms, removed_ms)];
  return { faults, end_ms: removed_ms + missers * (missed_ms + breath_ms) };
}

/** So few that nobody doubts everybody. */
function napping(nodes: number): number {
  return Math.max(1, Math.min(missersMost, Math.floor(nodes / 3) - 1));
}

function nap([accused, ...sleepers]: readonly number[], at_ms: number): Fault[] {
  if (accused === undefined) return [];
  const pause: Fault = { kind: "pause", at_ms, for_ms: shortPause_ms, nodes: nodeName(accused) };
  const slept_ms = at_ms + shortPause_ms - networkFirst_ms;
  // One after the other, so that each is met at another moment of its period.
  const asleep = sleepers.flatMap((node, i): Fault[] => {
    const [nodes, from_ms] = [nodeName(node), slept_ms + i * (networkFirst_ms / 2)];
    return [
      { kind: "cut", at_ms: from_ms, for_ms: networkFirst_ms + 100, nodes },
      { kind: "pause", at_ms: from_ms + networkFirst_ms, for_ms: nap_ms - i * networkFirst_ms, nodes },
    ];
  });
  return [pause, ...asleep];
}

/** Only whole tables tell of a removal whose packets were missed. */
function missedRemovals(
  { removed, missers }: { readonly removed: readonly number[]; readonly missers: readonly number[] },
  by: string,
  crashed_ms: number,
  removed_ms: number,
): Fault[] {
  const crash: Fault = {
    kind: "crash",
    at_ms: crashed_ms,
    nodes: formatNodeSet(removed.toSorted(ascending)),
  };
  return [
    crash,
    ...removed.flatMap((node, i): Fault[] => {
      const at_ms = removed_ms + i * (missed_ms + breath_ms);
      return [
        { kind: "cut", at_ms: at_ms - 50, for_ms: missed_ms, nodes: nodeName(missers[i] ?? 0) },
        { kind: "remove", at_ms, nodes: nodeName(node), by },
      ];
    }),
  ];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

const ascending = (a: number, b: number): number => a - b;
