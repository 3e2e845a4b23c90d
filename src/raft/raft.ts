/**
 * The Raft core (Ongaro and Ousterhout 2014; Ongaro's dissertation): `stepAll(inputs, now)` takes what has happened and
 * returns what to do. No clock, disk, socket or randomness of its own. `wake` is when to come back with a tick at the
 * latest. Rules are in the files of their concepts; this one says who hears what, and what follows at the end of a step.
 */
import { assert, unreachable } from "../base/assert.ts";
import { Applying } from "./applying.ts";
import { advanceCommit, isReady } from "./commit.ts";
import type { RaftId } from "./configuration.ts";
import type { RaftEffect, RaftInput, RaftRole } from "./effects.ts";
import { Election } from "./election.ts";
import type { HardState, LogView, RaftStored } from "./entry.ts";
import { Following } from "./following.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { RaftLog } from "./log.ts";
import { Membership } from "./membership.ts";
import { isOfLeader, type RaftMessage, termStep_max } from "./messages.ts";
import { assertOptions, type RaftOptions } from "./options.ts";
import { Proposals } from "./proposals.ts";
import { Reads } from "./reads.ts";
import { Replication } from "./replication.ts";
import { Roles } from "./roles.ts";
import { SnapshotReceiving } from "./snapshot-receiving.ts";
import { SnapshotSending } from "./snapshot-sending.ts";
import { RaftState } from "./state.ts";
import type { PeerStatus, RaftStatus } from "./status.ts";
import { Transfer } from "./transfer.ts";
import { judgeWitnesses } from "./witness.ts";

export class Raft {
  readonly #state: RaftState;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #membership: Membership;
  readonly #transfer: Transfer;
  readonly #sending: SnapshotSending;
  readonly #receiving: SnapshotReceiving;
  readonly #replication: Replication;
  readonly #heartbeats: Heartbeats;
  readonly #applying: Applying;
  readonly #roles: Roles;
  readonly #election: Election;
  readonly #following: Following;
  #wake: number;
  #commitWritten: number;
  #told: readonly unknown[] = [];

