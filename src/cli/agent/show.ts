/** `caxton agent show NAME`: what an agent is and how it does. */
import type { AgentAnswer } from "../../api/agents/agent.ts";
import type { ShownAgent } from "../../api/agents/agents.ts";
import { formatLimit, formatSize } from "../../base/sizes.ts";
import { command } from "../command.ts";
import { agentArgument } from "../positional.ts";
import { renderTable } from "../table.ts";

type Detail = NonNullable<AgentAnswer["detail"]>;

export const show = command<Record<never, never>, [string]>({
  brief: "Show an agent",
  examples: ["caxton agent show echo", "caxton agent show echo --format json"],
  parameters: { positional: agentArgument },
  run: async (call, _flags, name) => {
    const agent = await (await call.client()).agents.show(name);
    const lines = [renderTable(["AGENT-ID", agent.name], rowsOf(agent))];
    if (agent.instances.length > 0) lines.unshift(instancesTable(name, agent), "");
    call.output.lines(lines, agent);
  },
});

/** All of them; what follows it is the first one. */
function instancesTable(name: string, { instances }: ShownAgent): string {
  const rows = instances.map((each) => [each.name, each.node, each.status, String(each.revision)]);
  return renderTable([`INSTANCE-OF-${name}`, "NODE", "STATUS", "REVISION"], rows);
}

function rowsOf(agent: AgentAnswer): [string, string][] {
  const { node, status, revision, epoch, module, detail, assignment, kept_journals } = agent;
  const rows: [string, string][] = [
    ["NODE", node],
    ["STATUS", status],
    ["REVISION", `${revision} (epoch ${epoch})`],
    ["MODULE", module],
    ...(assignment === null ? [] : assignmentRows(node, assignment)),
    ...kept_journals.map((kept): [string, string] => ["KEPT-JOURNAL", keptText(kept)]),
  ];
  if (agent.unreadable !== null) return [...rows, ["FAILURE", agent.unreadable]];
  if (detail === null) return [...rows, ["DETAILS", `${node} cannot be asked at present`]];
  const { limits, placement, restart } = detail;
  const { target_node } = placement;
  return [
    ...rows,
    ["DURABILITY", detail.durability],
    ["PRIORITY", detail.priority],
    ["CAPABILITIES", detail.capabilities.join(", ") || "none"],
    [
      "PLACEMENT",
      target_node === null ? placement.strategy : `${target_node}, elsewhere only once it is lost`,
    ],
    ["ON-NODE-LOSS", `${detail.on_node_loss}; cut off: ${detail.partition}`],
    ...(detail.critical ? [["CRITICAL", "yes"] as [string, string]] : []),
    ["ONLY-WITH", constraintText(placement)],
    ["PREFERS", placement.prefer_nodes.join(", ") || "-"],
    ["MEMORY", `${formatLimit(detail.memory_bytes)} of ${formatLimit(limits.memory_bytes)}`],
    ["FUEL", String(limits.fuel)],
    ["INBOX", `${detail.inbox} of ${limits.inbox_messages} (${formatSize(detail.inbox_bytes)})`],
    ["HANDLED", String(detail.handled)],
    ["TRAPS", trapsText(detail)],
    ["LAST-TRAP", lastTrapText(detail)],
    ["RESTARTS", `${detail.restarts} (${restartText(restart)})`],
    ...(detail.failure === null ? [] : [["FAILURE", detail.failure] as [string, string]]),
    ["DEPLOYED", `${detail.deployed_at} by ${detail.deployed_by}`],
  ];
}

/** `service gpu, region eu`, or `-`. */
function constraintText({ services, region, zone }: Detail["placement"]): string {
  const parts = services.map((service) => `service ${service}`);
  if (region !== null) parts.push(`region ${region}`);
  if (zone !== null) parts.push(`zone ${zone}`);
  return parts.join(", ") || "-";
}

type Assignment = NonNullable<AgentAnswer["assignment"]>;

function assignmentRows(node: string, assignment: Assignment): [string, string][] {
  const { cause, previous_node, assigned_at, state_lost_with, runs_on } = assignment;
  const from = previous_node === null ? "" : ` from ${previous_node}`;
  // Claimed anew by its own node, which came back with an old copy of its data.
  const how =
    previous_node === node && cause === "failover" ? `${node} came back with an old copy` : cause + from;
  const rows: [string, string][] = [["ASSIGNED", `${assigned_at}, ${how}`]];
  if (runs_on === null) rows.push(["RUNS-ON", "no node says so"]);
  if (state_lost_with !== null) rows.push(["STATE-LOST", lostText(node, assignment)]);
  return rows;
}

function lostText(node: string, { state_lost_with, state_lost_since }: Assignment): string {
  // A node of an earlier program does not say since when.
  if (state_lost_with !== node || typeof state_lost_since !== "string")
    return `it began anew; what it had is on ${state_lost_with}`;
  if (Date.parse(state_lost_since) === 0) return `${node} came back without its data: what it had is gone`;
  return `${node} came back with an old copy of its data: what it did since ${state_lost_since} is gone`;
}

function keptText({ node, epoch, owner, at, inbox, keys }: AgentAnswer["kept_journals"][number]): string {
  return `on ${node}, epoch ${epoch}: ${inbox} messages, ${keys} keys (${owner} has it since ${at})`;
}

/** `3 (fuel 2, memory 1)`. */
function trapsText({ traps, trap_kinds }: Detail): string {
  const kinds = Object.entries(trap_kinds).toSorted(([, a], [, b]) => b - a);
  return kinds.length === 0
    ? String(traps)
    : `${traps} (${kinds.map(([kind, count]) => `${kind} ${count}`).join(", ")})`;
}

function lastTrapText({ last_trap }: Detail): string {
  return last_trap === null ? "-" : `${last_trap.at} ${last_trap.kind}, ${last_trap.text}`;
}

function restartText({ policy, max_restarts }: Detail["restart"]): string {
  return policy === "fail" ? "a trap is the end: policy fail" : `at most ${max_restarts} a minute`;
}
