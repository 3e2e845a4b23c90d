/**
 * Drills: nodes of the live cluster are cut off from the others for a bounded time, at each node's own network layer.
 * All live nodes agree first; each then undoes it by its own clock, so that none stays cut off when the node that
 * commanded it is gone. The API is not part of the cut.
 */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { PartitionReport, Rehearsal } from "../../api/partition-service.ts";
import { formatDuration } from "../../base/durations.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { namePattern, type NodeId } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import { type CutOrder, cutLimit_ms } from "../../cluster/network-cut.ts";
import type { PartitionMonitor } from "../../cluster/partition-monitor.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import { votersNeeded } from "../../ownership/partition-state.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { EventLog } from "../events/event-log.ts";

const request_ms = 3_000;
/** An agreement that nobody acts on is forgotten. */
const agreed_ms = 10_000;
/** After the word to begin: for its answer to leave. */
const begin_ms = 250;
/** After the end: until every isolated node has settled what it queued, at most. */
const healing_ms_max = 180_000;
const look_ms = 500;
const nodes_max = 1_000;

const nodeId = v.pipe(
  v.string(),
  v.regex(namePattern),
  v.transform((text) => text as NodeId),
);
const orderSchema = v.strictObject({
  id: v.pipe(v.string(), v.maxLength(64)),
  by: nodeId,
  isolated: v.pipe(v.array(nodeId), v.minLength(1), v.maxLength(nodes_max)),
  duration_ms: v.pipe(v.number(), v.minValue(0), v.maxValue(cutLimit_ms)),
});
type Order = v.InferOutput<typeof orderSchema>;
/** Behind which of its queued writes those of the drill stand at that node. */
const agreedSchema = v.strictObject({
  position: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
});

export interface RehearsalsOptions {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly monitor: PartitionMonitor;
  readonly events: EventLog;
  readonly cut: (order: CutOrder) => void;
  readonly newId: () => string;
  /** Of the newest write that this node queued. */
  readonly position: () => Promise<number>;
  /** Of what each node queued behind such a position. */
  readonly report: (after: ReadonlyMap<NodeId, number>) => Promise<PartitionReport>;
}

interface Commanded {
  rehearsal: Rehearsal;
  readonly positions: ReadonlyMap<NodeId, number>;
  timer: Timer | undefined;
}

export class Rehearsals {
  readonly #options: RehearsalsOptions;
  /** Agreed to, and not begun. */
  #agreed: { readonly id: string; readonly by: NodeId; readonly timer: Timer } | null = null;
  /** The cut that this node takes part in. */
  #running: { readonly id: string; readonly timers: Timer[]; readonly others: ReadonlySet<NodeId> } | null =
    null;
  #commanded: Commanded | null = null;
  /** One is being agreed on, asked for here. */
  #commanding = false;
  #closed = false;

  /** Answers the others from now on. */
  constructor(options: RehearsalsOptions) {
    this.#options = options;
    const { peers } = options;
    peers.handle("partition.rehearse.agree", async (body) => {
      this.#agree(parseBody(orderSchema, body));
      return jsonBody({ position: await options.position() });
    });
    peers.handle("partition.rehearse.begin", (body) => {
      this.#begin(parseBody(orderSchema, body));
      return Promise.resolve(jsonBody({}));
    });
  }

  get latest(): Rehearsal | null {
    return this.#commanded?.rehearsal ?? null;
  }

  /** Whether a drill keeps that node from this one now. */
  cutsOff(node: NodeId): boolean {
    return this.#running?.others.has(node) ?? false;
  }

