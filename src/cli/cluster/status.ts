/** `caxton cluster status`: is the cluster well, and what may it do. */
import type { StatusAnswer } from "../../api/cluster/status.ts";
import { formatDuration } from "../../base/durations.ts";
import { command } from "../command.ts";

export const status = command({
  brief: "Show whether the cluster is well",
  examples: ["caxton cluster status", "caxton cluster status --format json"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).cluster.status();
    call.output.lines(statusLines(answer, call.output.format === "wide"), answer);
  },
});

export function statusLines(answer: StatusAnswer, wide: boolean): string[] {
  const lines = [
    `Status: ${answer.status}`,
    `Operations: ${answer.operations}`,
    `Nodes: ${answer.nodes_active}/${answer.nodes_total} active`,
    `Queued writes: ${answer.queued_writes}`,
    `Leader: ${answer.leader ?? "none"}`,
  ];
  if (answer.term > 0) lines.push(`Term: ${answer.term}`);
  if (answer.voters.length > 0) lines.push(`Voters: ${answer.voters.join(", ")}`);
  if (answer.lease !== null) lines.push(`Lease: ${leaseText(answer)}`);
  for (const { node, by } of answer.unheard ?? [])
    lines.push(`No lease: ${node}, since the leader (${by}) does not hear it`);
  if (answer.isolated.length > 0) lines.push(`Isolated: ${answer.isolated.join(", ")}`);
  if (answer.shed_percentage > 0) lines.push(`Shedding: ${answer.shed_percentage}% of clients' messages`);
  if (wide)
    lines.push(`Cluster: ${answer.cluster} (${answer.uuid ?? "not joined yet"})`, `Seen by: ${answer.node}`);
  return lines;
}

/** Of the node that answers: without it its agents are parked. */
function leaseText({ lease, node }: StatusAnswer): string {
  if (lease === null || lease.held) return `held by ${node}`;
  const since_ms = Math.round(lease.without_ms / 1_000) * 1_000;
  const why = typeof lease.why === "string" ? `, since ${lease.why}` : "";
  return `not held by ${node} for ${formatDuration(since_ms)}${why}: its agents are parked`;
}
