/**
 * Turns what membership reports into the lines that `cluster watch` shows. A suspicion is told once it lasted, or came
 * true: one that its subject refutes at once says that somebody erred, and nothing of the cluster.
 */
import { unreachable } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import type { Member, MembershipEvent } from "../cluster/membership.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { formatAddress } from "../ports/datagrams.ts";
import type { EventLog } from "./event-log.ts";

/** More changed agents than this in one update are summed up in one line. */
const linesPerUpdate = 5;

/** The subject of a suspicion has refuted it within this, unless there is something to it. */
const refuted_ms = 700;

type MemberEvent = Extract<MembershipEvent, { readonly member: Member }>;

export class MembershipEvents {
  /** Suspicions that are not told yet. */
  readonly #suspicions = new Map<NodeId, { readonly event: MemberEvent; readonly timer: Timer }>();
  /** Who was told to be suspect or failed. */
  readonly #accused = new Set<NodeId>();

  constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
  ) {}

  record(event: MembershipEvent): void {
    if (!("member" in event)) {
      recordOther(this.log, event);
      return;
    }
    const { id } = event.member;
    const held = this.#suspicions.get(id);
    held?.timer.cancel();
    this.#suspicions.delete(id);
    if (event.kind === "suspect" && !this.#accused.has(id)) {
      const timer = this.clock.after(refuted_ms, () => {
        this.#suspicions.delete(id);
        this.#tell(event);
      });
      this.#suspicions.set(id, { event, timer });
      return;
    }
    const restarted = event.reason.startsWith("restarted");
    if (event.kind === "failed" && held) this.#tell(held.event);
    if (event.kind === "alive" && !this.#accused.has(id) && !restarted) return;
    this.#tell(event, event.kind === "alive" && restarted && !this.#accused.has(id));
  }

  close(): void {
    for (const { timer } of this.#suspicions.values()) timer.cancel();
    this.#suspicions.clear();
  }

  #tell(event: MemberEvent, restarted = false): void {
    const { id } = event.member;
    if (event.kind === "suspect" || event.kind === "failed") this.#accused.add(id);
    else if (event.kind !== "updated") this.#accused.delete(id);
    recordMember(this.log, event, restarted);
  }
}

function recordOther(log: EventLog, event: Exclude<MembershipEvent, MemberEvent>): void {
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
  const { node, source, reason } = event;
  log.record("warn", "member.conflict", `Name conflict of ${node}: ${reason}`, { node, source, reason });
}

function recordMember(log: EventLog, event: MemberEvent, restarted: boolean): void {
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
      log.record("info", "member.alive", `Node ${id} ${restarted ? "restarted" : "is alive again"}`, data);
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
      unreachable(event.kind);
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
