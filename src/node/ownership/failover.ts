/**
 * On the leader: gives the agents of lost nodes to others, once nobody can act under the lost node's lease any more. Lost is
 * who is gone, and who is there and gets no lease since the leader does not hear it. A node that is back before that keeps
 * its agents; one that goes again and again is waited for longer each time.
 */
import type { AssignmentTable, OwnedAgent } from "../../agents/assignment-table.ts";
import { counted } from "../../base/counted.ts";
import { formatDuration } from "../../base/durations.ts";
import { reasonOf } from "../../base/errors.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Member, Membership } from "../../cluster/membership.ts";
import type { LeaseAuthority } from "../../cluster/leases/node-lease.ts";
import type { AssignmentStore } from "../../control/assignment-store.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import type { Candidate } from "../../placement/candidate.ts";
import { planFailover, type Placed } from "../../placement/failover-plan.ts";
import { initialPlacementState } from "../../placement/strategies.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { EventLog } from "../events/event-log.ts";
import { FlapHold } from "./flap-hold.ts";
import { orphanOf, stayingInstances, type TrafficOf } from "./orphans.ts";
import { Redistribution } from "./redistribution.ts";
import type { UnheardNodes } from "./unheard-nodes.ts";

/** How membership words the failure of a process whose end its launcher has certified. */
const certified = "its launcher certified";
/** Between two looks at a node that is gone. */
const check_ms = 100;
/** After a proposal that failed, and where agents find no room. */
const again_ms = 2_000;
/** Moves in one proposal: agents of the first start while the next is decided. */
const batch = 500;

export interface FailoverOptions {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly consensus: Pick<Consensus, "status" | "onStatus">;
  readonly table: AssignmentTable;
  readonly store: Pick<AssignmentStore, "move">;
  readonly settings: Pick<SettingStore, "put" | "delete" | "list">;
  readonly authority: Pick<LeaseAuthority, "permission" | "ended" | "admit">;
  readonly unheard: Pick<UnheardNodes, "word" | "subscribe">;
  readonly candidates: () => readonly Candidate[];
  /** An agent was given to that node. */
  readonly chose: (node: NodeId) => void;
  readonly traffic: TrafficOf;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly enabled: boolean;
  /** A node is lost when it was found gone in so many looks in a row. */
  readonly threshold: number;
  /** A node that stopped in order may be back within this. */
  readonly restartGrace_ms: number;
  readonly failed: (what: string, reason: string) => void;
}

interface Loss {
  /** On the monotonic clock. */
  readonly since_ms: number;
  readonly boot: number;
  /** Its boot epoch and incarnation. */
  readonly life: string;
  /** Its launcher says that the process ended and is not back soon: nobody need look twice. */
  readonly certified: boolean;
  /** It may be back soon, and nobody must hurry. */
  readonly inOrder: boolean;
  /** An operator removed it, or it was gone for long: nobody waits for it, and it lost nothing by mishap. */
  readonly forgotten: boolean;
  /** It is there, and the leader does not hear it. */
  readonly unheard: boolean;
  /** Not before. */
  next_ms: number;
  /** For how long it is waited for, because of earlier losses; null until they were read. */
  hold_ms: number | null;
  /** Agents of it were given away. */
  given: boolean;
  /** What was told of agents that stay. */
  told: string;
}

export class Failover {
  readonly #options: FailoverOptions;
  readonly #losses = new Map<NodeId, Loss>();
  readonly #flaps: FlapHold;
  readonly #running = new Map<NodeId, Redistribution>();
  readonly #unsubscribe: (() => void)[];
  #timer: Timer | undefined;
  #busy = false;
  #closed = false;

