/** `caxton agent list`: the agents of the cluster and where they are. */
import type { AgentAnswer } from "../../api/agents/agent.ts";
import { compareNaturally } from "../../base/natural-order.ts";
import { type ShownStatus, shownStatuses } from "../../wire/agent-spec.ts";
import { command } from "../command.ts";
import { shortHash } from "../figures.ts";
import { choices } from "../parse.ts";

interface Flags {
  readonly byNode: boolean;
  readonly status?: ShownStatus;
}

const agent = { title: "AGENT-ID", cell: ({ name }: AgentAnswer) => name };
const node = { title: "NODE", cell: (row: AgentAnswer) => row.node };
const rest = [
  { title: "STATUS", cell: ({ status }: AgentAnswer) => status },
  { title: "REVISION", cell: ({ revision }: AgentAnswer) => String(revision) },
  { title: "EPOCH", cell: ({ epoch }: AgentAnswer) => String(epoch), wide: true },
  { title: "MODULE", cell: ({ module }: AgentAnswer) => shortHash(module), wide: true },
];

export const list = command<Flags>({
  brief: "List the agents",
  examples: ["caxton agent list", "caxton agent list --by-node --status failed"],
  parameters: {
    flags: {
      byNode: { kind: "boolean", default: false, withNegated: false, brief: "By the node that hosts them" },
      status: {
        kind: "parsed",
        ...choices(shownStatuses),
        optional: true,
        brief: `Only those ${shownStatuses.join(", ")}`,
      },
    },
  },
  run: async (call, { byNode, status }) => {
    const client = await call.client();
    const agents = await client.agents.list(status === undefined ? {} : { status });
    const rows = agents.toSorted(
      (a, b) => (byNode ? compareNaturally(a.node, b.node) : 0) || compareNaturally(a.name, b.name),
    );
    call.output.table(byNode ? [node, agent, ...rest] : [agent, node, ...rest], rows, { agents: rows });
    if (byNode && rows.length > 0 && call.output.format !== "json") call.output.notice(countsText(rows));
  },
});

/** `node-1: 12, node-2: 3`, in the order of the rows. */
function countsText(rows: readonly AgentAnswer[]): string {
  const counts = new Map<string, number>();
  for (const { node: host } of rows) counts.set(host, (counts.get(host) ?? 0) + 1);
  return [...counts].map(([host, count]) => `${host}: ${count}`).join(", ");
}
