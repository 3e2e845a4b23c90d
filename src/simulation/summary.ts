/** A run's result as lines for people. */
import { counted } from "../base/counted.ts";
import { formatDuration } from "../base/durations.ts";
import type { RunResult } from "./run.ts";

/** A column of the timeline's times. */
const timeWidth = 9;
const convergencesShown = 12;
const detectionsShown = 12;

export function headline({ scenario }: Pick<RunResult, "scenario">): string {
  const { nodes, regions, profile, duration_ms, network, faults } = scenario;
  const loss = network.loss > 0 ? `, ${network.loss * 100} % loss` : "";
  return (
    `${counted(nodes, "node")}, regions ${regions}, profile ${profile}${loss}, ` +
    `${counted(faults.length, "fault")} in ${formatDuration(duration_ms)}`
  );
}

export function timelineLines(result: RunResult): string[] {
  return result.story.map(({ at_ms, text }) => `${timeText(at_ms).padStart(timeWidth)}  ${text}`);
}

export function summaryLines(result: RunResult): string[] {
  const { figures, invariants, events, played_ms } = result;
  const lines = [
    `played       ${formatDuration(Math.round(played_ms))}, ${events} events, trace ${result.hash}`,
    `traffic      ${figures.packets} packets; a node and second: ` +
      `${figures.packetsPerNodeSecond.toFixed(1)} packets, ${Math.round(figures.bytesPerNodeSecond)} bytes`,
    ...detectionLines(result),
    ...convergenceLines(result),
    `false fails  ${figures.falseFailuresOfWell} of members that were well and connected; ` +
      `${figures.falseFailures - figures.falseFailuresOfWell} of cut-off, still or slow ones (each observer counts)`,
  ];
  for (const { name, rule, checked, violations } of invariants) {
    const verdict = violations > 0 ? "BROKEN " : checked > 0 ? "held   " : "unseen ";
    lines.push(`${verdict}      ${name.padEnd(16)} ${rule} (${checked} checks)`);
  }
  lines.push(verdictLine(result));
  return lines;
}

function verdictLine({ invariants, violation }: RunResult): string {
  const unseen = invariants.filter(({ checked, violations }) => checked === 0 && violations === 0).length;
  const rest = unseen > 0 ? `; ${unseen} had nothing to look at in this run` : "";
  if (violation !== null) return `verdict      ${violation.checker} broke`;
  return `verdict      ${invariants.length - unseen} invariants held at every step${rest}`;
}

function detectionLines({ figures }: RunResult): string[] {
  const known = figures.detections.flatMap(({ knownToAll_ms }) => knownToAll_ms ?? []).sort((a, b) => a - b);
  if (figures.detections.length === 0) return [];
  const share = (part: number): string =>
    durationText(known[Math.min(known.length - 1, Math.floor(known.length * part))]);
  const lines = [
    `crashes      ${figures.detections.length}, ${known.length} of them known to all before the next change; ` +
      `after p50 ${share(0.5)}, p99 ${share(0.99)}, at most ${durationText(known.at(-1))}`,
  ];
  const noticed = figures.detections.filter(
    ({ firstSuspected_ms, knownToAll_ms }) => firstSuspected_ms ?? knownToAll_ms,
  );
  for (const one of noticed.slice(0, detectionsShown)) {
    lines.push(
      `  ${one.node} at ${timeText(one.crashed_ms)}: suspected after ${durationText(one.firstSuspected_ms)}, ` +
        `failed after ${durationText(one.firstFailed_ms)}, known to all after ${durationText(one.knownToAll_ms)}`,
    );
  }
  return lines;
}

function convergenceLines({ figures }: RunResult): string[] {
  return figures.convergences
    .slice(0, convergencesShown)
    .map(
      ({ after, since_ms, members_ms, directories_ms }) =>
        `agreement    ${durationText(members_ms)} after "${after}" at ${timeText(since_ms)}; ` +
        `directories after ${durationText(directories_ms)}`,
    );
}

export function timeText(at_ms: number): string {
  return `${(at_ms / 1_000).toFixed(1)} s`;
}

function durationText(duration_ms: number | null | undefined): string {
  return duration_ms === null || duration_ms === undefined ? "-" : `${(duration_ms / 1_000).toFixed(1)} s`;
}
