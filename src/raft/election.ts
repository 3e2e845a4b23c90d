/**
 * Elections (the paper's section 5.2; dissertation 9.6 for pre-vote, 6.4.1 for stickiness). A follower without a leader
 * first asks whether it would be elected (pre-vote), which disturbs nobody. A voter that has lately heard of its leader
 * gives neither vote, unless the leader asked for the election itself, or the voter has a sign of its own that the
 * leader is gone. Such a hint starts a pre-vote at once, the likely winner first.
 */
import type { RaftId } from "./configuration.ts";
import type { TimeoutNowMessage, VoteMessage, VoteReplyMessage } from "./messages.ts";
import type { Roles } from "./roles.ts";
import type { RaftState } from "./state.ts";

/** After a hint voters try one after another, so that they do not split the vote: the time between two of them. */
const hintSlot_ms = 12;
/** Tries after one hint; then the ordinary time-out decides. */
const hintTries = 6;

export class Election {
  #deadline = Infinity;
  #hintAt = Infinity;
  #hintTriesLeft = 0;
  /** Waited once more after a sleep. */
  #forgiven = false;

  constructor(
    private readonly state: RaftState,
    private readonly roles: Roles,
  ) {
    // Whoever has just started may have forgotten a leader whose lease counts on its loyalty.
    if (state.options.leaseReads) state.leaderHeard = state.now;
    this.wait();
  }

  due(): number {
    return this.state.leadership === null ? Math.min(this.#deadline, this.#hintAt) : Infinity;
  }

  /** Begins to wait for a leader anew. */
  wait(): void {
    const { state } = this;
    if (!state.canLead) {
      // Nothing to do then but to know of no leader.
      this.#deadline = state.leader === null ? Infinity : state.now + 2 * state.timing.election_ms;
      return;
    }
    this.#deadline = state.now + state.electionTimeout() + this.#handicap_ms();
    this.#forgiven = false;
  }

  /** A sign of life of the leader. */
  heard(): void {
    const { state } = this;
    state.leaderHeard = state.now;
    state.leaderDoubted = false;
    this.#hintAt = Infinity;
    this.wait();
  }

  /** The leader may be gone. */
  hinted(): void {
    const { state } = this;
    if (!state.options.hints || state.leaderDoubted) return;
    state.leaderDoubted = true;
    this.#hintTriesLeft = hintTries;
    this.#hintAt = state.canLead ? state.now + this.#rank() * this.#slot_ms() : Infinity;
  }

  run(): void {
    const { state } = this;
    this.#countOwnVote();
    if (state.leadership !== null) return;
    if (!state.canLead) {
      this.#hintAt = Infinity;
      if (state.role === "follower" && state.now < this.#deadline) return;
      this.roles.becomeFollower(state.term, null);
      this.#deadline = Infinity;
      return;
    }
    if (this.#deadline === Infinity) this.wait();
    if (this.#isAlone()) this.#askAround(false);
    else if (state.now >= this.#deadline) this.#timeIsUp();
    else if (state.now >= this.#hintAt) this.#followHint();
  }

  asked(from: RaftId, message: VoteMessage): void {
    const { state } = this;
    const { pre, transfer, term } = message;
    const called = transfer && state.configurations.roleOf(from) === "voter";
    const loyal = !called && this.#isLoyal();
    if (!pre && term > state.term && !loyal) this.roles.becomeFollower(term, null);
    const free = pre
      ? term > state.term && !loyal
      : term === state.term &&
        (state.vote === from || (state.vote === null && state.leader === null && !loyal));
    const granted = free && state.log.isUpToDate(message.last);
    // A vote of a newer term that loyalty forbids is no concern of this participant at all.
    if (!pre && !granted && term > state.term) return;
    if (granted && !pre) {
      state.setPromise(term, from);
      this.wait();
    }
    if (granted) this.#hintAt = Infinity;
    if (granted && pre && this.#yieldsTo(from)) this.roles.becomeFollower(state.term, state.leader);
    state.send(from, { kind: "vote-reply", term: granted ? term : state.term, pre, granted });
  }

  answered(from: RaftId, { term, pre, granted }: VoteReplyMessage): void {
    const { state } = this;
    const { campaign } = state;
    if (campaign === null || pre !== (state.role === "pre-candidate")) return;
    if (granted && term !== (pre ? state.term + 1 : state.term)) return;
    if (!campaign.votes.has(from)) campaign.votes.set(from, granted);
    this.#tally();
  }

  /** The leader wants this participant to lead. */
  called(from: RaftId, { term }: TimeoutNowMessage): void {
    const { state } = this;
    if (term === state.term && from === state.leader && state.canLead) this.#campaign(true);
  }

  #askAround(hinted: boolean): void {
    this.roles.becomePreCandidate(hinted);
    this.wait();
    this.#ask(true, false);
    this.#tally();
  }

  #campaign(transfer: boolean): void {
    this.roles.becomeCandidate(transfer);
    this.wait();
    this.#ask(false, transfer);
  }

  #ask(pre: boolean, transfer: boolean): void {
    const { state } = this;
    const term = pre ? state.term + 1 : state.term;
    const { last } = state.log;
    for (const id of state.configurations.quorum.voters)
      if (id !== state.self) state.send(id, { kind: "vote", term, pre, last, transfer });
  }

  /** The own vote counts like any other: once it is on disk. */
  #countOwnVote(): void {
    const { campaign, role, self, out } = this.state;
    if (campaign === null || role !== "candidate" || campaign.votes.has(self)) return;
    if (out.persisted < campaign.persist) return;
    campaign.votes.set(self, true);
    this.#tally();
  }

  #tally(): void {
    const { state } = this;
    if (state.campaign === null) return;
    const outcome = state.configurations.quorum.outcome(this.#votes(state.campaign.votes));
    if (outcome === "open") return;
    if (outcome === "won") {
      if (state.role === "pre-candidate") this.#campaign(false);
      else if (state.canLead) this.roles.becomeLeader();
      return;
    }
    // Behind the same leader as before, if a hint about it was wrong.
    this.roles.becomeFollower(state.term, state.leader);
    if (state.leaderDoubted && --this.#hintTriesLeft > 0)
      this.#hintAt = state.now + this.#candidates().length * this.#slot_ms();
  }

  /** Nobody waits for the answer of a leader that is held to be gone. */
  #votes(cast: ReadonlyMap<RaftId, boolean>): ReadonlyMap<RaftId, boolean> {
    const { role, leader, leaderDoubted } = this.state;
    if (role !== "pre-candidate" || !leaderDoubted || leader === null || cast.has(leader)) return cast;
    return new Map(cast).set(leader, false);
  }

  /** Two that follow the same hint would split the vote: the later one in their order lets the other go on. */
  #yieldsTo(other: RaftId): boolean {
    const { role, leaderDoubted, self } = this.state;
    if (role !== "pre-candidate" || !leaderDoubted) return false;
    const order = this.#candidates();
    return order.includes(other) && order.indexOf(other) < order.indexOf(self);
  }

  /** Far too late for it means that this process was asleep: what the leader said meanwhile may wait to be read. */
  #timeIsUp(): void {
    const { now, timing } = this.state;
    if (now - this.#deadline > timing.heartbeat_ms / 2 && !this.#forgiven) {
      this.#forgiven = true;
      this.#deadline = now + timing.heartbeat_ms;
    } else this.#askAround(false);
  }

  #followHint(): void {
    this.#hintAt = Infinity;
    if (this.state.leaderDoubted && this.state.role === "follower") this.#askAround(true);
  }