  /** `stored` is what the disk holds, and `log` reads it from now on. */
  constructor(options: RaftOptions, stored: RaftStored, log: LogView, now: number) {
    assertOptions(options);
    assert(
      stored.base.index <= stored.applied && stored.applied <= stored.last.index,
      "base ≤ applied ≤ last on disk",
    );
    const state = new RaftState(options, stored, log, now);
    this.#state = state;
    this.#proposals = new Proposals(state);
    this.#reads = new Reads(state);
    this.#membership = new Membership(state);
    this.#transfer = new Transfer(state);
    this.#sending = new SnapshotSending(state);
    this.#receiving = new SnapshotReceiving(state);
    this.#replication = new Replication(state);
    this.#heartbeats = new Heartbeats(state, this.#reads);
    this.#applying = new Applying(state, this.#sending);
    this.#roles = new Roles(state, {
      proposals: this.#proposals,
      reads: this.#reads,
      membership: this.#membership,
      transfer: this.#transfer,
      sending: this.#sending,
      receiving: this.#receiving,
    });
    this.#election = new Election(state, this.#roles);
    this.#following = new Following(state, this.#roles);
    this.#wake = now;
    this.#commitWritten = stored.hardState.commit;
  }

  /** When the next tick is due; infinite for one that only listens. */
  get wake(): number {
    return this.#wake;
  }

  get role(): RaftRole {
    return this.#state.role;
  }

  /** To look at: checkers and tools compare it with what the disk holds. */
  get log(): Pick<RaftLog, "base" | "last" | "stable" | "commit" | "term"> {
    return this.#state.log;
  }

  /** Configurations in the log that are not committed, as far as this participant knows. */
  get openConfigurations(): number {
    return this.#state.configurations.countAbove(this.#state.log.commit);
  }

  /** Appends that were refused because this kind of log may not hold them. */
  get refusedEntries(): number {
    return this.#following.refusedEntries;
  }

  step(input: RaftInput, now: number): readonly RaftEffect[] {
    return this.stepAll([input], now);
  }

  stepAll(inputs: readonly RaftInput[], now: number): readonly RaftEffect[] {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    for (const input of inputs) {
      if (state.stopped === null) this.#take(input);
      else this.#turnAway(input);
    }
    if (state.stopped === null) this.#conclude();
    this.#tellStatus();
    const write = state.stopped === null ? this.#write() : null;
    this.#wake = state.stopped === null ? this.#due() : Infinity;
    return state.out.take(write, state.now);
  }

  status(now: number): RaftStatus {
    const state = this.#state;
    const { log, leadership } = state;
    const heardLately = state.leader !== null && now - state.leaderHeard <= 2 * state.timing.election_ms;
    const peers: PeerStatus[] = [];
    for (const peer of leadership?.peers.values() ?? []) {
      const heard_ms = peer.heard === -Infinity ? null : peer.heard;
      peers.push({
        id: peer.id,
        match: peer.match,
        heard_ms,
        progress: peer.state,
        caughtUp: peer.caughtUp,
      });
    }
    return {
      role: state.role,
      term: state.term,
      leader: state.leader,
      configuration: state.configurations.current,
      commit: log.commit,
      applied: state.applied,
      last: log.last.index,
      base: log.base.index,
      peers,
      quorum: leadership === null ? heardLately : this.#heartbeats.hasQuorum,
      ready: isReady(state),
      witnessCounts: leadership?.witnessCounts ?? false,
      stopped: state.stopped,
    };
  }

  #take(input: RaftInput): void {
    const state = this.#state;
    switch (input.kind) {
      case "tick":
        return;
      case "message":
        this.#hear(input.from, input.message);
        return;
      case "persisted":
        state.out.confirm(input.id, state.now);
        state.log.persisted(input.id);
        return;
      case "storage-failed":
        this.#roles.stop(input.reason);
        return;
      case "applied":
        this.#applying.applied(input.index);
        return;
      case "settled":
        this.#applying.settled(input.index);
        return;
      case "propose":
        this.#proposals.propose(input.id, input.data);
        return;
      case "read":
        this.#reads.read(input.id);
        return;
      case "change-membership":
        this.#membership.change(input.id, input.members);
        return;
      case "transfer":
        this.#transfer.begin(input.id, input.to);
        return;
      case "hint":
        if (state.leadership !== null) this.#replication.doubted(input.peer);
        else if (input.peer === state.leader) this.#election.hinted();
        return;
      case "timing":
        state.retime(input.timing, null);
        this.#election.wait();
        return;
      case "round-trip":
        state.retime(state.profile, input.roundTrip_ms);
        return;
      case "snapshot-opened":
        this.#sending.opened(input);
        return;
      case "snapshot-chunk":
        this.#sending.chunk(input);
        return;
      case "snapshot-failed":
        this.#sending.failed(input.transfer);
        return;
      case "snapshot-taken":
        this.#receiving.taken(input);
        return;
      case "snapshot-installed":
        if (this.#receiving.installed(input)) this.#applying.restart();
        return;
      case "compact":
        this.#applying.compactAll();
        return;
      default:
        unreachable(input);
    }
  }

  #hear(from: RaftId, message: RaftMessage): void {
    const state = this.#state;
    if (from === state.self || message.term > state.term + termStep_max) return;
    if (message.kind === "vote") {
      this.#election.asked(from, message);
      return;
    }
    const isWish = message.kind === "vote-reply" && message.pre && message.granted;
    if (message.term > state.term && !isWish) {
      if (!isOfLeader(message) && !this.#isMember(from)) return;
      this.#roles.becomeFollower(message.term, null);
    }
    switch (message.kind) {
      case "append":
        if (this.#accepts(from, message.term)) this.#following.append(from, message);
        return;
      case "heartbeat":
        if (this.#accepts(from, message.term)) this.#following.heartbeat(from, message);
        return;
      case "snapshot":
        if (this.#accepts(from, message.term)) this.#receiving.received(from, message);
        return;
      case "vote-reply":
        this.#election.answered(from, message);
        return;
      case "forward":
        this.#proposals.forwarded(from, message);
        return;
      case "forward-reply":
        this.#proposals.forwardReply(from, message);
        return;
      case "forward-refused":
        this.#proposals.forwardRefused(from, message);
        return;
      case "read-index":
        this.#reads.asked(from, message);
        return;
      case "read-index-reply":
        this.#reads.replied(from, message);
        return;
      case "timeout-now":
        this.#election.called(from, message);
        return;
      case "appended":
        if (this.#isOwnTerm(message.term)) this.#replication.appended(from, message);
        return;
      case "refused":
        if (this.#isOwnTerm(message.term)) this.#replication.refused(from, message);
        return;
      case "heartbeat-reply":
        if (this.#isOwnTerm(message.term)) {
          const peer = this.#heartbeats.replied(from, message);
          if (peer !== undefined) this.#replication.heartbeatAnswered(peer, message.round);
        }
        return;
      case "snapshot-reply":
        if (this.#isOwnTerm(message.term)) this.#sending.replied(from, message);
        return;
      default:
        unreachable(message);
    }
  }

  /** Answers to a leader count only in the term that it leads. */
  #isOwnTerm(term: number): boolean {
    return this.#state.leadership !== null && term === this.#state.term;
  }

  #isMember(id: RaftId): boolean {
    const { leadership, configurations } = this.#state;
    return leadership?.peers.has(id) === true || configurations.roleOf(id) !== null;
  }

  /** Whether `from` is to be followed. A leader of an older term is told so. */
  #accepts(from: RaftId, term: number): boolean {
    const state = this.#state;
    if (term < state.term) {
      state.send(from, { kind: "heartbeat-reply", term: state.term, round: 0 });
      return false;
    }
    if (state.leadership !== null || (state.leader !== null && state.leader !== from)) {
      if (!this.#isMember(from)) return false;
      this.#roles.stop(
        `${from} leads in term ${term}, in which another leads: two participants of one name?`,
      );
      return false;
    }
    if (state.role !== "follower" || state.leader !== from) this.#roles.becomeFollower(term, from);
    this.#election.heard();
    return true;
  }

  /** What follows from the state as it is now: order matters, since each finds what those before it have done. */
  #conclude(): void {
    const state = this.#state;
    this.#election.run();
    if (state.leadership !== null) {
      judgeWitnesses(state, state.leadership);
      advanceCommit(state);
      const removed = this.#membership.run();
      this.#membership.syncPeers();
      this.#heartbeats.run();
      // One whose disk hangs must not hold the others back by its heartbeats.
      if (removed || state.out.stalled_ms(state.now) > state.timing.election_ms) {
        this.#replication.flush();
        this.#roles.resign();
        this.#election.wait();
      } else if (!this.#heartbeats.hasQuorum) {
        this.#roles.becomeFollower(state.term, null);
        this.#election.wait();
      }
    }
    this.#reads.run();
    this.#transfer.run();
    this.#replication.flush();
    this.#sending.run();
    this.#proposals.run();
    this.#applying.run();
  }

  /** What a participant that has stopped says to its own clients. */
  #turnAway(input: RaftInput): void {
    const { out } = this.#state;
    if (input.kind === "propose")
      out.emit({ kind: "proposal", id: input.id, result: { kind: "refused", reason: "stopped" } });
    else if (input.kind === "read")
      out.emit({ kind: "read", id: input.id, result: { kind: "refused", reason: "stopped" } });
    else if (input.kind === "change-membership")
      out.emit({ kind: "membership", id: input.id, result: { kind: "refused", reason: "not-leader" } });
    else if (input.kind === "transfer")
      out.emit({ kind: "transfer", id: input.id, result: { kind: "refused", reason: "not-leader" } });
  }

  /** Promises and entries that are not written yet; the commit index only goes with them. */
  #write(): Parameters<RaftState["out"]["take"]>[0] {
    const state = this.#state;
    const unwritten = state.log.takeUnwritten(state.out.nextPersist);
    const { resetTo: reset, promised } = state;
    if (unwritten === null && reset === null && !promised) return null;
    const { commit } = state.log;
    const { term, vote } = state;
    const hardState: HardState | null =
      promised || commit !== this.#commitWritten ? { term, vote, commit } : null;
    this.#commitWritten = commit;
    state.promised = false;
    state.resetTo = null;
    return {
      hardState,
      reset,
      truncateFrom: unwritten?.truncateFrom ?? null,
      entries: unwritten?.entries ?? [],
    };
  }

  #tellStatus(): void {
    const { role, term, leader, stopped, configurations, out } = this.#state;
    const now = [role, term, leader, stopped, configurations.current, isReady(this.#state)];
    if (now.every((value, i) => value === this.#told[i])) return;
    this.#told = now;
    out.emit({ kind: "status" });
  }

  #due(): number {
    return Math.min(
      this.#election.due(),
      this.#heartbeats.due(),
      this.#replication.due(),
      this.#proposals.due(),
      this.#reads.due(),
      this.#transfer.due(),
      this.#sending.due(),
    );
  }
}
