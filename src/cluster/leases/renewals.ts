/**
 * The owner's half of leases on the raft thread: renews at the leader three times a term, and puts into the shared
 * cell until when this node may act. A leader that waits for less than this node would count is asked for that. A grant counts only when the control state here has applied what was assigned
 * before it; until then the grants before it count on.
 */
import type { NodeId } from "../../base/ids.ts";
import { OwnerLease, type LeaseTerms } from "../../ownership/owner-lease.ts";
import type { BootClock } from "../../ports/boot-clock.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { LeaseFrame } from "../../wire/lease-frame.ts";
import { LeaseCellWriter } from "./cell.ts";
import type { LeaseNews } from "./node-lease.ts";

const renewalsATerm = 3;
/** While nothing is held: whoever leads may just have heard of this life. */
const unheldEvery_ms = 150;
/** As the configuration's least: no leader has less. */
const leastTerm_ms = 500;
/** Grants that wait for the control state, and renewals whose leader is remembered; the oldest go. */
const waitingLimit = 64;

export interface RenewalsOptions {
  readonly boot: number;
  readonly terms: LeaseTerms;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly cell: SharedArrayBuffer;
  readonly send: (leader: NodeId, frame: LeaseFrame) => void;
  /** How far the control state has applied the log here. */
  readonly applied: () => number;
  readonly tell: (news: LeaseNews) => void;
}

type Refusal = Extract<LeaseFrame, { kind: "refusal" }>;
type Grant = Extract<LeaseFrame, { kind: "grant" }>;

export class LeaseRenewals {
  readonly #options: RenewalsOptions;
  readonly #owner: OwnerLease;
  readonly #cell: LeaseCellWriter;
  readonly #asked = new Map<number, NodeId>();
  #waiting: Grant[] = [];
  #leader: NodeId | null = null;
  /** For how long the leader is asked: as configured, or the most that it grants. */
  #ttl_ms: number;
  #timer: Timer | undefined;
  /** The longest that a leader said it waits: it binds whoever leads next. */
  longestWait_ms = 0;

  constructor(options: RenewalsOptions) {
    this.#options = options;
    this.#owner = new OwnerLease(options.terms);
    this.#ttl_ms = options.terms.ttl_ms;
    this.#cell = new LeaseCellWriter(options.cell);
    // What an earlier driver of this process held may rest on a state that is gone.
    this.#cell.lose(options.bootClock.now_ms());
    this.#arm();
  }

  /** Whoever leads now; told again, it is asked again. */
  follow(leader: NodeId | null): void {
    this.#leader = leader;
    this.#ttl_ms = this.#options.terms.ttl_ms;
    this.renew();
  }

  /** The link to a node is new: what was sent on the one before may be lost. */
  linkUp(node: NodeId): void {
    if (node === this.#leader) this.renew();
  }

  renew(): void {
    const { boot, bootClock, send } = this.#options;
    const leader = this.#leader;
    if (leader === null) return;
    const renewal = this.#owner.renew(bootClock.now_ms(), this.#ttl_ms);
    this.#asked.set(renewal, leader);
    bound(this.#asked);
    send(leader, { kind: "renewal", boot, renewal, ttl_ms: this.#ttl_ms });
  }

  /** A grant counts only from the node that was asked. */
  granted(from: NodeId, grant: Grant): void {
    if (grant.boot !== this.#options.boot || this.#asked.get(grant.renewal) !== from) return;
    this.longestWait_ms = Math.max(this.longestWait_ms, grant.wait_ms);
    this.#asked.delete(grant.renewal);
    this.#waiting.push(grant);
    if (this.#waiting.length > waitingLimit) this.#waiting.shift();
    this.applied();
  }

  /** It was heard, and gets no lease. Counts only from the leader that was asked. */
  refused(from: NodeId, { boot, renewal, why, ttl_ms }: Refusal): void {
    if (boot !== this.#options.boot || this.#asked.get(renewal) !== from || from !== this.#leader) return;
    this.#asked.delete(renewal);
    const most_ms = Math.max(ttl_ms, leastTerm_ms);
    // Of renewals that were sent before it was known what the leader grants.
    if (why === "term" && most_ms >= this.#ttl_ms) return;
    this.#options.tell({ kind: "refused", leader: from, why, ttl_ms });
    if (why !== "term") return;
    this.#ttl_ms = most_ms;
    this.renew();
  }

  /** The control state has gone on. */
  applied(): void {
    if (this.#waiting.length === 0) return;
    const index = this.#options.applied();
    const due = this.#waiting.filter(({ assignedUpTo }) => assignedUpTo <= index);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ assignedUpTo }) => assignedUpTo > index);
    for (const { renewal, assignedUpTo } of due) this.#owner.granted({ renewal, assignedUpTo });
    const now_ms = this.#options.bootClock.now_ms();
    if (!this.#owner.holds(now_ms, index)) return;
    if (this.#cell.hold(now_ms + this.#owner.remaining_ms(now_ms), now_ms))
      this.#options.tell({ kind: "began", tenure: this.#cell.tenure });
  }

  close(): void {
    this.#timer?.cancel();
    this.#owner.lose();
    this.#cell.lose(this.#options.bootClock.now_ms());
  }

  #arm(): void {
    const { clock, bootClock } = this.#options;
    const held = this.#cell.until_ms > bootClock.now_ms();
    const usual_ms = this.#ttl_ms / renewalsATerm;
    this.#timer = clock.after(held ? usual_ms : Math.min(usual_ms, unheldEvery_ms), () => {
      this.#arm();
      this.renew();
    });
  }
}

function bound(asked: Map<number, NodeId>): void {
  for (const oldest of asked.keys()) {
    if (asked.size <= waitingLimit) return;
    asked.delete(oldest);
  }
}
