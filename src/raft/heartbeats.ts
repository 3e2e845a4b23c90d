/**
 * The leader's rounds of heartbeats: they keep followers loyal, tell the commit index, prove leadership for reads, and
 * show which appends were lost. A leader that a quorum has not answered for an election time-out steps down.
 */
import type { RaftId } from "./configuration.ts";
import type { Leadership } from "./leadership.ts";
import type { HeartbeatReplyMessage } from "./messages.ts";
import type { Progress } from "./progress.ts";
import type { Reads } from "./reads.ts";
import type { RaftState } from "./state.ts";
import { noteEnd } from "./witness.ts";

export class Heartbeats {
  constructor(
    private readonly state: RaftState,
    private readonly reads: Reads,
  ) {}

  /** Begins a round when it is time, or when reads wait for one. */
  run(): void {
    const { state } = this;
    const { leadership } = state;
    if (leadership === null) return;
    // It slept through no heartbeat that anybody waited for.
    if (isAlone(leadership)) leadership.heartbeatAt = Math.max(leadership.heartbeatAt, state.now);
    this.reads.grantByLease();
    const isTime = state.now >= leadership.heartbeatAt;
    if (isTime) {
      this.#forgivePause(leadership);
      leadership.heartbeatAt = state.now + state.timing.heartbeat_ms;
      noteEnd(state, leadership);
      for (const peer of leadership.peers.values())
        peer.measureCatchUp(state.log.last.index, state.now, state.timing.election_ms);
    }
    if (isTime || this.reads.wantsRound) this.#beginRound(leadership);
  }

  replied(from: RaftId, { round }: HeartbeatReplyMessage): Progress | undefined {
    const { leading } = this.state;
    const peer = leading.peers.get(from);
    if (peer === undefined || round > leading.round) return undefined;
    if (round > peer.round) {
      peer.round = round;
      peer.roundBegan = Math.max(peer.roundBegan, leading.roundBegan(round));
    }
    return peer;
  }

  /** Whether a quorum answered within an election time-out. */
  get hasQuorum(): boolean {
    const { leadership, now, timing } = this.state;
    if (leadership === null) return false;
    return now - leadership.quorumFrom <= timing.election_ms || this.#isAnswered(leadership);
  }

  /** Nobody waits for the heartbeats of a leader that is alone. */
  due(): number {
    const { leadership } = this.state;
    return leadership === null || isAlone(leadership) ? Infinity : leadership.heartbeatAt;
  }

  #beginRound(leadership: Leadership): void {
    const { state } = this;
    const round = leadership.beginRound(state.now);
    for (const peer of leadership.peers.values()) {
      const commit = Math.min(peer.match, state.log.commit);
      peer.commitTold = Math.max(peer.commitTold, commit);
      state.out.sendEarly(peer.id, { kind: "heartbeat", term: state.term, round, commit });
    }
    this.reads.roundBegins(round);
  }

  #isAnswered(leadership: Leadership): boolean {
    const { configurations, now, self, timing } = this.state;
    return configurations.quorum.satisfied((id) => {
      if (id === self) return true;
      return now - (leadership.peers.get(id)?.heard ?? -Infinity) <= timing.election_ms;
    });
  }

  /**
   * A heartbeat far too late means that this process was asleep: the others' silence meanwhile proves nothing. Only
   * once until a quorum answers again: one that is always late is no leader.
   */
  #forgivePause(leadership: Leadership): void {
    const { now, timing } = this.state;
    const late = now - leadership.heartbeatAt > timing.election_ms / 2;
    if (late && !leadership.forgiven) {
      leadership.quorumFrom = now;
      leadership.forgiven = true;
    } else if (this.#isAnswered(leadership)) leadership.forgiven = false;
  }
}

function isAlone({ peers }: Leadership): boolean {
  return peers.size === 0;
}
