/**
 * The leader's side of the nodes' leases: what it has granted, and from when on a silent node's agents may be
 * given to others. Grants are not logged, so a new leader knows none and waits as long as any may last. It
 * grants only after a round of a quorum that began after the renewal came: a leader that was deposed meanwhile
 * never gets that round, and one that is deposed after it grants nothing that outlasts its successor's wait.
 */
import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import type { LeaseTerms } from "./owner-lease.ts";

/** Renewals that wait for a round; a node has at most one here, its newest. */
const waitingRenewalsLimit = 10_000;

export interface Renewal {
  readonly node: NodeId;
  /** The life of the node that asks. */
  readonly boot: number;
  readonly renewal: number;
}

interface Holder {
  readonly boot: number;
  /** No lease of this life lasts beyond this, by the leader's clock. */
  readonly over_ms: number;
}

export class LeaseBook {
  readonly #wait_ms: number;
  readonly #holders = new Map<NodeId, Holder>();
  readonly #waiting = new Map<NodeId, Renewal & { readonly round: number }>();
  readonly #barred = new Set<NodeId>();
  /** Lives that have certainly ended, the highest a node. */
  readonly #ended = new Map<NodeId, number>();
  #round = 0;
  readonly #drift: number;
  /** Since when this node leads: what former leaders granted, they granted before. Infinite while it does not. */
  #leads_ms = Number.POSITIVE_INFINITY;

  constructor({ ttl_ms, drift }: LeaseTerms) {
    assert(ttl_ms > 0 && drift >= 0, "a lease lasts for some time, and clocks differ by a share");
    this.#drift = drift;
    this.#wait_ms = ttl_ms * (1 + drift);
  }

  /** This node leads from now on: whatever others granted may still run for a whole term. */
  lead(now_ms: number): void {
    this.resign();
    this.#leads_ms = now_ms;
  }

  /** Leads no longer: grants nothing, and may reassign nothing. What is known of ended lives stays. */
  resign(): void {
    this.#holders.clear();
    this.#waiting.clear();
    this.#barred.clear();
    this.#leads_ms = Number.POSITIVE_INFINITY;
  }

  /** False when it cannot be granted: not leading, the node is barred, or that life has ended. */
  ask(renewal: Renewal): boolean {
    const { node, boot } = renewal;
    if (this.#leads_ms === Number.POSITIVE_INFINITY || this.#barred.has(node)) return false;
    if (boot <= (this.#ended.get(node) ?? -1)) return false;
    if (boot < (this.#holders.get(node)?.boot ?? -1)) return false;
    if (!this.#waiting.has(node) && this.#waiting.size >= waitingRenewalsLimit) return false;
    this.#waiting.set(node, { ...renewal, round: this.#round });
    return true;
  }

  /** A round to a quorum begins; whatever asked before it is answered when `confirmed` is told its number. */
  begin(): number {
    this.#round += 1;
    return this.#round;
  }

  /** A quorum followed this leader after round `round` began: what may be granted now, each to its node. */
  confirmed(round: number, now_ms: number): readonly Renewal[] {
    const granted: Renewal[] = [];
    for (const waiting of this.#waiting.values()) {
      if (waiting.round >= round) continue;
      const { node, boot, renewal } = waiting;
      this.#waiting.delete(node);
      this.#holders.set(node, { boot, over_ms: now_ms + this.#wait_ms });
      granted.push({ node, boot, renewal });
    }
    return granted;
  }

  /** No more leases for this node until `admit`: it drains, or its agents are about to be given away. */
  bar(node: NodeId): void {
    this.#barred.add(node);
    this.#waiting.delete(node);
  }

  admit(node: NodeId): void {
    this.#barred.delete(node);
  }

  /**
   * Proof that a life of this node is over: its launcher's death certificate, or the node itself in a newer life.
   * Only the life that is named: what a newer one holds counts on.
   */
  ended(node: NodeId, boot: number): void {
    this.#ended.set(node, Math.max(boot, this.#ended.get(node) ?? -1));
    if ((this.#waiting.get(node)?.boot ?? Number.POSITIVE_INFINITY) <= boot) this.#waiting.delete(node);
  }

  /**
   * From when on nobody acts under a lease of this node, by the leader's clock; may lie in the past. Infinite
   * while this node does not lead. `boot` is the node's newest registered life: since only registered lives get
   * leases (from any leader), no unknown newer one can hold one. `formerTerm_ms`: for how long a former leader of longer
   * terms may have granted it one.
   */
  free_ms(node: NodeId, boot: number, formerTerm_ms = 0): number {
    if (this.#leads_ms === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    const holder = this.#holders.get(node);
    const ended = this.#ended.get(node) ?? -1;
    const latest = Math.max(boot, holder?.boot ?? -1);
    if (ended >= latest) return Number.NEGATIVE_INFINITY;
    const inherited_ms = this.#leads_ms + Math.max(this.#wait_ms, formerTerm_ms * (1 + this.#drift));
    return Math.max(inherited_ms, holder?.over_ms ?? Number.NEGATIVE_INFINITY);
  }

  /** Whether the agents of this node may be given to others now; not while it asks, since then it is back. */
  mayReassign(node: NodeId, boot: number, now_ms: number, formerTerm_ms = 0): boolean {
    return now_ms >= this.free_ms(node, boot, formerTerm_ms) && !this.#waiting.has(node);
  }
}
