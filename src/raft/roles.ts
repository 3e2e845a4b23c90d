/** Changes of role: what ends with the old one and begins with the new. Whether to change is decided elsewhere. */
import { assert } from "../base/assert.ts";
import type { RaftId } from "./configuration.ts";
import { Leadership } from "./leadership.ts";
import type { Membership } from "./membership.ts";
import type { Proposals } from "./proposals.ts";
import type { Reads } from "./reads.ts";
import type { SnapshotReceiving } from "./snapshot-receiving.ts";
import type { SnapshotSending } from "./snapshot-sending.ts";
import type { RaftState } from "./state.ts";
import { bestTarget, type Transfer } from "./transfer.ts";

/** Those that wait for a leader, or for what only a leader does. */
interface Parts {
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly membership: Membership;
  readonly transfer: Transfer;
  readonly sending: SnapshotSending;
  readonly receiving: SnapshotReceiving;
}

const nothing = new Uint8Array(0);

export class Roles {
  constructor(
    private readonly state: RaftState,
    private readonly parts: Parts,
  ) {}

  /** In `term` (never below the own one), behind `leader` when that is known. */
  becomeFollower(term: number, leader: RaftId | null): void {
    const { state } = this;
    assert(term >= state.term, "a term never falls");
    this.#endLeadership();
    const isNewTerm = term > state.term;
    if (isNewTerm) state.setPromise(term, null);
    state.role = "follower";
    state.campaign = null;
    this.#follow(leader, isNewTerm);
  }

  /** Asks around before it disturbs anybody. After a hint the leader may yet be there: whoever waits for it waits on. */
  becomePreCandidate(hinted: boolean): void {
    const { state } = this;
    state.role = "pre-candidate";
    state.campaign = { votes: new Map([[state.self, true]]), transfer: false, persist: 0 };
    if (!hinted) this.#follow(null, false);
  }

  becomeCandidate(transfer: boolean): void {
    const { state } = this;
    state.setPromise(state.term + 1, state.self);
    state.role = "candidate";
    state.campaign = { votes: new Map(), transfer, persist: state.out.nextPersist };
    this.#follow(null, true);
  }

  becomeLeader(): void {
    const { state } = this;
    assert(state.canLead, "a leader is a voter that holds data");
    state.role = "leader";
    state.campaign = null;
    const { index, current: configuration } = state.configurations;
    state.leadership = new Leadership(state.self, state.log.last.index, state.now, { index, configuration });
    state.appendOwn("noop", nothing);
    this.#follow(state.self, true);
  }

  /** Gives leadership away as well as it can be without waiting. */
  resign(): void {
    const { state } = this;
    // A campaign past the voters' loyalty would break the lease of whoever reads by one.
    const target = state.options.leaseReads ? null : bestTarget(state);
    if (target !== null) state.out.sendEarly(target, { kind: "timeout-now", term: state.term });
    this.becomeFollower(state.term, null);
  }

  /** Takes no further part: says nothing, promises nothing. */
  stop(reason: string): void {
    const { state } = this;
    this.resign();
    this.parts.reads.stop();
    state.out.withdrawSends();
    state.stopped = reason;
  }

  #endLeadership(): void {
    const { membership, transfer, sending } = this.parts;
    if (this.state.leadership === null) return;
    membership.leadershipEnds();
    transfer.leadershipEnds();
    sending.leadershipEnds();
    this.state.leadership = null;
  }

  #follow(leader: RaftId | null, isNewTerm: boolean): void {
    const { state } = this;
    if (leader === state.leader && !isNewTerm) return;
    state.leader = leader;
    state.leaderDoubted = false;
    this.parts.proposals.leaderChanged();
    this.parts.reads.leaderChanged();
    this.parts.receiving.abandon();
  }
}
