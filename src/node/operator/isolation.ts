/**
 * A node that an operator isolated: it takes no new agents, gives away those that it has, and leadership too; it keeps
 * its vote, its databases and its API. What cannot be given away stays where it is and is tried again. The node itself
 * does so whenever it reads that it is isolated, also after a restart.
 */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { AssignmentTable } from "../../agents/assignment-table.ts";
import type { Isolation } from "../../api/operator-service.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { EventLog } from "../events/event-log.ts";
import type { OperatorModes } from "./operator-modes.ts";

const method = "operator.drain";
/** A node that is isolated looks again whether it has agents. */
const again_ms = 10_000;
/** In those later tries. */
const drainAgain_ms = 30_000;
const drain_ms_max = 3_600_000;
/** What the way there and back, and the reading of the setting, may take on top. */
const way_ms = 5_000;
const transfer_ms = 3_000;

const drainRequest = v.strictObject({
  within_ms: v.pipe(v.number(), v.minValue(0), v.maxValue(drain_ms_max)),
});
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const drainAnswer = v.strictObject({ stayed: count });
type Drained = v.InferOutput<typeof drainAnswer>;

export interface NodeIsolationOptions {
  readonly self: NodeId;
  readonly modes: OperatorModes;
  readonly membership: Pick<Membership, "members" | "member">;
  readonly peers: Pick<Peers, "request" | "handle">;
  readonly consensus: Pick<Consensus, "status" | "transferLeadership">;
  readonly table: Pick<AssignmentTable, "of">;
  readonly clock: Clock;
  readonly events: Pick<EventLog, "record">;
  /** Gives agents to others, as far as that goes within the time and until it is over, and takes no new ones. */
  readonly drain: (within_ms: number, isOver: () => boolean) => Promise<void>;
  /** Placement may put agents here again. */
  readonly reopen: () => void;
}

export class NodeIsolation {
  readonly #options: NodeIsolationOptions;
  readonly #unsubscribe: () => void;
  #isolated = false;
  #draining: Promise<void> | null = null;
  #again: Timer | undefined;
  #closed = false;

  constructor(options: NodeIsolationOptions) {
    this.#options = options;
    const { peers, modes } = options;
    peers.handle(method, async (body) => {
      const { within_ms } = parseBody(drainRequest, body);
      return jsonBody(await this.#drainNow(within_ms));
    });
    this.#unsubscribe = modes.subscribe(() => this.#follow());
    this.#follow();
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#again?.cancel();
  }

  async isolate(node: NodeId, drain_timeout_ms: number): Promise<Isolation> {
    const { self, modes, membership, peers, table } = this.#options;
    const member = membership.member(node);
    if (member === undefined) throw unknown(node);
    const host = membership
      .members()
      .find(
        ({ id, status, tags }) =>
          id !== node && status === "alive" && tags.maxAgents > 0 && !modes.isolated.has(id),
      );
    if (host === undefined) {
      throw new CaxtonError(
        "conflict",
        `Node "${node}" cannot be isolated: no other node could take its agents. Add one, or let another rejoin`,
      );
    }
    // It begins as soon as it reads of it.
    const before = table.of(node).size;
    await modes.setIsolated(node, true);
    const nothing = { node, moved: 0, stayed: before };
    if (member.status === "failed" || member.status === "left")
      return { ...nothing, notReached: `it is ${member.status}, and isolated when it is back` };
    const done = ({ stayed }: Drained): Isolation => ({
      node,
      moved: Math.max(0, before - stayed),
      stayed,
      notReached: null,
    });
    if (node === self) return done(await this.#drainNow(drain_timeout_ms));
    const body = jsonBody({ within_ms: drain_timeout_ms });
    try {
      const answer = await peers.request(node, method, body, { timeout_ms: drain_timeout_ms + way_ms });
      return done(parseBody(drainAnswer, answer));
    } catch (error) {
      if (!(error instanceof CaxtonError)) throw error;
      return { ...nothing, notReached: error.message };
    }
  }

  async rejoin(node: NodeId): Promise<void> {
    const { modes } = this.#options;
    await modes.refresh("linearizable");
    if (modes.isolated.has(node)) return await modes.setIsolated(node, false);
    if (this.#options.membership.member(node) === undefined) throw unknown(node);
    throw new CaxtonError("conflict", `Node "${node}" is not isolated`);
  }

  #follow(): void {
    const { self, modes, events, reopen } = this.#options;
    const isolated = modes.isolated.has(self);
    if (isolated === this.#isolated || this.#closed) return;
    this.#isolated = isolated;
    if (!isolated) {
      this.#again?.cancel();
      reopen();
      events.record("info", "node.rejoined", `Node ${self} takes agents and messages again`, { node: self });
      return;
    }
    const text = `Node ${self} is isolated by an operator: it gives its agents to others and takes no messages`;
    events.record("warn", "node.isolated", text, { node: self });
    void this.#drain(drainAgain_ms);
  }

  /** Begun for an order; what runs already is waited for. */
  async #drainNow(within_ms: number): Promise<Drained> {
    const { self, modes, table } = this.#options;
    if (!modes.isolated.has(self)) await modes.refresh("linearizable");
    if (!modes.isolated.has(self))
      throw new CaxtonError("conflict", `Node "${self}" is not isolated: it keeps its agents`);
    const end = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(within_ms, () => end.resolve());
    await Promise.race([this.#drain(within_ms), end.promise]);
    timer.cancel();
    return { stayed: table.of(self).size };
  }

  #drain(within_ms: number): Promise<void> {
    this.#draining ??= this.#giveAway(within_ms).finally(() => {
      this.#draining = null;
      this.#watch();
    });
    return this.#draining;
  }

  /** What stayed, and what others placed here before they had heard of it. */
  #watch(): void {
    const { self, table, clock } = this.#options;
    this.#again?.cancel();
    if (this.#closed || !this.#isolated) return;
    this.#again = clock.after(again_ms, () => {
      if (table.of(self).size > 0) void this.#drain(drainAgain_ms);
      else this.#watch();
    });
  }

  async #giveAway(within_ms: number): Promise<void> {
    const { self, drain, consensus, events } = this.#options;
    const { role, voters } = consensus.status();
    const failed = (what: string, error: unknown): void =>
      events.record("warn", "drain.failed", `Node ${self} ${what} for now: ${reasonOf(error)}`, {
        node: self,
      });
    if (role === "leader" && voters > 1) {
      await consensus
        .transferLeadership(null, { timeout_ms: transfer_ms })
        .catch((error: unknown) => failed("goes on leading", error));
    }
    // It may rejoin at any moment: then it keeps what it has, and takes agents again.
    if (this.#isolated) {
      await drain(within_ms, () => !this.#isolated).catch((error: unknown) =>
        failed("keeps its agents", error),
      );
      if (!this.#isolated && !this.#closed) this.#options.reopen();
    }
  }
}

function unknown(node: NodeId): CaxtonError {
  return new CaxtonError("node_not_found", `No node "${node}" in this cluster. See: caxton cluster members`);
}
