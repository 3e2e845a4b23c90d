/**
 * Leases on the raft thread: both halves, joined to consensus by what its driver tells (`LeaseHooks`) and what it
 * offers (`LeaseGround`). The leader renews at itself by the same frames. The simulator runs it as it is.
 */
import { unreachable } from "../../base/assert.ts";
import type { NodeId } from "../../base/ids.ts";
import type { LeaseTerms } from "../../ownership/owner-lease.ts";
import type { BootClock } from "../../ports/boot-clock.ts";
import type { Clock } from "../../ports/clock.ts";
import { encodeControlQuery } from "../../wire/control-command.ts";
import { controlQueries } from "../../wire/control-kinds.ts";
import { decodeSettings } from "../../wire/control-setting.ts";
import { decodeNodeRecords } from "../../wire/control-node.ts";
import { decodeLeaseFrame, encodeLeaseFrame, type LeaseFrame } from "../../wire/lease-frame.ts";
import { LeaseGrants } from "./grants.ts";
import { registeredTerm_ms } from "./registered-terms.ts";
import { LeaseRenewals } from "./renewals.ts";
import type { FromLease, LeaseNews, ToLease } from "./node-lease.ts";

/** The same lives are not looked up again sooner, unless somebody asks who is not among them. */
const livesFresh_ms = 200;

/** What the consensus driver offers. */
export interface LeaseGround {
  readonly self: NodeId;
  readonly soon: (callback: () => void) => void;
  readonly send: (node: NodeId, bytes: Uint8Array) => void;
  /** Asks the core for a read index, soon; answered by `round`. */
  readonly ask: (attempt: number) => void;
  readonly last: () => number;
  /** How far the control state has applied the log. */
  readonly applied: () => number;
  /** Of the control state here. */
  readonly query: (query: Uint8Array) => Uint8Array;
}

/** What it is told by the consensus driver. */
export interface LeaseHooks {
  /** A frame for which `isLeaseFrame` holds. Throws `WireError`. */
  receive(from: NodeId, bytes: Uint8Array): void;
  status(status: LeaderStatus): void;
  linkUp(node: NodeId): void;
  applied(): void;
  round(attempt: number, led: boolean): void;
  close(): void;
}

interface LeaderStatus {
  readonly leader: NodeId | null;
  readonly term: number;
  /** Whether this node leads. */
  readonly leads: boolean;
}

export interface LeaseDriverOptions {
  readonly boot: number;
  readonly terms: LeaseTerms;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly cell: SharedArrayBuffer;
  /** Of this node's own lease. */
  readonly tell: (news: LeaseNews) => void;
}

export class LeaseDriver implements LeaseHooks {
  readonly grants: LeaseGrants;
  readonly #renewals: LeaseRenewals;
  readonly #lives: RegisteredLives;
  /** The log's last index when this node began to lead. */
  #ledFrom = 0;
  #told: LeaderStatus = { leader: null, term: 0, leads: false };
  #closed = false;

  constructor(
    options: LeaseDriverOptions,
    private readonly ground: LeaseGround,
  ) {
    const { boot, terms, clock, bootClock, cell, tell } = options;
    const send = (node: NodeId, frame: LeaseFrame): void => this.#send(node, encodeLeaseFrame(frame));
    this.#lives = new RegisteredLives(clock, ground);
    this.#renewals = new LeaseRenewals({
      boot,
      terms,
      clock,
      bootClock,
      cell,
      send,
      applied: ground.applied,
      tell,
    });
    this.grants = new LeaseGrants({
      terms,
      clock,
      send,
      ask: ground.ask,
      isRegistered: (node, boot) => this.#lives.has(node, boot),
      formerTerm_ms: (node) => this.#formerTerm_ms(node),
      last: ground.last,
    });
  }

  receive(from: NodeId, bytes: Uint8Array): void {
    if (this.#closed) return;
    const frame = decodeLeaseFrame(bytes);
    switch (frame.kind) {
      case "renewal":
        return this.grants.renewal(from, frame);
      case "grant":
        return this.#renewals.granted(from, frame);
      case "refusal":
        return this.#renewals.refused(from, frame);
      default:
        return unreachable(frame);
    }
  }

  status(status: LeaderStatus): void {
    const before = this.#told;
    this.#told = status;
    if (status.leads && this.grants.term !== status.term) this.#ledFrom = this.ground.last();
    if (status.leads) this.grants.lead(status.term, this.#renewals.longestWait_ms);
    else if (before.leads) this.grants.resign();
    if (status.leader !== before.leader || status.term !== before.term) this.#renewals.follow(status.leader);
  }

  linkUp(node: NodeId): void {
    this.#renewals.linkUp(node);
  }

  applied(): void {
    this.#renewals.applied();
  }

  round(attempt: number, led: boolean): void {
    this.grants.round(attempt, led);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.grants.resign();
    this.#renewals.close();
  }

  #formerTerm_ms(node: NodeId): number | null {
    if (this.ground.applied() < this.#ledFrom) return null;
    const query = encodeControlQuery(controlQueries.settings, new Uint8Array());
    return registeredTerm_ms(decodeSettings(this.ground.query(query)), node);
  }

  #send(node: NodeId, bytes: Uint8Array): void {
    const { self, soon, send } = this.ground;
    if (node === self) soon(() => this.receive(self, bytes));
    else send(node, bytes);
  }
}

/** What main asks of it; a witness, and a thread that is not open, have no leases to tell of. */
export function answerLease(
  driver: LeaseDriver | undefined,
  ask: ToLease,
  answer: (tell: FromLease) => void,
): void {
  const grants = driver?.grants;
  switch (ask.kind) {
    case "permit": {
      const { request, node, boot } = ask;
      const leads = grants !== undefined && grants.term !== null;
      return answer({ kind: "permitted", request, leads, term: grants?.permit(node, boot) ?? null });
    }
    case "ages":
      return answer({ kind: "aged", request: ask.request, ages: grants?.ages() ?? null });
    case "ended":
      return grants?.ended(ask.node, ask.boot);
    case "bar":
      return grants?.bar(ask.node);
    case "admit":
      return grants?.admit(ask.node);
    default:
      return unreachable(ask);
  }
}

/** The newest life of each node that the control state has, looked up for many at once. */
class RegisteredLives {
  #boots = new Map<NodeId, number>();
  #index = -1;
  #due_ms = 0;

  constructor(
    private readonly clock: Clock,
    private readonly ground: LeaseGround,
  ) {}

  has(node: NodeId, boot: number): boolean {
    const now_ms = this.clock.now_ms();
    const index = this.ground.applied();
    if (index !== this.#index && (now_ms >= this.#due_ms || this.#boots.get(node) !== boot)) {
      this.#index = index;
      this.#due_ms = now_ms + livesFresh_ms;
      const query = encodeControlQuery(controlQueries.nodes, new Uint8Array());
      const records = decodeNodeRecords(this.ground.query(query)).filter(({ removed }) => !removed);
      this.#boots = new Map(records.map(({ id, bootEpoch }) => [id, bootEpoch]));
    }
    return this.#boots.get(node) === boot;
  }
}
