/**
 * The leader's half of leases on the raft thread: renewals of registered lives wait for a read-index round that began
 * after they came, one round for all that wait, and are then granted. Says what may be given to others, and stops
 * granting to that node until this has been decided. What holds is ownership/lease-book.ts's to know.
 */
import type { NodeId } from "../../base/ids.ts";
import { LeaseBook } from "../../ownership/lease-book.ts";
import type { LeaseAges } from "../../ownership/lease-silence.ts";
import type { LeaseTerms } from "../../ownership/owner-lease.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LeaseFrame, LeaseRefusal } from "../../wire/lease-frame.ts";

/**
 * A node whose agents may be given away gets no lease for so long, or until it is admitted. Longer than any command
 * waits to be decided, so that what is proposed with the permission is in the log before the node's next grant.
 */
export const permission_ms = 15_000;
/** Lives that ended, remembered for the next book. */
const endedLimit = 10_000;
/** Nodes whose latest renewals are known. */
const heardLimit = 10_000;

export interface GrantsOptions {
  readonly terms: LeaseTerms;
  readonly clock: Clock;
  readonly send: (owner: NodeId, frame: LeaseFrame) => void;
  /** Asks for a read-index round, soon; answered by `round`. */
  readonly ask: (attempt: number) => void;
  /** Whether this is the newest life of the node that the control state knows. */
  readonly isRegistered: (node: NodeId, boot: number) => boolean;
  /**
   * For how long an earlier leader, of whatever terms, may have granted that node a lease. Null while the control state here
   * lacks what that leader may have committed.
   */
  readonly formerTerm_ms: (node: NodeId) => number | null;
  /** The last index of the log, committed or not. */
  readonly last: () => number;
}

type Renewal = Extract<LeaseFrame, { kind: "renewal" }>;

interface Permission {
  readonly until_ms: number;
  /** Its newest renewal since: it is back, and is answered once it is admitted. */
  asked: Renewal | null;
}

export class LeaseGrants {
  readonly #options: GrantsOptions;
  #book: LeaseBook;
  #wait_ms: number;
  readonly #ended = new Map<NodeId, number>();
  readonly #permitted = new Map<NodeId, Permission>();
  /** In this term: when each node's latest renewal was granted, or refused. */
  readonly #heard = new Map<NodeId, { readonly boot: number; readonly at_ms: number }>();
  #term: number | null = null;
  #ledAt_ms = 0;
  /** Numbered over all books and terms, so that a late answer to an earlier question is none to this one. */
  #attempt = 0;
  #underWay: { readonly attempt: number; readonly round: number } | null = null;
  /** Renewals that came while a round was under way, or that its end did not cover. */
  #waiting = false;
  readonly counts = { granted: 0, refused: 0 };

  constructor(options: GrantsOptions) {
    this.#options = options;
    this.#book = new LeaseBook(options.terms);
    this.#wait_ms = options.terms.ttl_ms * (1 + options.terms.drift);
  }

  get term(): number | null {
    return this.#term;
  }

