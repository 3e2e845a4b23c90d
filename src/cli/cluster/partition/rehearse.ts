/** `caxton cluster partition rehearse --isolate N[,M] --duration 30s`: a drill on the live cluster, undone by itself. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RehearsalAnswer } from "../../../api/cluster/rehearsal.ts";
import { formatDuration, parseDuration } from "../../../base/durations.ts";
import { parseNodeId } from "../../../base/ids.ts";
import { command } from "../../command.ts";
import { reportLines } from "./report.ts";

const degraded = 7;
const look_ms = 500;
/** Of a node's writes that did what they were to. */
const appliedShown = 10;

interface Flags {
  readonly isolate: readonly string[];
  readonly duration: number;
}

export const rehearse = command<Flags>({
  brief: "Cut nodes off for a while, and report what became of every queued write",
  description:
    "All live nodes agree beforehand, and each undoes the cut by its own clock. The API of isolated nodes stays " +
    "reachable. Refused where the others would keep no quorum, unless --yes.",
  examples: [
    "caxton cluster partition rehearse --isolate node-3 --duration 30s",
    "caxton cluster partition rehearse --isolate node-2,node-3 --duration 10s --yes",
  ],
  parameters: {
    flags: {
      isolate: {
        kind: "parsed",
        parse: (text: string) => text.split(",").map(parseNodeId),
        placeholder: "N[,M]",
        brief: "The nodes to cut off, together",
      },
      duration: {
        kind: "parsed",
        parse: parseDuration,
        default: "30s",
        placeholder: "D",
        brief: "For how long, 1s to 10m",
      },
    },
  },
  run: async (call, { isolate, duration }) => {
    const { cluster } = await call.client();
    let seen = await cluster.rehearsePartition({ isolate, duration_ms: duration, force: call.flags.yes });
    const isPlain = call.output.format !== "json";
    if (isPlain) call.output.line(`Cut off: ${seen.isolated.join(", ")} for ${formatDuration(duration)}`);
    for (const { id } = seen; seen.phase !== "ended" && seen.id === id;) {
      await sleep(look_ms);
      const next = await cluster.rehearsal();
      if (isPlain && next.phase === "healing" && seen.phase === "cut")
        call.output.line("Whole again; waiting for queued writes to be replayed");
      seen = next;
    }
    call.output.lines(endLines(seen, call.output.format === "wide"), seen);
    return seen.troubles.length > 0 ? degraded : 0;
  },
});

/** Wide: every write, however many were applied. */
export function endLines({ report, troubles }: RehearsalAnswer, wide: boolean): string[] {
  const lines = ["Rehearsal ended"];
  if (report !== null) lines.push(...reportLines(report, wide ? Infinity : appliedShown));
  for (const trouble of troubles) lines.push(`WARNING: ${trouble}`);
  return lines;
}
