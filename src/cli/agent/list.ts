/** `caxton agent list`: the agents of the cluster and where they are. */
import type { AgentAnswer } from "../../api/agents/agent.ts";
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
    const rows = byNode
      ? agents.toSorted((a, b) => compare(a.node, b.node) || compare(a.name, b.name))
      : agents;
    call.output.table(byNode ? [node, agent, ...rest] : [agent, node, ...rest], rows, { agents: rows });
  },
});

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
