/** Before a node leaves for good: everything that it owns goes to others with all that it has, within a time. */
import { counted } from "../../base/counted.ts";
import type { AssignmentTable } from "../../agents/assignment-table.ts";
import type { HandOver } from "../../agents/hand-over.ts";
import { reasonOf } from "../../base/errors.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import type { Candidate } from "../../placement/candidate.ts";
import { planFailover } from "../../placement/failover-plan.ts";
import { initialPlacementState } from "../../placement/strategies.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLog } from "../events/event-log.ts";
import { orphanOf, stayingInstances, type TrafficOf } from "./orphans.ts";

/** Agents that move at the same time. */
const atOnce = 8;

export interface DrainOptions {
  readonly self: NodeId;
  readonly table: AssignmentTable;
  readonly handOver: HandOver;
  /** Resolves when what is here may leave at all. Throws where that takes too long. */
  readonly known: () => Promise<void>;
  readonly candidates: () => readonly Candidate[];
  readonly traffic: TrafficOf;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly events: EventLog;
  /** Nothing more is to be handed over. */
  readonly isOver: () => boolean;
}

export interface Drained {
  /** For them there was no room, no time or no quorum, or their new node refused them. */
  readonly stayed: number;
  /** For which there was room, as far as this node knew. */
  readonly placed: number;
}

/** What is under way at the end of the time is not waited for: a hand-over may end at any step. */
export async function drain(options: DrainOptions, within_ms: number): Promise<Drained> {
  const { self, table, candidates, clock, prng, events, isOver } = options;
  const end_ms = clock.now_ms() + within_ms;
  const orphans = [...table.of(self)].flatMap((agent) => {
    const owned = table.get(agent);
    return owned === undefined ? [] : [orphanOf(owned, options.traffic)];
  });
  if (orphans.length === 0) return { stayed: 0, placed: 0 };
  const late = Promise.withResolvers<void>();
  const timer = clock.after(within_ms, late.resolve);
  // Once, not for each agent.
  const unknown = await Promise.race([options.known(), late.promise]).then(() => null, reasonOf);
  if (unknown !== null) {
    timer.cancel();
    const text = `Handed over 0 of ${counted(orphans.length, "agent")}: ${unknown}`;
    events.record("warn", "drain.done", text, { node: self, stayed: orphans.length });
    return { stayed: orphans.length, placed: 0 };
  }
  const others = candidates().filter(({ id }) => id !== self);
  const staying = stayingInstances(table, orphans);
  const plan = planFailover(orphans, others, initialPlacementState, prng, staying);
  const text = `Handing over ${counted(plan.placed.length, "agent")} of ${self}`;
  events.record("info", "drain.started", text, { node: self, agents: orphans.length });
  const left = [...plan.placed];
  let gone = 0;
  const worker = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      if (clock.now_ms() >= end_ms || isOver()) return;
      if (await handOne(options, next.agent, next.to)) gone++;
    }
  };
  await Promise.race([Promise.all(Array.from({ length: atOnce }, worker)), late.promise]);
  timer.cancel();
  const stayed = orphans.length - gone;
  const done = `Handed over ${gone} of ${counted(orphans.length, "agent")}`;
  events.record(stayed > 0 ? "warn" : "info", "drain.done", done, { node: self, stayed });
  return { stayed, placed: plan.placed.length };
}

async function handOne({ handOver, events }: DrainOptions, agent: AgentName, to: NodeId): Promise<boolean> {
  try {
    await handOver.move(agent, to, "drained");
    return true;
  } catch (error) {
    const text = `Agent '${agent}' could not be handed over to ${to}: ${reasonOf(error)}`;
    events.record("warn", "drain.failed", text, { agent, node: to });
    return false;
  }
}
