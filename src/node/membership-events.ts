/** Turns what membership reports into the lines that `cluster watch` shows. */
import { unreachable } from "../base/assert.ts";
import type { MembershipEvent } from "../cluster/membership.ts";
import { formatAddress } from "../ports/datagrams.ts";
import type { EventLog } from "./event-log.ts";

/** More changed agents than this in one update are summed up in one line. */
const linesPerUpdate = 5;

export function recordMembershipEvent(log: EventLog, event: MembershipEvent): void {
  if (event.kind === "directory") {
    recordDirectory(log, event);
    return;
  }
  if (event.kind === "refused") {
    log.record("warn", "cluster.refused", `Refused ${event.source}: ${event.reason}`, {
      source: event.source,
      reason: event.reason,
    });
    return;
  }
  if (event.kind === "conflict") {
    const { node, source, reason } = event;
    log.record("warn", "member.conflict", `Name conflict of ${node}: ${reason}`, { node, source, reason });
    return;
  }
  const { id, address, bootEpoch, incarnation } = event.member;
  const data = {
    node: id,
    address: formatAddress(address),
    boot_epoch: bootEpoch,
    incarnation,
    reason: event.reason,
  };
  switch (event.kind) {
    case "joined":
      log.record("info", "member.joined", `Node ${id} joined from ${data.address}`, data);
      break;
    case "alive":
      log.record("info", "member.alive", `Node ${id} is alive again`, data);
      break;
    case "suspect":
      log.record("warn", "member.suspect", `Node ${id} is suspected: ${event.reason}`, data);
      break;
    case "failed":
      log.record("info", "member.failed", `Node ${id} detected as failed`, data);
      break;
    case "left":
      log.record("info", "member.left", `Node ${id} left`, data);
      break;
    case "updated":
      break;
    default:
      unreachable(event);
  }
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