  constructor(options: FailoverOptions) {
    this.#options = options;
    this.#flaps = new FlapHold(options.settings, options.clock);
    const { membership, consensus, table, unheard } = options;
    this.#unsubscribe = [
      membership.subscribe((event) => {
        if ("member" in event && (event.kind !== "updated" || event.reason.startsWith(certified)))
          this.#member(event.member, event.kind, event.reason);
        if (event.kind === "directory")
          for (const each of this.#running.values()) each.announced(event.changed);
      }),
      consensus.onStatus(() => this.#soon(0)),
      table.subscribe(() => this.#soon(0)),
      unheard.subscribe((node) => {
        const member = membership.member(node);
        if (member !== undefined) this.#member(member, member.status, "");
      }),
    ];
    for (const member of membership.members()) this.#member(member, member.status, "");
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const end of this.#unsubscribe) end();
    for (const each of this.#running.values()) each.close();
  }

  #member(member: Member, kind: string, reason: string): void {
    const { clock, authority } = this.#options;
    const { id, status, bootEpoch: boot, incarnation } = member;
    const gone = status === "failed" || status === "left" || kind === "left";
    const word = gone ? undefined : this.#options.unheard.word(id);
    const unheard = word !== undefined;
    if (!gone && !unheard) {
      this.#losses.delete(id);
      return;
    }
    const known = this.#losses.get(id);
    const forgotten = gone && this.#options.membership.member(id) === undefined;
    const inOrder = status === "left" && !forgotten;
    const crashed = status === "failed" && reason.startsWith(certified);
    const same =
      known !== undefined &&
      known.boot === boot &&
      known.inOrder === inOrder &&
      known.forgotten === forgotten &&
      known.unheard === unheard;
    if (same && (!crashed || known.certified)) return;
    if (crashed) authority.ended(id, boot);
    const since_ms = known?.since_ms ?? clock.now_ms();
    const hold_ms = forgotten ? 0 : known?.boot === boot ? known.hold_ms : null;
    const given = known?.given ?? false;
    // Who was there all the while has the incarnation that it had.
    const life = `${boot}.${incarnation}${unheard ? `.${word.since_ms}` : ""}`;
    const begun = { since_ms, boot, life, inOrder, forgotten, unheard, hold_ms, given };
    this.#losses.set(id, { ...begun, certified: crashed, next_ms: 0, told: "" });
    this.#soon(0);
  }

  #leads(): boolean {
    const { role, ready, quorum } = this.#options.consensus.status();
    return role === "leader" && ready && quorum;
  }

  #soon(wait_ms: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    if (!this.#options.enabled || !this.#leads()) return;
    this.#timer = this.#options.clock.after(wait_ms, () => {
      this.#timer = undefined;
      if (this.#busy) return;
      this.#busy = true;
      this.#look()
        .catch((error: unknown) => this.#options.failed("give away agents of a lost node", reasonOf(error)))
        .finally(() => {
          this.#busy = false;
          if (this.#waiting()) this.#soon(check_ms);
        });
    });
  }

  /** Whether some lost node has agents still that are to go elsewhere. */
  #waiting(): boolean {
    const { table } = this.#options;
    for (const node of this.#losses.keys()) {
      for (const agent of table.of(node)) {
        const owned = table.get(agent);
        if (owned !== undefined && moves(owned)) return true;
      }
    }
    return false;
  }

  async #look(): Promise<void> {
    const { clock, table } = this.#options;
    this.#findStrangers();
    for (const [node, loss] of this.#losses) {
      if (!this.#leads() || this.#closed) return;
      if (table.of(node).size === 0) continue;
      const now_ms = clock.now_ms();
      if (now_ms < loss.next_ms) continue;
      if (loss.hold_ms === null) {
        await this.#flaps.read();
        loss.hold_ms = this.#flaps.hold_ms(node, loss.life);
        if (loss.hold_ms === this.#patience_ms(loss)) this.#tellHeld(node, loss.hold_ms);
      }
      if (now_ms < loss.since_ms + this.#patience_ms(loss)) continue;
      const ready = this.#readyToMove(node, loss);
      if (ready.length === 0) continue;
      const permission = await this.#permission(node, loss);
      if (permission === null) continue;
      try {
        if (this.#losses.get(node) === loss) await this.#redistribute(node, loss, ready, permission.term);
      } finally {
        this.#options.authority.admit(node);
      }
    }
  }

  /** Owners that this node has never met: after a restart of everything they may be on their way. */
  #findStrangers(): void {
    const { table, membership, clock } = this.#options;
    for (const node of table.owners()) {
      if (membership.member(node) !== undefined || this.#losses.has(node)) continue;
      const since_ms = clock.now_ms();
      this.#losses.set(node, {
        since_ms,
        boot: 0,
        life: "",
        certified: false,
        inOrder: true,
        forgotten: false,
        unheard: false,
        hold_ms: 0,
        given: false,
        next_ms: 0,
        told: "",
      });
    }
  }

  #patience_ms({ inOrder, hold_ms, certified: crashed }: Loss): number {
    const { restartGrace_ms, threshold } = this.#options;
    return Math.max(hold_ms ?? 0, crashed ? 0 : threshold * check_ms, inOrder ? restartGrace_ms : 0);
  }

