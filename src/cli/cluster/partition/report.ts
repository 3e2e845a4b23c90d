/** `caxton cluster partition report`: what became of every write that a minority queued. */
import { counted } from "../../../base/counted.ts";
import type { QueuedWriteAnswer, ReportAnswer } from "../../../api/cluster/partition.ts";
import { command } from "../../command.ts";
import { printable } from "../../table.ts";

const degraded = 7;

export const report = command({
  brief: "Show what became of queued writes",
  examples: ["caxton cluster partition report", "caxton cluster partition report --format json"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).cluster.partitionReport();
    call.output.lines(reportLines(answer, call.output.format === "wide" ? Infinity : 0), answer);
    return answer.missing.length > 0 ? degraded : 0;
  },
});

/** Of the writes that were applied, which did what they were to, `appliedShown` of each node at most. */
export function reportLines({ nodes, missing }: ReportAnswer, appliedShown: number): string[] {
  const lines: string[] = [];
  for (const { node, counts, writes, more } of nodes) {
    const waiting = counts.queued + counts.replaying;
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    if (total === 0) continue;
    lines.push(
      `${node}: ${counted(total, "write")}: ${counts.applied} applied, ${counts.conflicted} conflicted, ` +
        `${counts.refused} refused, ${counts.expired} expired, ${waiting} waiting`,
    );
    let applied = 0;
    for (const write of writes.toReversed()) {
      if (write.state === "applied" && ++applied > appliedShown) continue;
      lines.push(`  ${writeLine(write)}`);
    }
    if (appliedShown > 0 && applied > appliedShown)
      lines.push(`  ${applied - appliedShown} more applied: caxton cluster partition report -o wide`);
    if (more) lines.push(`  older ones of ${node}: GET /api/v1/cluster/partition/queued-writes there`);
  }
  if (lines.length === 0) lines.push("No queued writes");
  for (const { node, reason } of missing) lines.push(`${node}: not asked: ${printable(reason)}`);
  return lines;
}

function writeLine({ id, state, method, path, principal, detail }: QueuedWriteAnswer): string {
  const what = `${id} ${state.toUpperCase()} ${method} ${path} by ${principal}`;
  return printable(detail === "" ? what : `${what}: ${detail}`);
}
