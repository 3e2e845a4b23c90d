/**
 * The owner's side of a node's lease: until when this node may act for the agents that are assigned to it. It
 * counts from when it *sent* a renewal, so that it always believes in its lease for less long than the leader
 * does (Gray and Cheriton 1989, section 3; the leader's side is lease-book.ts). One value of `now_ms` is one
 * monotonic clock; a suspended machine stops such clocks, which is why its driver calls `lose`.
 */
import { assert } from "../base/assert.ts";

/** A renewal that was not answered after so many newer ones is forgotten: its grant would have run out. */
const pendingRenewalsLimit = 64;

export interface LeaseTerms {
  /** How long a grant lasts, by the owner's clock. */
  readonly ttl_ms: number;
  /** The most by which one clock of the cluster may outrun another, as a share: 0.05 means 5 %. */
  readonly drift: number;
}

export interface LeaseGrant {
  /** What `renew` gave. */
  readonly renewal: number;
  /** The leader's last log index when it granted, committed or not: assignments up to there may contradict older ones. */
  readonly assignedUpTo: number;
}

export class OwnerLease {
  readonly #ttl_ms: number;
  /** When each renewal that is under way was sent, and how long a grant of it lasts; oldest first. */
  readonly #sent = new Map<number, { readonly at_ms: number; readonly ttl_ms: number }>();
  #lastRenewal = 0;
  #expires_ms = Number.NEGATIVE_INFINITY;
  #assignedUpTo = 0;

  constructor({ ttl_ms }: LeaseTerms) {
    assert(ttl_ms > 0, "a lease lasts for some time");
    this.#ttl_ms = ttl_ms;
  }

  /** The number of a renewal that is sent right now, for that long at most: a leader may wait for less than its owner would count. */
  renew(now_ms: number, most_ms: number = this.#ttl_ms): number {
    this.#lastRenewal += 1;
    this.#sent.set(this.#lastRenewal, { at_ms: now_ms, ttl_ms: Math.min(most_ms, this.#ttl_ms) });
    for (const renewal of this.#sent.keys()) {
      if (this.#sent.size <= pendingRenewalsLimit) break;
      this.#sent.delete(renewal);
    }
    return this.#lastRenewal;
  }

  /** False for a grant that changes nothing: unknown, repeated, given up by `lose`, or overtaken by a later one. */
  granted({ renewal, assignedUpTo }: LeaseGrant): boolean {
    const sent = this.#sent.get(renewal);
    if (sent === undefined) return false;
    // What was sent earlier can only be granted for less long.
    for (const earlier of [...this.#sent.keys()].filter((number) => number <= renewal))
      this.#sent.delete(earlier);
    this.#expires_ms = Math.max(this.#expires_ms, sent.at_ms + sent.ttl_ms);
    this.#assignedUpTo = Math.max(this.#assignedUpTo, assignedUpTo);
    return true;
  }

  /**
   * Whether an effect may be released now. `appliedIndex` is how far this node knows the log: a lease counts
   * only together with the assignments that it was granted for, since an agent may have moved before it.
   */
  holds(now_ms: number, appliedIndex: number): boolean {
    return now_ms < this.#expires_ms && appliedIndex >= this.#assignedUpTo;
  }

  /** How much longer, in ms, if nothing is granted meanwhile; 0 when it has run out. */
  remaining_ms(now_ms: number): number {
    return Math.max(0, this.#expires_ms - now_ms);
  }

  /** Gives the lease up at once, with all renewals under way: after a suspend of the machine, or before leaving. */
  lose(): void {
    this.#sent.clear();
    this.#expires_ms = Number.NEGATIVE_INFINITY;
  }
}
