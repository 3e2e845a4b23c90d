/**
 * How many accusations of each other member are still heard. An honest one accuses at most one member a
 * probe period; one that is sick, half cut off or lying would set off a storm. An accusation that its
 * subject refutes costs its source more. This node's own probes are not limited here: local health does it.
 */
import type { NodeId } from "../base/ids.ts";

interface Credit {
  left: number;
  at: number;
}

/** At once, and of so many members one more each. */
const burstLeast = 8;
const membersPerCredit = 8;
const refutedCost = 2;
const debtMost = 8;

export class Accusers {
  readonly #credits = new Map<NodeId, Credit>();

  /** Takes one accusation of `accuser` into account; false when it has made too many. */
  allows(accuser: NodeId, now: number, period_ms: number, members: number): boolean {
    const credit = this.#credit(accuser, now, period_ms, Math.max(burstLeast, members / membersPerCredit));
    if (credit.left < 1) return false;
    credit.left--;
    return true;
  }

  refuted(accuser: NodeId): void {
    const credit = this.#credits.get(accuser);
    if (credit) credit.left = Math.max(-debtMost, credit.left - refutedCost);
  }

  forget(accuser: NodeId): void {
    this.#credits.delete(accuser);
  }

  #credit(accuser: NodeId, now: number, period_ms: number, most: number): Credit {
    const known = this.#credits.get(accuser);
    if (!known) {
      const fresh = { left: most, at: now };
      this.#credits.set(accuser, fresh);
      return fresh;
    }
    known.left = Math.min(most, known.left + (now - known.at) / period_ms);
    known.at = now;
    return known;
  }
}
