/**
 * Vivaldi network coordinates (Dabek et al. 2004) with heights, the adjustment of Lee et al. 2006 and the
 * gravity of Ledlie et al. 2007, so that a round trip between any two members can be told without
 * measuring it. What another node says of itself is checked first: no value of it can spoil this one's.
 */
import type { NodeId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import type { Coordinate } from "../wire/gossip-coordinate.ts";
import { RoundTrips } from "./round-trips.ts";

export const dimensions = 8;
export const errorMost = 1.5;
export const heightLeast_ms = 0.01;
const adjustmentWindow = 20;
/** How far one sample moves the error (ce) and the place (cc). */
const errorTuning = 0.25;
const placeTuning = 0.25;
const medianOf = 3;
/** Pulls towards the origin, so that all do not drift together; in seconds, as the square of its share. */
const gravity_s = 150;
const roundTripMost_ms = 10_000;
/** Nothing is measured finer, and nothing is divided by less. */
const least_ms = 1e-3;
/** Beyond it no place of this earth is, whatever the error. */
const placeMost_ms = 1e6;
/** Above this error a place says little: what was measured is better. */
const poorError = 0.5;

export type CoordinateRefusal = "bad_coordinate" | "bad_round_trip";

/** What is known of one end of a distance. */
export interface Place {
  readonly coordinate: Coordinate;
  /** Median of the round trips measured to it from here, once there are enough; of this node itself undefined. */
  readonly measured_ms: number | undefined;
}

export const originCoordinate: Coordinate = {
  vector_ms: Array.from({ length: dimensions }, () => 0),
  error: errorMost,
  adjustment_ms: 0,
  height_ms: heightLeast_ms,
};

export class Coordinates {
  #own: Coordinate = originCoordinate;
  #resets = 0;
  readonly #others = new Map<NodeId, Coordinate>();
  readonly #recent = new Map<NodeId, number[]>();
  readonly #roundTrips = new Map<NodeId, RoundTrips>();
  readonly #adjustments: number[] = [];
  /** Nodes whose place was heard of since they were last asked for. */
  #changed = new Set<NodeId>();
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  get own(): Coordinate {
    return this.#own;
  }

  /** How often this node's own place was no number any more and began anew. */
  get resets(): number {
    return this.#resets;
  }

  of(node: NodeId): Place | undefined {
    const coordinate = this.#others.get(node);
    return coordinate && { coordinate, measured_ms: this.#roundTrips.get(node)?.median_ms };
  }

  /** The class of measured distance, 0 nearest; undefined until there are enough samples. */
  ring(node: NodeId): number | undefined {
    return this.#roundTrips.get(node)?.ring;
  }

  forget(node: NodeId): void {
    this.#others.delete(node);
    this.#recent.delete(node);
    this.#roundTrips.delete(node);
    this.#changed.delete(node);
  }

  /** The nodes heard of since the last call. */
  takeChanged(): readonly NodeId[] {
    const changed = [...this.#changed];
    this.#changed = new Set();
    return changed;
  }

  /** One measured round trip to `node`, and what it said of its place with the answer. */
  observe(node: NodeId, roundTrip_ms: number, said: Coordinate): CoordinateRefusal | undefined {
    if (!isSane(said)) return "bad_coordinate";
    if (!(roundTrip_ms > 0 && roundTrip_ms <= roundTripMost_ms)) return "bad_round_trip";
    this.#others.set(node, said);
    this.#changed.add(node);
    const measured = this.#roundTrips.get(node) ?? new RoundTrips();
    this.#roundTrips.set(node, measured);
    measured.add(roundTrip_ms);
    const usual_ms = this.#usual(node, roundTrip_ms);
    this.#own = this.#pulled(this.#adjusted(this.#moved(said, usual_ms), said, usual_ms));
    if (isSane(this.#own)) return undefined;
    this.#own = originCoordinate;
    this.#adjustments.length = 0;
    this.#resets++;
    return undefined;
  }

  /** A single late packet says nothing of the distance. */
  #usual(node: NodeId, roundTrip_ms: number): number {
    const recent = this.#recent.get(node) ?? [];
    this.#recent.set(node, recent);
    recent.push(roundTrip_ms);
    if (recent.length > medianOf) recent.shift();
    return Math.max(
      least_ms,
      recent.toSorted((a, b) => a - b)[Math.floor(recent.length / 2)] ?? roundTrip_ms,
    );
  }

  #moved(other: Coordinate, roundTrip_ms: number): Coordinate {
    const own = this.#own;
    const wrong = Math.abs(distance_ms(own, other) - roundTrip_ms) / roundTrip_ms;
    const weight = own.error / Math.max(own.error + other.error, 1e-6);
    const step = errorTuning * weight;
    const error = Math.min(errorMost, wrong * step + own.error * (1 - step));
    const force_ms = placeTuning * weight * (roundTrip_ms - distance_ms(own, other));
    return this.#pushed({ ...own, error }, force_ms, other);
  }

  #adjusted(own: Coordinate, other: Coordinate, roundTrip_ms: number): Coordinate {
    this.#adjustments.push(roundTrip_ms - rawDistance_ms(own, other));
    if (this.#adjustments.length > adjustmentWindow) this.#adjustments.shift();
    const sum_ms = this.#adjustments.reduce((sum, one) => sum + one, 0);
    return { ...own, adjustment_ms: sum_ms / (2 * adjustmentWindow) };
  }

  #pulled(own: Coordinate): Coordinate {
    const share = distance_ms(own, originCoordinate) / 1_000 / gravity_s;
    return this.#pushed(own, -1_000 * share ** 2, originCoordinate);
  }

  /** `force_ms` along the line from `other`, away from it when positive. */
  #pushed(own: Coordinate, force_ms: number, other: Coordinate): Coordinate {
    const apart = own.vector_ms.map((part, i) => part - (other.vector_ms[i] ?? 0));
    const length_ms = lengthOf(apart);
    const unit = length_ms > least_ms ? apart.map((part) => part / length_ms) : this.#anyDirection();
    const vector_ms = own.vector_ms.map((part, i) => part + (unit[i] ?? 0) * force_ms);
    if (length_ms <= least_ms) return { ...own, vector_ms };
    const height_ms = own.height_ms + ((own.height_ms + other.height_ms) * force_ms) / length_ms;
    return { ...own, vector_ms, height_ms: Math.max(heightLeast_ms, height_ms) };
  }

  /** Two at one place must part in some direction. */
  #anyDirection(): number[] {
    const vector = Array.from({ length: dimensions }, () => this.#prng.float() - 0.5);
    const length = lengthOf(vector);
    if (length > 0) return vector.map((part) => part / length);
    return vector.map((_, i) => (i === 0 ? 1 : 0));
  }
}

/** The round trip between two places, as their coordinates tell it. */
export function distance_ms(a: Coordinate, b: Coordinate): number {
  const raw_ms = rawDistance_ms(a, b);
  const adjusted_ms = raw_ms + a.adjustment_ms + b.adjustment_ms;
  return adjusted_ms > 0 ? adjusted_ms : raw_ms;
}

/**
 * The expected round trip between this node (`own`) and another; where the places are still vague what
 * was measured, and undefined when that is too little, too.
 */
export function estimate_ms(own: Coordinate, other: Place): number | undefined {
  return isVague(own, other.coordinate) ? other.measured_ms : distance_ms(own, other.coordinate);
}

/** The expected round trip between two others; undefined while their places are vague. */
export function estimateBetween_ms(a: Place, b: Place): number | undefined {
  return isVague(a.coordinate, b.coordinate) ? undefined : distance_ms(a.coordinate, b.coordinate);
}

function isVague(a: Coordinate, b: Coordinate): boolean {
  return Math.max(a.error, b.error) > poorError;
}

function rawDistance_ms(a: Coordinate, b: Coordinate): number {
  return lengthOf(a.vector_ms.map((part, i) => part - (b.vector_ms[i] ?? 0))) + a.height_ms + b.height_ms;
}

/** What a node may say of itself: this many dimensions, every number finite and within its bounds. */
export function isSane({ vector_ms, error, adjustment_ms, height_ms }: Coordinate): boolean {
  return (
    vector_ms.length === dimensions &&
    vector_ms.every((part) => Math.abs(part) <= placeMost_ms) &&
    error >= 0 &&
    error <= errorMost &&
    Math.abs(adjustment_ms) <= placeMost_ms &&
    height_ms >= heightLeast_ms * 0.999 &&
    height_ms <= placeMost_ms
  );
}

function lengthOf(vector: readonly number[]): number {
  return Math.sqrt(vector.reduce((sum, part) => sum + part * part, 0));
}
