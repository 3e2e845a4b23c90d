/**
 * Which nodes are lost for ownership though they are there: the leader grants them no lease, since their renewals do
 * not arrive (one that is refused has arrived), while others still reach them (a cut of one way, or of one pair). Their agents stand still for as long as
 * that lasts. Pure: ages and the time come in. That nobody acts under an old lease is lease-book.ts's to know.
 */
import type { NodeId } from "../base/ids.ts";
import type { LeaseTerms } from "./owner-lease.ts";

/** Longer than an election, a lost connection's next dial and a busy machine's pause. */
const unheardLeast_ms = 10_000;
/** Of a longer lease, so many terms and their drift. */
const unheardTerms = 4;
/** A node that has just come has had no lease yet: it reads its disk, or waits to be registered. */
const arrival_ms = 30_000;
/** A leader that was stopped itself, or deposed and does not know yet, finds all leases old at its first look. */
const looks = 3;
/** Who is heard again is a candidate once that lasted. */
const steady_ms = 5_000;

/** What a leader has granted, by its own clock. */
export interface LeaseAges {
  /** For how long it leads, ms; a new leader has granted nothing yet. */
  readonly leading_ms: number;
  /** Of each node its latest renewal that was granted; or refused, which shows that it arrived. */
  readonly heard: readonly { readonly node: NodeId; readonly boot: number; readonly ago_ms: number }[];
}

/** A member other than the leader that is to have a lease. */
export interface LeaseCandidate {
  readonly node: NodeId;
  readonly boot: number;
  /** For how long it has been there, as membership says; null while it is not. */
  readonly present_ms: number | null;
}

export interface SilenceVerdict {
  /** No lease for too long. */
  readonly lost: readonly NodeId[];
  /** They have leases again, for long enough; or are no members any more. */
  readonly heard: readonly NodeId[];
}

/** How long a node that had a lease may be without one before it is lost. */
export function unheardAfter_ms({ ttl_ms, drift }: LeaseTerms): number {
  return Math.max(unheardLeast_ms, unheardTerms * ttl_ms * (1 + drift));
}

/** One leader's looks, one after the other with a pause between them; a new one for each term. */
export class LeaseSilence {
  readonly #terms: LeaseTerms;
  /** Of those whose leases are too old, at how many looks in a row. */
  readonly #overdue = new Map<NodeId, number>();
  /** Those that were lost, and since when they have leases again. */
  readonly #freshSince_ms = new Map<NodeId, number>();

  constructor(terms: LeaseTerms) {
    this.#terms = terms;
  }

  /** `unheard`: who is lost already, by this leader or one before it. */
  look(
    ages: LeaseAges,
    candidates: readonly LeaseCandidate[],
    unheard: ReadonlySet<NodeId>,
    now_ms: number,
  ): SilenceVerdict {
    const renewals = new Map(ages.heard.map((each) => [each.node, each]));
    const lost: NodeId[] = [];
    const heard = [...unheard].filter((node) => !candidates.some((each) => each.node === node));
    for (const { node, boot, present_ms } of candidates) {
      const latest = renewals.get(node);
      const ago_ms = latest?.boot === boot ? latest.ago_ms : null;
      if (!unheard.has(node)) {
        const isOld = present_ms !== null && this.#isOld(ages.leading_ms, present_ms, ago_ms);
        if (this.#counted(node, isOld) >= looks) lost.push(node);
      } else if (this.#isSteady(node, ago_ms, now_ms)) heard.push(node);
    }
    for (const node of [...heard, ...lost]) {
      this.#freshSince_ms.delete(node);
      this.#overdue.delete(node);
    }
    return { lost, heard };
  }

  #counted(node: NodeId, isOld: boolean): number {
    const count = isOld ? (this.#overdue.get(node) ?? 0) + 1 : 0;
    this.#overdue.set(node, count);
    return count;
  }

  #isOld(leading_ms: number, present_ms: number, ago_ms: number | null): boolean {
    // Before it was there, and before this node led, nothing could be granted to it here.
    const silent_ms = Math.min(leading_ms, present_ms, ago_ms ?? Number.POSITIVE_INFINITY);
    if (ago_ms === null && present_ms < arrival_ms) return false;
    return silent_ms >= unheardAfter_ms(this.#terms);
  }

  #isSteady(node: NodeId, ago_ms: number | null, now_ms: number): boolean {
    if (ago_ms === null || ago_ms >= this.#terms.ttl_ms) {
      this.#freshSince_ms.delete(node);
      return false;
    }
    const since_ms = this.#freshSince_ms.get(node) ?? now_ms;
    this.#freshSince_ms.set(node, since_ms);
    return now_ms - since_ms >= steady_ms;
  }
}
