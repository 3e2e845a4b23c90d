/** Figures as the documents print them, each kind in one way; JSON has plain numbers with the unit in the name. */
import { formatDuration } from "../base/durations.ts";

/** `87μs`, `0.9ms`, `1.2s`; "-" when nothing was measured. */
export function latencyText(latency_ms: number | null): string {
  if (latency_ms === null) return "-";
  if (latency_ms < 0.9995)
    return latency_ms <= 0.1 ? `${Math.round(latency_ms * 1_000)}μs` : `${round(latency_ms, 2)}ms`;
  return latency_ms < 1_000 ? `${round(latency_ms, 1)}ms` : `${round(latency_ms / 1_000, 1)}s`;
}

export function percentText(percent: number): string {
  return `${Math.round(percent)}%`;
}

/** `45s ago`; `now` under a second. Both are ISO times of one clock. */
export function agoText(then: string, now: string): string {
  const age_s = Math.floor((Date.parse(now) - Date.parse(then)) / 1_000);
  if (Number.isNaN(age_s)) return "-";
  return age_s < 1 ? "now" : `${formatDuration(age_s * 1_000)} ago`;
}

/** The first twelve digits of a module's hash: enough to tell modules apart on a screen. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
