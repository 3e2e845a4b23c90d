/**
 * Suspicion of one member: the time left shrinks with each further node that accuses it by itself
 * (Lifeguard, section IV-B). The number of accusers waited for is not tied to the multiplier.
 */
import type { NodeId } from "../base/ids.ts";

/** Least and most time of suspicion in a cluster of `members`, in ms. */
export function suspicionBounds(
  timing: {
    readonly probe_ms: number;
    readonly suspicionMultiplier: number;
    readonly suspicionMaxMultiplier: number;
  },
  members: number,
): { readonly least_ms: number; readonly most_ms: number } {
  const scale = Math.max(1, Math.log10(Math.max(1, members)));
  const least_ms = timing.suspicionMultiplier * scale * timing.probe_ms;
  return { least_ms, most_ms: least_ms * timing.suspicionMaxMultiplier };
}

/** Time from the first accusation to failure with `confirmations` of `expected` further accusers, in ms. */
export function suspicionTimeout(
  least_ms: number,
  most_ms: number,
  confirmations: number,
  expected: number,
): number {
  if (expected <= 0) return least_ms;
  const share = Math.log(confirmations + 1) / Math.log(expected + 1);
  return Math.max(least_ms, most_ms - (most_ms - least_ms) * share);
}

/** Distinct accusers kept; more add nothing. */
const accusersLimit = 16;

export class Suspicion {
  readonly #accusers = new Set<NodeId>();
  /** Set while this node has a sign that the process is gone, and hears nothing of it. */
  #shortDeadline = Infinity;
  #calledAt: number | null = null;

  constructor(
    /** When it began, moved forward by the time that this node itself was asleep. */
    public began: number,
    first: NodeId,
    /** Told of every change of the deadline. */
    private readonly changed: () => void = () => {},
  ) {
    this.#accusers.add(first);
    changed();
  }

  /** Accusers beyond the first. */
  get confirmations(): number {
    return this.#accusers.size - 1;
  }

  get accusers(): Iterable<NodeId> {
    return this.#accusers;
  }

  hasHeard(accuser: NodeId): boolean {
    return this.#accusers.has(accuser);
  }

  /** True when this accuser is new and so worth passing on. */
  confirm(accuser: NodeId): boolean {
    if (this.#accusers.has(accuser) || this.#accusers.size >= accusersLimit) return false;
    this.#accusers.add(accuser);
    this.changed();
    return true;
  }

  /** Its subject was told once more, shortly before the end. */
  get lastCalled(): boolean {
    return this.#calledAt !== null;
  }

  lastCall(now: number): void {
    this.#calledAt = now;
    this.changed();
  }

  /**
   * When it turns into failure: `answer_ms` after the last call at the earliest, since another's word may shorten the
   * time to what is over already. A sign of the end needs no call.
   */
  deadline(least_ms: number, most_ms: number, expected: number, answer_ms = 0): number {
    const due = this.began + suspicionTimeout(least_ms, most_ms, this.confirmations, expected);
    const answered = this.#calledAt === null ? due : this.#calledAt + answer_ms;
    return Math.min(Math.max(due, answered), this.#shortDeadline);
  }

  shorten(deadline: number): void {
    this.#shortDeadline = Math.min(this.#shortDeadline, deadline);
    this.changed();
  }

  /** Something was heard after all: the ordinary time again. */
  prolong(): void {
    this.#shortDeadline = Infinity;
    this.changed();
  }

  /** This node was asleep for so long. */
  forgive(lag_ms: number): void {
    this.began += lag_ms;
    this.#shortDeadline += lag_ms;
    if (this.#calledAt !== null) this.#calledAt += lag_ms;
    this.changed();
  }
}
