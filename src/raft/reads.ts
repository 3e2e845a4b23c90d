/**
 * Linearizable reads by read index (Ongaro, dissertation, section 6.4): the leader notes its commit index, proves by a
 * round of heartbeats that began afterwards that it still leads, and the reader waits until it has applied that far. A
 * leader answers only once it has committed an entry of its own term. Reads that wait share one round.
 */
import type { RaftId } from "./configuration.ts";
import { isReady } from "./commit.ts";
import type { ReadResult } from "./effects.ts";
import type { ReadIndexMessage, ReadIndexReplyMessage } from "./messages.ts";
import type { RaftState } from "./state.ts";

/** Who asked: a client of this participant, or another participant by its token. */
type Asker = { readonly id: number } | { readonly from: RaftId; readonly token: number };

interface Confirming {
  readonly askers: readonly Asker[];
  readonly round: number;
  readonly index: number;
}

interface Confirmed {
  readonly id: number;
  readonly index: number;
}

interface Asked {
  readonly ids: readonly number[];
  readonly expires: number;
}

/** A question to the leader without an answer is given up after so many election time-outs. */
const patience = 4;

export class Reads {
  /** At a leader: not part of a round yet. */
  #waiting: Asker[] = [];
  /** At a leader: in rounds that are not confirmed, oldest first. */
  #confirming: Confirming[] = [];
  #confirmingCount = 0;
  /** Elsewhere: reads that leave with the next question, and questions that were asked. */
  #leaving: number[] = [];
  readonly #asked = new Map<number, Asked>();
  #askedCount = 0;
  /** Confirmed, and waiting for the state machine. */
  #applying: Confirmed[] = [];

  constructor(private readonly state: RaftState) {}

  /** Rounds of heartbeats wanted now: reads wait, and none of theirs is under way. */
  get wantsRound(): boolean {
    return this.#waiting.length > 0 && this.#confirming.length === 0 && isReady(this.state);
  }

  read(id: number): void {
    const { state } = this;
    const count =
      this.#waiting.length +
      this.#confirmingCount +
      this.#leaving.length +
      this.#askedCount +
      this.#applying.length;
    if (count >= state.options.limits.reads) this.#answer(id, { kind: "refused", reason: "busy" });
    else if (state.leadership !== null) this.#waiting.push({ id });
    else if (state.leader !== null) this.#leaving.push(id);
    else this.#answer(id, { kind: "refused", reason: "no-leader" });
  }

  asked(from: RaftId, { term, token }: ReadIndexMessage): void {
    const { state } = this;
    const full = this.#waiting.length + this.#confirmingCount >= state.options.limits.reads;
    if (state.leadership === null || term !== state.term || full) this.#reply({ from, token }, null);
    else this.#waiting.push({ from, token });
  }

  replied(from: RaftId, { term, token, index }: ReadIndexReplyMessage): void {
    const asked = this.#asked.get(token);
    if (asked === undefined || from !== this.state.leader || term !== this.state.term) return;
    this.#asked.delete(token);
    this.#askedCount -= asked.ids.length;
    for (const id of asked.ids) {
      if (index === null) this.#answer(id, { kind: "refused", reason: "leader-changed" });
      else this.#applying.push({ id, index });
    }
  }

  /** Those that need no round. */
  grantByLease(): void {
    const { state } = this;
    if (this.#waiting.length === 0 || !isReady(state) || !holdsLease(state)) return;
    for (const asker of this.#waiting) this.#grant(asker, state.log.commit);
    this.#waiting = [];
  }

  /** All that wait go into the round that begins now. */
  roundBegins(round: number): void {
    if (this.#waiting.length === 0 || !isReady(this.state)) return;
    this.#confirming.push({ askers: this.#waiting, round, index: this.state.log.commit });
    this.#confirmingCount += this.#waiting.length;
    this.#waiting = [];
  }

  /** The leader, or leadership, is another one or none. */
  leaderChanged(): void {
    const changed: ReadResult = { kind: "refused", reason: "leader-changed" };
    for (const asker of [...this.#confirming.flatMap(({ askers }) => askers), ...this.#waiting]) {
      if ("id" in asker) this.#answer(asker.id, changed);
      else this.#reply(asker, null);
    }
    for (const id of this.#leaving) this.#answer(id, changed);
    for (const { ids } of this.#asked.values()) for (const id of ids) this.#answer(id, changed);
    this.#waiting = [];
    this.#confirming = [];
    this.#confirmingCount = 0;
    this.#leaving = [];
    this.#asked.clear();
    this.#askedCount = 0;
  }

  /** Nothing is applied any more. */
  stop(): void {
    for (const { id } of this.#applying) this.#answer(id, { kind: "refused", reason: "stopped" });
    this.#applying = [];
  }

  run(): void {
    const { state } = this;
    if (state.leadership !== null) this.#confirm();
    this.#ask();
    for (const [token, { ids, expires }] of this.#asked) {
      if (expires > state.now) break;
      this.#asked.delete(token);
      this.#askedCount -= ids.length;
      for (const id of ids) this.#answer(id, { kind: "refused", reason: "leader-changed" });
    }
    if (this.#applying.length === 0) return;
    const later: Confirmed[] = [];
    for (const read of this.#applying) {
      if (read.index <= state.applied) this.#answer(read.id, { kind: "ready", index: read.index });
      else later.push(read);
    }
    this.#applying = later;
  }

  due(): number {
    for (const { expires } of this.#asked.values()) return expires;
    return Infinity;
  }

  #confirm(): void {
    const { state } = this;
    const { leading } = state;
    if (this.#confirming.length === 0) return;
    const confirmed = state.configurations.quorum.agreed((id) =>
      id === state.self ? leading.round : (leading.peers.get(id)?.round ?? 0),
    );
    for (let head = this.#confirming[0]; head && head.round <= confirmed; head = this.#confirming[0]) {
      this.#confirming.shift();
      this.#confirmingCount -= head.askers.length;
      for (const asker of head.askers) this.#grant(asker, head.index);
    }
  }

  /** One question for all reads of this step. */
  #ask(): void {
    const { state } = this;
    if (this.#leaving.length === 0 || state.leader === null) return;
    const token = state.nextToken();
    const expires = state.now + patience * state.timing.election_ms;
    this.#asked.set(token, { ids: this.#leaving, expires });
    this.#askedCount += this.#leaving.length;
    this.#leaving = [];
    state.out.sendEarly(state.leader, { kind: "read-index", term: state.term, token });
  }

  #grant(asker: Asker, index: number): void {
    if ("id" in asker) this.#applying.push({ id: asker.id, index });
    else this.#reply(asker, index);
  }

  #reply({ from, token }: { readonly from: RaftId; readonly token: number }, index: number | null): void {
    this.state.send(from, { kind: "read-index-reply", term: this.state.term, token, index });
  }

  #answer(id: number, result: ReadResult): void {
    this.state.out.emit({ kind: "read", id, result });
  }
}

/**
 * A quorum answered a round that began so lately that none of it can have voted for another since. Counted by the
 * shortest time-out in use, less the drift of clocks. Only where leases are switched on, and with them neither hints nor
 * transfers.
 */
function holdsLease(state: RaftState): boolean {
  const { options, leading, now } = state;
  if (!options.leaseReads) return false;
  const began = state.configurations.quorum.agreed((id) =>
    id === state.self ? now : Math.max(leading.peers.get(id)?.roundBegan ?? 0, 0),
  );
  return now < began + options.timing.election_ms * (1 - 2 * options.clockDrift);
}
