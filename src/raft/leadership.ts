/** What a leader keeps for as long as it leads: the progress of the others, its rounds of heartbeats, what it began. */
import { type ConfigurationAt, everyone, type RaftId } from "./configuration.ts";
import { Progress } from "./progress.ts";

/** The rounds whose beginning is remembered: an answer to an older one extends no lease. */
const roundsKept = 256;

/** A change of members that somebody waits for. */
interface PendingChange {
  readonly id: number;
  /** That of the entry whose commit ends it; null while the joint configuration is not left. */
  finalIndex: number | null;
}

interface PendingTransfer {
  readonly id: number;
  readonly to: RaftId;
  readonly deadline: number;
  /** The target was told to campaign. */
  told: boolean;
}

export class Leadership {
  readonly peers = new Map<RaftId, Progress>();
  /** The entry that began the term: once it is committed, so is everything before it. */
  readonly firstIndex: number;
  /** The last round of heartbeats that was begun. */
  round = 0;
  heartbeatAt: number;
  readonly began: number;
  /** A quorum is asked for from here on: the beginning, or when a pause ended. */
  quorumFrom: number;
  /** A pause was forgiven, and no quorum has answered since. */
  forgiven = false;
  /** Bytes of own commands that are not applied yet, and the index where own commands begin. */
  pending_bytes = 0;
  change: PendingChange | null = null;
  transfer: PendingTransfer | null = null;
  witnessCounts = false;
  /** The log's end at the last heartbeats, newest last: what a voter in reach has to have by now. */
  readonly ends: { readonly at: number; readonly last: number }[] = [];
  readonly #roundBegan = new Float64Array(roundsKept);

  constructor(
    readonly self: RaftId,
    last: number,
    now: number,
    { configuration }: ConfigurationAt,
  ) {
    this.firstIndex = last + 1;
    this.heartbeatAt = now;
    this.began = now;
    this.quorumFrom = now;
    for (const { id, role } of everyone(configuration)) {
      if (id !== self) this.peers.set(id, new Progress(id, role, last + 1, now));
    }
  }

  beginRound(now: number): number {
    this.round++;
    this.#roundBegan[this.round % roundsKept] = now;
    return this.round;
  }

  /** When `round` began; -Infinity when that is too long ago. */
  roundBegan(round: number): number {
    if (round > this.round || round <= this.round - roundsKept) return -Infinity;
    return this.#roundBegan[round % roundsKept] ?? -Infinity;
  }
}
