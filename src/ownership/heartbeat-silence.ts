/**
 * What the silence of a node that is known by its heartbeats alone means. The leader alone judges, by its own clock.
 * It hears heartbeats and writes none down: a new leader counts from what the state says at least, so that a change of
 * leader can make a judgement later, never earlier.
 */
import type { RegisteredState } from "../wire/control-registration.ts";

/** Heartbeats are expected every 30 s. */
export const unhealthyAfter_ms = 90_000;
export const offlineAfter_ms = 180_000;

/** So long at least was a node silent that is in that state. */
const silentAtLeast_ms: Readonly<Record<RegisteredState, number>> = {
  online: 0,
  unhealthy: unhealthyAfter_ms,
  offline: offlineAfter_ms,
};

/** How a leader came to know of a registration: in which state it was then, by the leader's clock. */
export interface FirstSight {
  readonly state: RegisteredState;
  readonly at_ms: number;
}

/** For how long it has been silent, as far as this leader can tell. `heard_ms`: its last heartbeat; null: none yet. */
export function silence_ms(first: FirstSight, heard_ms: number | null, now_ms: number): number {
  if (heard_ms !== null) return Math.max(0, now_ms - heard_ms);
  return silentAtLeast_ms[first.state] + Math.max(0, now_ms - first.at_ms);
}

export function stateBySilence(silent_ms: number): RegisteredState {
  if (silent_ms >= offlineAfter_ms) return "offline";
  return silent_ms >= unhealthyAfter_ms ? "unhealthy" : "online";
}
