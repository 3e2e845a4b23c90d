/**
 * Turns what membership reports into the lines that `cluster watch` shows, and those about members into the
 * node's log, each fact once. A suspicion is told once it lasted, or came
 * true: one that its subject refutes at once says that somebody erred, and nothing of the cluster.
 */
import { counted } from "../../base/counted.ts";
import { unreachable } from "../../base/assert.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { Member, MembershipEvent } from "../../cluster/membership.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { logger } from "../../telemetry/log.ts";
import type { EventLog } from "./event-log.ts";

/** More changed agents than this in one update are summed up in one line. */
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
      events.record("warn", "member.failed", `Node ${id} detected as failed`, data);
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
  const begun = changed.flatMap(({ agent, node, status, revision }) =>
    status === "starting" ? [] : [{ agent, node, status, revision }],
  );
  recordAgents(log, "agent.changed", begun, ({ status, node }) => `${status} on ${node}`);
  const gone = removed.map(({ agent, node }) => ({ agent, node }));
  recordAgents(log, "agent.removed", gone, ({ node }) => `no longer on ${node}`);
}

type Told = { readonly agent: AgentName; readonly node: NodeId };

function recordAgents<T extends Told>(
  log: EventLog,
  type: string,
  agents: readonly T[],
  what: (one: T) => string,
): void {
  if (agents.length <= linesPerUpdate) {
    for (const one of agents) log.record("info", type, `Agent '${one.agent}' is ${what(one)}`, { ...one });
    return;
  }
  const groups = Map.groupBy(agents, what);
  if (groups.size > linesPerUpdate) {
    const text = `${counted(agents.length, "agent")} on ${counted(new Set(agents.map(({ node }) => node)).size, "node")} changed`;
    log.record("info", type, text, { count: agents.length });
    return;
  }
  for (const [text, { length: count }] of groups)
    log.record("info", type, `${counted(count, "agent")} ${count === 1 ? "is" : "are"} ${text}`, { count });
}