  /** The only voter need not wait, once it is not led by one that is on its way out. */
  #isAlone(): boolean {
    const { state } = this;
    const { voters } = state.configurations.quorum;
    if (state.role !== "follower" || voters.length !== 1 || voters[0] !== state.self) return false;
    return state.leader === null && !this.#isLoyal();
  }

  #isLoyal(): boolean {
    const { state } = this;
    if (state.leadership !== null) return true;
    const lately = state.now - state.leaderHeard < state.timing.election_ms;
    // A lease counts on the time alone, whatever else was heard meanwhile.
    return lately && (state.options.leaseReads || (state.leader !== null && !state.leaderDoubted));
  }

  /** Those who could lead in the place of the leader that is doubted, the first to try first. */
  #candidates(): readonly RaftId[] {
    const { members } = this.state.configurations.current;
    return members
      .filter(({ id, role }) => role === "voter" && id !== this.state.leader)
      .sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  }

  #rank(): number {
    return Math.max(this.#candidates().indexOf(this.state.self), 0);
  }

  #slot_ms(): number {
    return Math.max(hintSlot_ms, 2 * this.state.roundTrip_ms);
  }

  /** A voter of less than the highest priority lets the others go first. */
  #handicap_ms(): number {
    const { configurations, self, timing } = this.state;
    const voters = configurations.current.members.filter(({ role }) => role === "voter");
    const own = voters.find(({ id }) => id === self)?.priority ?? 0;
    return voters.some(({ priority }) => priority > own) ? timing.election_ms : 0;
  }
}
