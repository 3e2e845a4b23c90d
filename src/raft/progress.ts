/**
 * What a leader knows of one other participant. Invariant: match < next. `probe`: where the logs agree is not known,
 * one append at a time. `replicate`: optimistic, a window of appends under way. `snapshot`: what it needs is compacted.
 */
import { RingQueue } from "../base/ring-queue.ts";
import { CatchUpPace } from "./catch-up-pace.ts";
import type { MemberRole, RaftId } from "./configuration.ts";

/** A try to catch up with the log's end as it was (Ongaro, dissertation, section 4.2.1). */
interface CatchUpRound {
  readonly target: number;
  readonly since: number;
}

interface Inflight {
  readonly last: number;
  readonly bytes: number;
  /** The leader's heartbeat round when it was sent. */
  readonly round: number;
}

/** Answers to so many later rounds without one to an append mean that the append was lost. */
const roundsUntilLost = 2;

export class Progress {
  /** Up to here its log is the leader's, on its disk. */
  match = 0;
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** A probe is under way: nothing more until it is answered, or a heartbeat that was sent later is. */
  paused = false;
  /** The leader's heartbeat round when the probe was sent. */
  #pausedIn = 0;
  /** When it last answered in this term; -Infinity never. */
  heard: number;
  /** A sign says that it is gone, and nothing was heard since. */
  doubted = false;
  /** The newest round of heartbeats that it answered. */
  round = 0;
  /** When the leader began that round. */
  roundBegan = -Infinity;
  /** The commit index that it was told. */
  commitTold = 0;
  readonly pace = new CatchUpPace();
  #inflight = new RingQueue<Inflight>();
  #inflight_bytes = 0;
  #catchUp: CatchUpRound;
  #caughtUp = false;

  constructor(
    readonly id: RaftId,
    public role: MemberRole,
    public next: number,
    now: number,
  ) {
    this.heard = now;
    this.#catchUp = { target: next - 1, since: now };
  }

  /** Its last round of catching up was shorter than an election time-out. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  hear(now: number): void {
    this.heard = now;
    this.doubted = false;
  }

  hasRoom(count: number, limit_bytes: number): boolean {
    return this.#inflight.length < count && this.#inflight_bytes < limit_bytes;
  }

  get underWay(): boolean {
    return this.#inflight.length > 0;
  }

  sent(last: number, bytes: number, round: number): void {
    this.next = last + 1;
    this.#inflight.push({ last, bytes, round });
    this.#inflight_bytes += bytes;
  }

  pause(round: number): void {
    this.paused = true;
    this.#pausedIn = round;
  }

  /** An answer to `round`: a probe sent before it is taken for lost. */
  answered(round: number): void {
    if (round > this.#pausedIn) this.paused = false;
  }

  acknowledged(match: number): void {
    this.match = Math.max(this.match, match);
    this.next = Math.max(this.next, match + 1);
    for (let head = this.#inflight.peek(); head && head.last <= match; head = this.#inflight.peek()) {
      this.#inflight_bytes -= head.bytes;
      this.#inflight.shift();
    }
  }

  /** An answer to `round` came while an older append has none. */
  lostSomething(round: number): boolean {
    const oldest = this.#inflight.peek();
    return oldest !== undefined && round >= oldest.round + roundsUntilLost;
  }

  probeFrom(next: number): void {
    this.#become("probe");
    this.next = Math.max(next, this.match + 1);
  }

  replicate(): void {
    this.#become("replicate");
    this.next = this.match + 1;
  }

  awaitSnapshot(): void {
    this.#become("snapshot");
  }

  /** Ends a round of catching up when it is done, and begins the next. */
  measureCatchUp(last: number, now: number, election_ms: number): void {
    if (this.match >= this.#catchUp.target) {
      this.#caughtUp = this.state === "replicate" && now - this.#catchUp.since <= election_ms;
      this.#catchUp = { target: last, since: now };
    } else if (now - this.#catchUp.since > election_ms) this.#caughtUp = false;
  }

  #become(state: Progress["state"]): void {
    this.state = state;
    this.paused = false;
    this.#inflight.clear();
    this.#inflight_bytes = 0;
  }
}
