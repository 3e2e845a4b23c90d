/** How an agent is shown whose assignment this node cannot read: it is there, failed, and can be replaced or removed. */
import type { ModuleHash } from "../base/ids.ts";
import type { AgentView } from "./agent-record.ts";
import type { UnreadableAgent } from "./assignment-table.ts";

export function unreadableReason({ reason }: UnreadableAgent): string {
  return `What it is to be cannot be read here (${reason}): deploy it again, or remove it`;
}

export function unreadableView(unreadable: UnreadableAgent): AgentView {
  const { agent: name, node, epoch, revision, cause, previous, previousEpoch, at_ms } = unreadable;
  const assignment = { cause, previous, previousEpoch, at_ms, lost: null, lostSince_ms: null, runsOn: null };
  const shown = { name, node, status: "failed", revision, epoch, module: "" as ModuleHash } as const;
  return { ...shown, detail: null, assignment, kept: [], unreadable: unreadableReason(unreadable) };
}