  /** `longestWait_ms` is what an earlier leader may have granted for. */
  lead(term: number, longestWait_ms: number): void {
    if (term === this.#term) return;
    this.resign();
    if (longestWait_ms > this.#wait_ms) this.#lengthen(longestWait_ms);
    this.#term = term;
    this.#ledAt_ms = this.#options.clock.now_ms();
    this.#book.lead(this.#ledAt_ms);
  }

  resign(): void {
    this.#term = null;
    this.#book.resign();
    this.#permitted.clear();
    this.#heard.clear();
    this.#underWay = null;
    this.#waiting = false;
  }

  renewal(from: NodeId, asked: Renewal): void {
    if (this.#term === null) return;
    const { terms, send } = this.#options;
    const { boot, renewal } = asked;
    const permission = this.#permission(from);
    if (permission !== undefined) permission.asked = asked;
    const why = this.#refusal(from, asked, permission !== undefined);
    if (why !== null) {
      this.counts.refused++;
      // Not of a life before one that was heard: that one is over.
      if (boot >= (this.#heard.get(from)?.boot ?? -1)) this.#hears(from, boot);
      send(from, { kind: "refusal", boot, renewal, why, ttl_ms: terms.ttl_ms });
      return;
    }
    this.#waiting = true;
    this.#begin();
  }

  /** Null when it is to be granted. */
  #refusal(from: NodeId, asked: Renewal, isGivenAway: boolean): LeaseRefusal | null {
    const { terms, isRegistered } = this.#options;
    const { boot, renewal, ttl_ms } = asked;
    if (isGivenAway) return "given_away";
    // Who counts longer than this leader waits would still act when others do.
    if (ttl_ms > terms.ttl_ms) return "term";
    if (!isRegistered(from, boot)) return "unregistered";
    return this.#book.ask({ node: from, boot, renewal }) ? null : "barred";
  }

  #hears(node: NodeId, boot: number): void {
    if (!this.#heard.has(node) && this.#heard.size >= heardLimit) return;
    this.#heard.set(node, { boot, at_ms: this.#options.clock.now_ms() });
  }

  /** A round has ended; `led` when a quorum followed this leader after it had begun. */
  round(attempt: number, led: boolean): void {
    const underWay = this.#underWay;
    if (underWay?.attempt !== attempt) return;
    this.#underWay = null;
    // After a refusal the next renewal begins anew: this node leads no more, or has too much to do.
    if (!led) return;
    this.#grant(underWay.round);
    this.#begin();
  }

  /**
   * The term in which the agents of the node's lives up to `boot` may be given to others, or null. Until `admit`, or
   * for `permission_ms`, the node gets no lease then.
   */
  permit(node: NodeId, boot: number): number | null {
    const now_ms = this.#options.clock.now_ms();
    const isBack = (this.#permission(node)?.asked ?? null) !== null;
    if (this.#term === null || isBack) return null;
    const former_ms = this.#options.formerTerm_ms(node);
    if (former_ms === null || !this.#book.mayReassign(node, boot, now_ms, former_ms)) return null;
    this.#permitted.set(node, { until_ms: now_ms + permission_ms, asked: null });
    return this.#term;
  }

  ended(node: NodeId, boot: number): void {
    this.#ended.delete(node);
    this.#ended.set(node, boot);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= endedLimit) break;
      this.#ended.delete(oldest);
    }
    this.#book.ended(node, boot);
  }

  /** How long ago it heard each node; null where it does not lead. */
  ages(): LeaseAges | null {
    if (this.#term === null) return null;
    const now_ms = this.#options.clock.now_ms();
    const heard = [...this.#heard].map(([node, { boot, at_ms }]) => ({ node, boot, ago_ms: now_ms - at_ms }));
    return { leading_ms: now_ms - this.#ledAt_ms, heard };
  }

  bar(node: NodeId): void {
    this.#book.bar(node);
  }

  admit(node: NodeId): void {
    const asked = this.#permission(node)?.asked ?? null;
    this.#permitted.delete(node);
    this.#book.admit(node);
    if (asked !== null) this.renewal(node, asked);
  }

  #permission(node: NodeId): Permission | undefined {
    const permission = this.#permitted.get(node);
    if (permission === undefined || this.#options.clock.now_ms() < permission.until_ms) return permission;
    this.#permitted.delete(node);
    return undefined;
  }

  #begin(): void {
    if (this.#underWay !== null || !this.#waiting) return;
    this.#waiting = false;
    this.#underWay = { attempt: ++this.#attempt, round: this.#book.begin() };
    this.#options.ask(this.#attempt);
  }

  #grant(round: number): void {
    const { clock, last, send } = this.#options;
    const assignedUpTo = last();
    const now_ms = clock.now_ms();
    for (const { node, boot, renewal } of this.#book.confirmed(round, now_ms)) {
      this.counts.granted++;
      this.#hears(node, boot);
      send(node, { kind: "grant", boot, renewal, assignedUpTo, wait_ms: this.#wait_ms });
    }
  }

  /** A former leader had longer terms than this one is configured for. */
  #lengthen(wait_ms: number): void {
    const { drift } = this.#options.terms;
    this.#wait_ms = wait_ms;
    this.#book = new LeaseBook({ ttl_ms: wait_ms / (1 + drift), drift });
    for (const [node, boot] of this.#ended) this.#book.ended(node, boot);
  }
}
