/**
 * The mathematics of majorities, over one list of voters or, while a configuration is joint, over both: everything
 * then needs a majority of each (Ongaro, dissertation, section 4.3). Knows nothing of logs or elections.
 */
import { type Configuration, type RaftId, votersOf } from "./configuration.ts";

export type VoteOutcome = "won" | "lost" | "open";

export class Quorum {
  readonly #incoming: readonly RaftId[];
  readonly #outgoing: readonly RaftId[] | null;

  constructor({ members, outgoing }: Configuration) {
    this.#incoming = votersOf(members);
    this.#outgoing = outgoing === null ? null : votersOf(outgoing);
  }

  /** Everyone whose vote counts anywhere, once. */
  get voters(): readonly RaftId[] {
    if (this.#outgoing === null) return this.#incoming;
    return [...new Set([...this.#incoming, ...this.#outgoing])];
  }

  /** Whether `yes` holds of a majority. Of no voters at all it never does. */
  satisfied(yes: (id: RaftId) => boolean): boolean {
    return majority(this.#incoming, yes) && (this.#outgoing === null || majority(this.#outgoing, yes));
  }

  /** The highest value that a majority has reached; 0 of no voters. Values are ≥ 0. */
  agreed(valueOf: (id: RaftId) => number): number {
    const agreed = agreedOf(this.#incoming, valueOf);
    return this.#outgoing === null ? agreed : Math.min(agreed, agreedOf(this.#outgoing, valueOf));
  }

  outcome(votes: ReadonlyMap<RaftId, boolean>): VoteOutcome {
    if (this.satisfied((id) => votes.get(id) === true)) return "won";
    return this.satisfied((id) => votes.get(id) !== false) ? "open" : "lost";
  }
}

function majority(voters: readonly RaftId[], yes: (id: RaftId) => boolean): boolean {
  let count = 0;
  for (const id of voters) if (yes(id)) count++;
  return 2 * count > voters.length;
}

function agreedOf(voters: readonly RaftId[], valueOf: (id: RaftId) => number): number {
  const values = voters.map(valueOf).sort((a, b) => b - a);
  return values[Math.floor(values.length / 2)] ?? 0;
}