  #readyToMove(node: NodeId, loss: Loss): readonly OwnedAgent[] {
    const { table } = this.#options;
    const owned = [...table.of(node)].flatMap((agent) => table.get(agent) ?? []);
    const movable = owned.filter(moves);
    this.#tellStaying(node, loss, owned.length - movable.length);
    return movable;
  }

  async #permission(node: NodeId, { boot }: Loss): Promise<{ readonly term: number } | null> {
    try {
      return await this.#options.authority.permission(node, boot);
    } catch {
      // Leads no more, or cannot be sure: whoever leads next asks again.
      return null;
    }
  }

  async #redistribute(node: NodeId, loss: Loss, orphans: readonly OwnedAgent[], term: number): Promise<void> {
    const { table, events, clock, candidates, prng, store, membership } = this.#options;
    const at = candidates().filter(({ id }) => id !== node);
    const homeless = orphans.map((owned) => orphanOf(owned, this.#options.traffic));
    const staying = stayingInstances(table, homeless);
    const plan = planFailover(homeless, at, initialPlacementState, prng, staying);
    if (plan.placed.length === 0) {
      loss.next_ms = clock.now_ms() + again_ms;
      this.#tellUnplaced(node, plan.unplaced);
      return;
    }
    const text = `Redistributing ${counted(orphans.length, "agent")} from ${node}`;
    events.record("info", "failover.started", text, { node, agents: orphans.length });
    this.#running.get(node)?.close();
    const running = new Redistribution({
      node,
      since_ms: loss.since_ms,
      clock,
      events,
      locate: (agent) => membership.locate(agent),
      ended: () => this.#running.delete(node),
    });
    this.#running.set(node, running);
    const byName = new Map(orphans.map((orphan) => [orphan.agent, orphan]));
    for (let from = 0; from < plan.placed.length; from += batch) {
      // A permission lasts longer than one move waits to be decided, not than all of them.
      if (from > 0 && (await this.#permission(node, loss))?.term !== term) break;
      const part = plan.placed.slice(from, from + batch);
      const moved = part.flatMap((placed) => moveOf(placed, byName));
      await store.move({ cause: "failover", term, moves: moved }, "");
      for (const { to } of part) this.#options.chose(to);
      running.proposed(part, (agent) => byName.get(agent)?.epoch ?? 0);
    }
    running.complete();
    await table.refresh();
    // Not before: a move that found no quorum gave nothing away, and is done again.
    if (!loss.given && !loss.forgotten) {
      loss.given = true;
      await this.#flaps
        .lost(node, loss.life)
        .catch((error: unknown) => this.#options.failed("write down that a node was lost", reasonOf(error)));
    }
    if (plan.unplaced.length > 0) {
      loss.next_ms = clock.now_ms() + again_ms;
      this.#tellUnplaced(node, plan.unplaced);
    }
  }

  #tellHeld(node: NodeId, hold_ms: number): void {
    if (hold_ms === 0) return;
    const text = `Node ${node} was lost before, not long ago: it is waited for, for ${formatDuration(hold_ms)}`;
    this.#options.events.record("info", "failover.held", text, { node, hold_ms });
  }

  #tellStaying(node: NodeId, loss: Loss, count: number): void {
    if (count === 0) return;
    const text = `Left to wait for ${node}: ${counted(count, "agent")} (--on-node-loss wait, or --partition continue)`;
    if (loss.told === text) return;
    loss.told = text;
    this.#options.events.record("warn", "failover.waiting", text, { node, agents: count });
  }

  #tellUnplaced(node: NodeId, unplaced: readonly { readonly why: string }[]): void {
    const why = unplaced[0]?.why ?? "";
    const text = `No room for ${counted(unplaced.length, "agent")} of ${node}: ${why}`;
    this.#options.events.record("warn", "failover.no_capacity", text, { node, agents: unplaced.length });
  }
}

/** Its node's return is not waited for. */
function moves({ spec }: OwnedAgent): boolean {
  return spec.onNodeLoss === "restart" && spec.partition !== "continue";
}

function moveOf({ agent, to }: Placed, orphans: ReadonlyMap<AgentName, OwnedAgent>) {
  const orphan = orphans.get(agent);
  if (orphan === undefined) return [];
  return [{ agent, from: orphan.node, epoch: orphan.epoch, to, continues: 0, transfer: 0 }];
}
