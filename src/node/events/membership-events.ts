/**
 * Turns what membership reports into the lines that `cluster watch` shows, and those about members into the
 * node's log, each fact once. A suspicion is told once it lasted, or came
 * true: one that its subject refutes at once says that somebody erred, and nothing of the cluster.
 */
import { present, unreachable } from "../../base/assert.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Member, MembershipEvent } from "../../cluster/membership.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { logger } from "../../telemetry/log.ts";
import type { EventLog } from "./event-log.ts";

/** More agents of one node that changed alike than this in one update are summed up in one line. */
const linesPerUpdate = 5;
/** The reasons in the reports of a member that said goodbye, and of when it is forgotten for that. */
const leftByItself = "left";
const leftForLong = "left for long";

/** The subject of a suspicion has refuted it within this, unless there is something to it. */
const refuted_ms = 700;

/** Refusals are `RefusedSources`'. */
type ToldEvent = Exclude<MembershipEvent, { readonly kind: "refused" }>;
type MemberEvent = Extract<ToldEvent, { readonly member: Member }>;
type OtherEvent = Exclude<ToldEvent, MemberEvent>;

export class MembershipEvents {
  /** Suspicions that are not told yet. */
  readonly #suspicions = new Map<NodeId, { readonly event: MemberEvent; readonly timer: Timer }>();
  /** Who was told to be suspect or failed. */
  readonly #accused = new Set<NodeId>();

  constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
  ) {}

  record(event: ToldEvent): void {
    if (!("member" in event)) {
      recordOther(this.log, event);
      return;
    }
    // Says nothing of whether it is there: a suspicion stands.
    if (event.kind === "updated") return;
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
    if (event.kind === "failed" && held) this.#tell(held.event);
    if (event.kind === "alive" && !this.#accused.has(id) && !isNewLife(event)) return;
    this.#tell(event);
  }

  close(): void {
    for (const { timer } of this.#suspicions.values()) timer.cancel();
    this.#suspicions.clear();
  }

  #tell(event: MemberEvent): void {
    const { id } = event.member;
    const wasAccused = this.#accused.has(id);
    if (event.kind === "suspect" || event.kind === "failed") this.#accused.add(id);
    else this.#accused.delete(id);
    recordMember(this.log, event, wasAccused);
  }
}

/** Of swim's reasons: what was in its memory is gone. */
function isNewLife({ reason }: MemberEvent): boolean {
  return reason.startsWith("restarted");
}

function recordOther(events: EventLog, event: OtherEvent): void {
  if (event.kind === "directory") {
    recordDirectory(events, event);
    return;
  }
  const { node, source, reason } = event;
  const text = `Name conflict of ${node}: ${reason}`;
  logger("cluster").warn(text);
  events.record("warn", "member.conflict", text, { node, source, reason });
}

function recordMember(events: EventLog, event: MemberEvent, wasAccused: boolean): void {
  const { id, address, bootEpoch, incarnation } = event.member;
  const { reason } = event;
  const log = logger("cluster");
  const where = formatAddress(address);
  const data = { node: id, address: where, boot_epoch: bootEpoch, incarnation, reason };
  switch (event.kind) {
    case "joined":
      log.info(`Node ${id} joined from ${where}`);
      events.record("info", "member.joined", `Node ${id} joined from ${where}`, data);
      break;
    case "alive": {
      // Who was told of a suspicion or a failure waits for its end; that it is a new life is told with it.
      const again = `Node ${id} is alive again`;
      const back = isNewLife(event) ? `${again}: it restarted` : again;
      const restarted = `Node ${id} restarted`;
      log.info(wasAccused ? `${again}: ${reason}` : restarted);
      events.record("info", "member.alive", wasAccused ? back : restarted, data);
      break;
    }
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
      unreachable(event.kind);
  }
}

/** Who left is forgotten later, which is nothing new. Who failed or was removed has not left by itself. */
function recordEnd(
  events: EventLog,
  { member, reason }: MemberEvent,
  data: Readonly<Record<string, unknown>>,
): void {
  if (reason === leftForLong) return;
  const text =
    reason === leftByItself ? `Node ${member.id} left` : `Node ${member.id} is no member any more: ${reason}`;
  logger("cluster").info(text);
  events.record("info", "member.left", text, data);
}

/** What begins is told once it runs: until then it is announced as what stops to be moved is, too. */
function recordDirectory(
  log: EventLog,
  { changed, removed }: Extract<MembershipEvent, { kind: "directory" }>,
): void {
  const begun = changed.filter(({ status }) => status !== "starting");
  for (const alike of Map.groupBy(begun, ({ node, status }) => `${status} ${node}`).values()) {
    const { node, status } = present(alike[0], "an agent of the group");
    const count = alike.length;
    if (count > linesPerUpdate) {
      const text = `${count} agents are ${status} on ${node}`;
      log.record("info", "agent.changed", text, { node, status, count });
      continue;
    }
    for (const { agent, revision } of alike) {
      const text = `Agent '${agent}' is ${status} on ${node}`;
      log.record("info", "agent.changed", text, { agent, node, status, revision });
    }
  }
  for (const [node, gone] of Map.groupBy(removed, (entry) => entry.node)) {
    if (gone.length > linesPerUpdate) {
      const text = `${gone.length} agents are no longer on ${node}`;
      log.record("info", "agent.removed", text, { node, count: gone.length });
      continue;
    }
    for (const { agent } of gone)
      log.record("info", "agent.removed", `Agent '${agent}' is no longer on ${node}`, { agent, node });
  }
}
