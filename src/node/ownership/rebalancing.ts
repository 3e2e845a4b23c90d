/**
 * Moves agents so that nodes carry their part: planned on any node, done by the leader, one run at a time, a bounded
 * number of moves, each through the same hand-over as `agent migrate`. And by itself towards a node that has joined, or
 * is back and has nothing.
 */
import * as v from "valibot";
import { agentMethods, jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { AssignmentTable, OwnedAgent } from "../../agents/assignment-table.ts";
import type { HandOver } from "../../agents/hand-over.ts";
import type {
  BackendView,
  BalancerView,
  BalancingService,
  PlannedMove,
  RebalancePlanView,
  RebalanceResult,
} from "../../api/balancing-service.ts";
import { counted } from "../../base/counted.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { type AgentName, namePattern, type NodeId } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import { isStandby, type Candidate } from "../../placement/candidate.ts";
import {
  type MovableAgent,
  planRebalance,
  rebalanceStrategies,
  type RebalanceStrategy,
} from "../../placement/rebalance-plan.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { PlacementStrategy } from "../../wire/agent-spec.ts";
import type { EventLog } from "../events/event-log.ts";
import type { FlapHold } from "./flap-hold.ts";
import type { TrafficByAgent } from "./traffic-meter.ts";
import type { UnheardNodes } from "./unheard-nodes.ts";

const rebalanceMethod = "balancing.rebalance";
/** Moves of one run, and those under way at a time. */
export const movesLimit = 200;
const atOnce = 4;
/** Of one move: all that an agent has goes over the network. */
const move_ms = 120_000;
const run_ms = 600_000;
/** A node that joined, or is back, is looked at when it has been there for so long … */
const settled_ms = 5_000;
/** … if it started this lately and has nothing, or its agents were given away, once lately. */
const newcomer_ms = 120_000;
/** Placement by locality goes by figures of this age at most. */
const traffic_ms = 10_000;

const nameText = v.pipe(v.string(), v.regex(namePattern));
const moveSchema = v.strictObject({
  agent: v.pipe(
    nameText,
    v.transform((text) => text as AgentName),
  ),
  from: v.pipe(
    nameText,
    v.transform((text) => text as NodeId),
  ),
  to: v.pipe(
    nameText,
    v.transform((text) => text as NodeId),
  ),
  why: v.pipe(v.string(), v.maxLength(1_024)),
});
const resultSchema = v.strictObject({
  strategy: v.picklist(rebalanceStrategies),
  moves: v.pipe(v.array(moveSchema), v.maxLength(movesLimit)),
  limit: v.number(),
  moved: v.number(),
  failed: v.pipe(
    v.array(v.strictObject({ agent: moveSchema.entries.agent, reason: v.string() })),
    v.maxLength(movesLimit),
  ),
  seconds: v.number(),
});
const requestSchema = v.strictObject({ strategy: v.picklist(rebalanceStrategies) });

export interface RebalancerOptions {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly consensus: Pick<Consensus, "status">;
  readonly table: AssignmentTable;
  readonly candidates: () => readonly Candidate[];
  readonly handOver: Pick<HandOver, "move">;
  readonly peers: Peers;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly traffic: () => Promise<TrafficByAgent>;
  readonly unheard: Pick<UnheardNodes, "has" | "subscribe">;
  readonly strategy: () => PlacementStrategy;
  readonly roundRobinIndex: () => number;
  readonly backend: (node: NodeId) => Omit<BackendView, "node">;
  readonly onJoin: boolean;
  /** How often each node's agents were given away lately: one that comes and goes gets nothing by itself. */
  readonly losses: Pick<FlapHold, "read" | "recent">;
  readonly failed: (what: string, reason: string) => void;
}

export class Rebalancer implements BalancingService {
  readonly #options: RebalancerOptions;
  readonly #unsubscribe: readonly (() => void)[];
  /** Of those that were told to get nothing by themselves: after which loss. */
  readonly #held = new Map<NodeId, number>();
  readonly #joins = new Map<NodeId, Timer>();
  #timer: Timer | undefined;
  #running = false;
  #closed = false;

  constructor(options: RebalancerOptions) {
    this.#options = options;
    const { peers, membership, onJoin, unheard } = options;
    peers.handle(rebalanceMethod, async (body) => {
      const { strategy } = parseBody(requestSchema, body);
      return jsonBody(await this.#asLeader(strategy));
    });
    this.#followTraffic();
    this.#unsubscribe = [
      membership.subscribe((event) => {
        if (event.kind === "failed" || event.kind === "left") this.#lost(event.member.id);
        else if (onJoin && (event.kind === "joined" || event.kind === "alive")) this.#joined(event.member.id);
      }),
      unheard.subscribe((node, isUnheard) => {
        if (isUnheard) this.#lost(node);
        else if (onJoin) this.#joined(node);
      }),
    ];
  }

  /** Placements go by what was gathered last. */
  #followTraffic(): void {
    const { clock, strategy, traffic, table, failed } = this.#options;
    this.#timer = clock.after(traffic_ms, () => {
      if (strategy() === "locality" || goByTraffic(table))
        traffic().catch((error: unknown) => failed("learn who writes to whom", reasonOf(error)));
      this.#followTraffic();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const end of this.#unsubscribe) end();
    for (const timer of this.#joins.values()) timer.cancel();
  }

  view(): BalancerView {
    const { membership, strategy, roundRobinIndex, backend } = this.#options;
    const backends = membership.members().map(({ id }) => ({ node: id, ...backend(id) }));
    return { strategy: strategy(), round_robin_index: roundRobinIndex(), backends };
  }

  async plan(strategy: RebalanceStrategy): Promise<RebalancePlanView> {
    const traffic = strategy === "locality" ? await this.#options.traffic() : new Map();
    const { table } = this.#options;
    const moves = this.#planOf(strategy, [...table.all()], traffic, movesLimit);
    return { strategy, moves, limit: movesLimit };
  }

  async rebalance(strategy: RebalanceStrategy): Promise<RebalanceResult> {
    const { self, consensus, peers } = this.#options;
    const { leader, role } = consensus.status();
    if (role === "leader") return await this.#asLeader(strategy);
    if (leader === null || leader === self)
      throw new CaxtonError("no_quorum", "The cluster has no leader that could move agents");
    const answer = await peers.request(leader, rebalanceMethod, jsonBody({ strategy }), {
      timeout_ms: run_ms,
    });
    return parseBody(resultSchema, answer);
  }

  #planOf(
    strategy: RebalanceStrategy,
    agents: readonly OwnedAgent[],
    traffic: TrafficByAgent,
    limit: number,
  ): readonly PlannedMove[] {
    const nodes = this.#options.candidates();
    // What stands by keeps what it has and gets nothing.
    const working = nodes.filter((node) => !isStandby(node));
    const movable = agents.flatMap((owned) => movableOf(owned, working, traffic.get(owned.agent)));
    return planRebalance(strategy, movable, working, limit);
  }

  async #asLeader(strategy: RebalanceStrategy): Promise<RebalanceResult> {
    const { consensus, table } = this.#options;
    if (consensus.status().role !== "leader")
      throw new CaxtonError("not_leader", "This node leads no more: try again");
    return await this.#alone(async () => {
      await table.refresh("linearizable");
      return await this.#move(await this.plan(strategy), strategy);
    });
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running)
      throw new CaxtonError("conflict", "Agents are being moved already: wait until that is done");
    this.#running = true;
    try {
      return await work();
    } finally {
      this.#running = false;
    }
  }

  async #move(plan: RebalancePlanView, why: string): Promise<RebalanceResult> {
    const { events, clock } = this.#options;
    const began_ms = clock.now_ms();
    const failed: { agent: AgentName; reason: string }[] = [];
    if (plan.moves.length === 0) return { ...plan, moved: 0, failed, seconds: 0 };
    const count = plan.moves.length;
    events.record("info", "rebalance.started", `Rebalancing ${counted(count, "agent")} (${why})`, {
      agents: count,
    });
    const left = plan.moves.toReversed();
    const worker = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined && !this.#closed; next = left.pop()) {
        const reason = await this.#moveOne(next);
        if (reason !== null) failed.push({ agent: next.agent, reason });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    const seconds = (clock.now_ms() - began_ms) / 1_000;
    const moved = count - failed.length;
    const text =
      failed.length === 0
        ? `All agents successfully rebalanced (${seconds.toFixed(1)}s)`
        : `Rebalanced ${moved} of ${counted(count, "agent")} (${seconds.toFixed(1)}s)`;
    events.record(failed.length === 0 ? "info" : "warn", "rebalance.done", text, { moved, seconds });
    return { ...plan, moved, failed, seconds };
  }

  /** Why it was not moved; null when it was. */
  async #moveOne({ agent, from, to }: PlannedMove): Promise<string | null> {
    const { self, table, membership, handOver, peers, events } = this.#options;
    try {
      if (table.get(agent)?.node !== from) return "it has another owner by now";
      const target = membership.member(to)?.status;
      if (target !== "alive") return `node "${to}" is ${target ?? "gone"}`;
      if (this.#options.unheard.has(to)) return `node "${to}" has no lease`;
      if (from === self) await handOver.move(agent, to, "rebalanced");
      else {
        const body = jsonBody({ name: agent, to, cause: "rebalanced" });
        await peers.request(from, agentMethods.migrate, body, { timeout_ms: move_ms });
      }
      events.record("info", "rebalance.agent", `Agent '${agent}' migrated to ${to}`, {
        agent,
        node: to,
        from,
      });
      return null;
    } catch (error) {
      const reason = reasonOf(error);
      const text = `Agent '${agent}' could not be moved to ${to}: ${reason}`;
      events.record("warn", "rebalance.failed", text, { agent, node: to });
      return reason;
    }
  }

  #lost(node: NodeId): void {
    this.#joins.get(node)?.cancel();
    this.#joins.delete(node);
  }

  #joined(node: NodeId): void {
    const { self, clock, failed } = this.#options;
    if (node === self || this.#joins.has(node)) return;
    const came_ms = clock.wall_ms();
    const timer = clock.after(settled_ms, () => {
      this.#joins.delete(node);
      this.#fill(node, came_ms).catch((error: unknown) =>
        failed(`move agents to node "${node}", which joined`, reasonOf(error)),
      );
    });
    this.#joins.set(node, timer);
  }

  /**
   * Since when it is there, Unix ms, if it has just started and has nothing, or if agents of it were given away and it got
   * none since; else null.
   */
  #thereSince_ms(node: NodeId, came_ms: number): number | null {
    const { membership, table, clock, unheard, losses } = this.#options;
    const member = membership.member(node);
    if (member?.status !== "alive" || unheard.has(node)) return null;
    const own = [...table.of(node)].flatMap((agent) => table.get(agent) ?? []);
    const loss = losses.recent(node);
    if (loss !== undefined)
      return own.some(({ cause, at_ms }) => cause === "rebalanced" && at_ms > loss.at_ms) ? null : came_ms;
    if (own.length > 0) return null;
    return clock.wall_ms() - member.bootEpoch < newcomer_ms ? member.bootEpoch : null;
  }

  async #fill(node: NodeId, came_ms: number): Promise<void> {
    const { consensus, table, losses } = this.#options;
    if (this.#closed || consensus.status().role !== "leader") return;
    await losses.read();
    if (this.#closed || consensus.status().role !== "leader") return;
    // Another that is back gets its part.
    if (this.#running) return this.#joined(node);
    const since_ms = this.#thereSince_ms(node, came_ms);
    if (since_ms === null) return;
    // What was placed since then went where it was meant to go; what has no journal would lose its memory.
    const older = [...table.all()].filter(
      ({ at_ms, spec }) => at_ms < since_ms && spec.durability !== "volatile",
    );
    const moves = this.#planOf("even_distribution", older, new Map(), movesLimit).filter(
      ({ to }) => to === node,
    );
    if (moves.length === 0 || this.#isHeld(node)) return;
    const plan = { strategy: "even_distribution" as const, moves, limit: movesLimit };
    await this.#alone(() => this.#move(plan, `${node} ${since_ms === came_ms ? "is back" : "joined"}`));
  }

  /** It was lost more than once lately: told once for each loss. */
  #isHeld(node: NodeId): boolean {
    const { losses, events } = this.#options;
    const loss = losses.recent(node);
    if (loss === undefined || loss.count < 2) return false;
    if (this.#held.get(node) === loss.at_ms) return true;
    this.#held.set(node, loss.at_ms);
    const text =
      `Node ${node} was lost ${loss.count} times, not long ago: it gets no agents by itself ` +
      "(caxton cluster rebalance moves some)";
    events.record("info", "rebalance.held", text, { node, losses: loss.count });
    return true;
  }
}

/** Where they go when their node is lost is decided by what was gathered last. */
function goByTraffic(table: AssignmentTable): boolean {
  for (const { spec } of table.all()) if (spec.placement.strategy === "locality") return true;
  return false;
}

/** None for an agent that is bound to its node, or was put there by preference. */
function movableOf(
  { agent, node, spec }: OwnedAgent,
  nodes: readonly Candidate[],
  traffic: ReadonlyMap<NodeId, number> = new Map(),
): readonly MovableAgent[] {
  const { targetNode, preferNodes, services, region, zone } = spec.placement;
  if (targetNode !== null || preferNodes.length > 0) return [];
  const anywhere = services.length === 0 && region === null && zone === null;
  const fits = (at: Candidate): boolean =>
    services.every((service) => at.services.includes(service)) &&
    (region === null || at.region === region) &&
    (zone === null || at.zone === zone);
  const allowed = anywhere ? null : new Set(nodes.filter(fits).map(({ id }) => id));
  return [{ agent, node, group: spec.instance?.of ?? null, allowed, traffic }];
}
