/** Turns what membership reports into the lines that `cluster watch` shows, and those about members into the log. */
import { unreachable } from "../base/assert.ts";
import type { Member, MembershipEvent } from "../cluster/membership.ts";
import { formatAddress } from "../ports/datagrams.ts";
import { logger } from "../telemetry/log.ts";
import type { EventLog } from "./event-log.ts";

/** More changed agents than this in one update are summed up in one line. */
const linesPerUpdate = 5;
/** The reasons in the reports of a member that said goodbye, and of when it is forgotten for that. */
const leftByItself = "left";
const leftForLong = "left for long";

/** Refusals are `RefusedSources`'. */
export function recordMembershipEvent(
  events: EventLog,
  event: Exclude<MembershipEvent, { kind: "refused" }>,
): void {
  const log = logger("cluster");
  if (event.kind === "directory") {
    recordDirectory(events, event);
    return;
  }
  if (event.kind === "conflict") {
    const { node, source, reason } = event;
    const text = `Name conflict of ${node}: ${reason}`;
    log.warn(text);
    events.record("warn", "member.conflict", text, { node, source, reason });
    return;
  }
  const { id, address, bootEpoch, incarnation } = event.member;
  const { reason } = event;
  const where = formatAddress(address);
  const data = { node: id, address: where, boot_epoch: bootEpoch, incarnation, reason };
  switch (event.kind) {
    case "joined":
      log.info(`Node ${id} joined from ${where}`);
      events.record("info", "member.joined", `Node ${id} joined from ${where}`, data);
      break;
    case "alive":
      log.info(`Node ${id} is alive again: ${reason}`);
      events.record("info", "member.alive", `Node ${id} is alive again`, data);
      break;
    case "suspect":
      log.info(`Node ${id} is suspected: ${reason}`);
      events.record("warn", "member.suspect", `Node ${id} is suspected: ${reason}`, data);
      break;
    case "failed":
      log.warn(`Node ${id} has failed: ${reason}`);
      events.record("info", "member.failed", `Node ${id} detected as failed`, data);
      break;
    case "left":
      recordEnd(events, event, data);
      break;
    case "updated":
      break;
    default:
      unreachable(event);
  }
}

/** Who left is forgotten later, which is nothing new. Who failed or was removed has not left by itself. */
function recordEnd(
  events: EventLog,
  { member, reason }: { readonly member: Member; readonly reason: string },
  data: Readonly<Record<string, unknown>>,
): void {
  if (reason === leftForLong) return;
  const text =
    reason === leftByItself ? `Node ${member.id} left` : `Node ${member.id} is no member any more: ${reason}`;
  logger("cluster").info(text);
  events.record("info", "member.left", text, data);
}

function recordDirectory(log: EventLog, event: Extract<MembershipEvent, { kind: "directory" }>): void {
  const { changed, removed } = event;
  if (changed.length > linesPerUpdate) {
    log.record("info", "agent.changed", `${changed.length} agents announced`, { count: changed.length });
  } else {
    for (const { agent, node, status, revision } of changed) {
      log.record("info", "agent.changed", `Agent '${agent}' is ${status} on ${node}`, {
        agent,
        node,
        status,
        revision,
      });
    }
  }
  if (removed.length > linesPerUpdate) {
    log.record("info", "agent.removed", `${removed.length} agents withdrawn`, { count: removed.length });
  } else {
    for (const { agent, node } of removed) {
      log.record("info", "agent.removed", `Agent '${agent}' is no longer on ${node}`, { agent, node });
    }
  }
}
