/** `caxton agent show NAME`: what an agent is and how it does. */
import type { AgentAnswer } from "../../api/agents/agent.ts";
import { formatSize } from "../../base/sizes.ts";
import { command } from "../command.ts";
import { agentArgument } from "../positional.ts";
import { renderTable } from "../table.ts";

export const show = command<Record<never, never>, [string]>({
  brief: "Show an agent",
  parameters: { positional: agentArgument },
  run: async (call, _flags, name) => {
    const agent = await (await call.client()).agents.show(name);
    call.output.lines([renderTable(["AGENT-ID", agent.name], rowsOf(agent))], agent);
  },
});

function rowsOf(agent: AgentAnswer): [string, string][] {
  const { node, status, revision, epoch, module, detail } = agent;
  const rows: [string, string][] = [
    ["NODE", node],
    ["STATUS", status],
    ["REVISION", `${revision} (epoch ${epoch})`],
    ["MODULE", module],
  ];
  if (detail === null) return [...rows, ["DETAILS", `${node} cannot be asked at present`]];
  const { limits, placement, restart } = detail;
  return [
    ...rows,
    ["DURABILITY", detail.durability],
    ["PRIORITY", detail.priority],
    ["CAPABILITIES", detail.capabilities.join(", ") || "none"],
    ["PLACEMENT", placement.target_node === null ? placement.strategy : `only ${placement.target_node}`],
    ["PREFERS", placement.prefer_nodes.join(", ") || "-"],
    ["MEMORY", `${formatSize(detail.memory_bytes)} of ${formatSize(limits.memory_bytes)}`],
    ["FUEL", String(limits.fuel)],
    ["INBOX", `${detail.inbox} of ${limits.inbox_messages} (${formatSize(detail.inbox_bytes)})`],
    ["HANDLED", String(detail.handled)],
    [
      "TRAPS",
      `${detail.traps} (restarted ${detail.restarts} times; ${restart.policy}, at most ${restart.max_restarts})`,
    ],
    ["DEPLOYED", `${detail.deployed_at} by ${detail.deployed_by}`],
  ];
}