  /** Resolves when the cut has begun. Throws `node_not_found`, `invalid_argument`, `conflict`. */
  async command(isolate: readonly NodeId[], duration_ms: number, force: boolean): Promise<Rehearsal> {
    const { self } = this.#options;
    if (this.#commanding)
      throw new CaxtonError("conflict", `Another drill is being agreed on at node "${self}"`);
    this.#commanding = true;
    try {
      return await this.#command(isolate, duration_ms, force);
    } finally {
      this.#commanding = false;
    }
  }

  async #command(isolate: readonly NodeId[], duration_ms: number, force: boolean): Promise<Rehearsal> {
    const { self, membership, clock, newId } = this.#options;
    const isolated = [...new Set(isolate)].sort();
    const alive = membership
      .members()
      .filter(({ status }) => status === "alive")
      .map(({ id }) => id);
    this.#check(isolated, alive, force);
    const order: Order = { id: newId(), by: self, isolated, duration_ms };
    const others = alive.filter((node) => node !== self);
    this.#agree(order);
    const positions = new Map<NodeId, number>();
    const refusals = await this.#tell(others, "partition.rehearse.agree", order, (node, answer) => {
      positions.set(node, parseBody(agreedSchema, answer).position);
    });
    const own = await this.#options.position().catch((error: unknown) => {
      refusals.push(`${self}: ${reasonOf(error)}`);
      return 0;
    });
    positions.set(self, own);
    if (refusals.length > 0) {
      this.#forget(order.id);
      throw new CaxtonError(
        "conflict",
        `Nothing was cut: not every live node agreed (${refusals.join("; ")})`,
      );
    }
    const troubles = await this.#tell(others, "partition.rehearse.begin", order);
    this.#begin(order);
    const rehearsal: Rehearsal = {
      id: order.id,
      isolated,
      duration_ms,
      started_ms: clock.wall_ms(),
      phase: "cut",
      report: null,
      troubles,
    };
    this.#commanded?.timer?.cancel();
    const commanded: Commanded = { rehearsal, positions, timer: undefined };
    this.#commanded = commanded;
    commanded.timer = clock.after(begin_ms + duration_ms, () => {
      commanded.rehearsal = { ...commanded.rehearsal, phase: "healing" };
      this.#heal(commanded, clock.now_ms() + healing_ms_max);
    });
    return rehearsal;
  }

  close(): void {
    this.#closed = true;
    this.#agreed?.timer.cancel();
    for (const timer of this.#running?.timers ?? []) timer.cancel();
    this.#commanded?.timer?.cancel();
  }

  #check(isolated: readonly NodeId[], alive: readonly NodeId[], force: boolean): void {
    const { membership, monitor } = this.#options;
    for (const node of isolated) {
      const member = membership.member(node);
      if (member === undefined) throw new CaxtonError("node_not_found", `No node "${node}" is known`);
      if (member.status !== "alive")
        throw new CaxtonError("conflict", `Node "${node}" is ${member.status}: there is nothing to cut`);
    }
    const rest = alive.filter((node) => !isolated.includes(node));
    if (rest.length === 0)
      throw new CaxtonError("invalid_argument", "All nodes on one side are cut off from nobody");
    const { voters } = monitor.view();
    const kept = voters.filter((node) => rest.includes(node)).length;
    const needed = votersNeeded(voters.length, 0);
    if (kept >= needed || force) return;
    throw new CaxtonError(
      "conflict",
      `Without ${isolated.join(", ")} the others keep ${kept} of ${voters.length} voters and need ${needed}: ` +
        "the cluster would take no writes for that time. Nothing was cut; --yes does it anyway",
    );
  }

  #agree(order: Order): void {
    const { self, membership, clock } = this.#options;
    // Who asks again has given up what it asked before.
    if (this.#running !== null || (this.#agreed !== null && this.#agreed.by !== order.by))
      throw new CaxtonError("conflict", `Node "${self}" takes part in another drill`);
    for (const node of order.isolated) {
      if (membership.member(node)?.status !== "alive")
        throw new CaxtonError("conflict", `Node "${self}" does not see "${node}" alive`);
    }
    this.#agreed?.timer.cancel();
    this.#agreed = {
      id: order.id,
      by: order.by,
      timer: clock.after(agreed_ms, () => this.#forget(order.id)),
    };
  }

  #forget(id: string): void {
    if (this.#agreed?.id !== id) return;
    this.#agreed.timer.cancel();
    this.#agreed = null;
  }

  #begin({ id, by, isolated, duration_ms }: Order): void {
    const { self, membership, clock, events, cut } = this.#options;
    if (this.#agreed?.id !== id)
      throw new CaxtonError("conflict", `Node "${self}" did not agree to this drill`);
    this.#forget(id);
    const isIsolated = isolated.includes(self);
    const others = membership
      .members()
      .filter((member) => member.status !== "left" && isolated.includes(member.id) !== isIsolated);
    const names = others.map((member) => member.id);
    const start = clock.after(begin_ms, () => {
      cut({ nodes: names, addresses: others.map(({ address }) => address), for_ms: duration_ms });
      const text = `Rehearsal: ${self} is cut off from ${names.join(", ")} for ${formatDuration(duration_ms)}, asked for at ${by}`;
      events.record("warn", "partition.rehearsal", text, { id, by, isolated, duration_ms });
    });
    const end = clock.after(begin_ms + duration_ms, () => {
      this.#running = null;
      events.record("info", "partition.rehearsal", `Rehearsal: ${self} is cut off no more`, { id, by });
    });
    this.#running = { id, timers: [start, end], others: new Set(names) };
  }

  /** What did not work, by node. */
  async #tell(
    nodes: readonly NodeId[],
    method: string,
    order: Order,
    answered: (node: NodeId, answer: Uint8Array) => void = () => undefined,
  ): Promise<string[]> {
    const { peers } = this.#options;
    const told = await Promise.all(
      nodes.map(async (node) => {
        try {
          answered(node, await peers.request(node, method, jsonBody(order), { timeout_ms: request_ms }));
          return [];
        } catch (error) {
          return [`${node}: ${reasonOf(error)}`];
        }
      }),
    );
    return told.flat();
  }

  #heal(commanded: Commanded, end_ms: number): void {
    const { clock } = this.#options;
    commanded.timer = clock.after(look_ms, () => {
      const late = clock.now_ms() >= end_ms;
      void this.#look(commanded, late)
        .catch((error: unknown) => this.#unreported(commanded, late, reasonOf(error)))
        .then((ended) => {
          if (!ended && !this.#closed) this.#heal(commanded, end_ms);
        });
    });
  }

  /** This node's own store did not answer. */
  #unreported(commanded: Commanded, late: boolean, reason: string): boolean {
    if (!late) return false;
    const { rehearsal } = commanded;
    const troubles = [...rehearsal.troubles, `there is no report: ${reason}`];
    commanded.rehearsal = { ...rehearsal, phase: "ended", troubles };
    return true;
  }

  /** Whether it is over: all answer, none is cut off any more, nothing waits. */
  async #look(commanded: Commanded, late: boolean): Promise<boolean> {
    const { rehearsal, positions } = commanded;
    const report = await this.#options.report(positions);
    const unsettled = report.nodes.filter(
      ({ state, counts }) =>
        counts.queued + counts.replaying > 0 || state === "minority" || state === "isolated",
    );
    const silent = rehearsal.isolated.filter((node) => !report.nodes.some((one) => one.node === node));
    const hasLeft = (node: NodeId): boolean => {
      const status = this.#options.membership.member(node)?.status;
      return status === undefined || status === "left";
    };
    const missing = silent.filter((node) => !hasLeft(node));
    if ((unsettled.length > 0 || missing.length > 0) && !late) return false;
    const troubles = [
      ...rehearsal.troubles,
      ...unsettled.map(({ node }) => `${node} has not settled all that it queued`),
      ...missing.map((node) => `${node} does not answer`),
      ...silent.filter(hasLeft).map((node) => `${node} has left the cluster meanwhile`),
    ];
    commanded.rehearsal = { ...rehearsal, phase: "ended", report, troubles };
    return true;
  }
}
